"""Whether a shell's pattern could be read as a protected path: `*`, `?`, `[…]`, component by component.

The pattern is read without looking at what is there: that may change before the shell looks.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

SIGNS = ("*", "?", "[")
_ANY, _ONE = object(), object()
_Set = tuple[bool, str]  # whether the others are meant, and what stands between the brackets


def could_be(pattern: str, files: Iterable[str], tails: Iterable[str], trees: Iterable[str]) -> bool:
    """Whether the absolute `pattern` fits one of `files`, ends as one of `tails` or lies in one of `trees`.

    All are folded to one case; of trees and tails a `/` at the end says that what lies below is meant, too.
    """
    parts = _parts(pattern)
    return (
        any(_fit(parts, _parts(file)) for file in files)
        or any(_within(parts, _parts(tree)) for tree in trees)
        or any(_ends(parts, _parts(tail), below=tail.endswith("/")) for tail in tails)
    )


def could_hold(pattern: str, paths: Iterable[str]) -> bool:
    """Whether the absolute `pattern` fits one of `paths` or a directory above it."""
    parts = _parts(pattern)
    return any(len(parts) <= len(inner := _parts(path)) and _fit(parts, inner[: len(parts)]) for path in paths)


# ── inside ──


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _within(parts: list[str], tree: list[str]) -> bool:
    return len(parts) >= len(tree) and _fit(parts[: len(tree)], tree)


def _ends(parts: list[str], tail: list[str], *, below: bool) -> bool:
    last = len(parts) - len(tail)
    if last < 0:
        return False
    return any(_fit(parts[place : place + len(tail)], tail) for place in (range(last + 1) if below else (last,)))


def _fit(parts: list[str], names: list[str]) -> bool:
    return len(parts) == len(names) and all(map(fits, parts, names))


def fits(pattern: str, name: str) -> bool:
    """Whether one component does. As in a shell, no sign stands for a dot at its beginning."""
    if not any(sign in pattern for sign in SIGNS):
        return pattern == name
    signs = _signs(pattern)
    if len([sign for sign in signs if sign is not _ANY]) > len(name):
        return False
    if name.startswith(".") and signs[0] != ".":
        return False
    place = at = 0
    star, retry = -1, 0
    while at < len(name):
        if place < len(signs) and signs[place] is _ANY:
            star, retry = place, at
            place += 1
        elif place < len(signs) and _stands_for(signs[place], name[at]):
            place, at = place + 1, at + 1
        elif star >= 0:
            retry += 1
            place, at = star + 1, retry
        else:
            return False
    return all(sign is _ANY for sign in signs[place:])


def _signs(pattern: str) -> list[object]:
    """Its characters, with `*`, `?` and sets in place of theirs."""
    signs: list[object] = []
    place = 0
    while place < len(pattern):
        sign = pattern[place]
        place += 1
        if sign == "[":
            inner, end = _set(pattern, place)
            signs.append("[" if inner is None else inner)
            place = end
        else:
            signs.append(_ANY if sign == "*" else _ONE if sign == "?" else sign)
    return [sign for at, sign in enumerate(signs) if sign is not _ANY or at == 0 or signs[at - 1] is not _ANY]


def _set(pattern: str, place: int) -> tuple[_Set | None, int]:
    """What stands between brackets, and where it ends; None where none closes them."""
    denied = pattern[place : place + 1] in {"!", "^"}
    begin = place + denied
    end = pattern.find("]", begin + 1)
    return (None, place) if end < 0 else ((denied, pattern[begin:end]), end + 1)


def _stands_for(sign: object, letter: str) -> bool:
    if not isinstance(sign, tuple):
        return sign is _ONE or sign == letter
    denied, inner = bool(sign[0]), str(sign[1])
    if "[:" in inner:  # a class, as `[:alpha:]`: whatever it may mean
        return True
    found, place = False, 0
    while place < len(inner):
        is_range = inner[place + 1 : place + 2] == "-" and place + 2 < len(inner)
        last = inner[place + 2] if is_range else inner[place]
        found = found or inner[place] <= letter <= last
        place += 3 if is_range else 1
    return found is not denied


def spellings(path: str) -> Collection[str]:
    """The absolute pattern without detours, as it stands and with the links of what stands before its first sign."""
    plain = os.path.normpath(path)
    first = min(place for sign in SIGNS if (place := plain.find(sign)) >= 0) if _has_sign(plain) else len(plain)
    above, slash, rest = plain[:first].rpartition("/")
    try:
        real = os.path.realpath(above or "/").rstrip("/") + slash + rest + plain[first:]
    except (OSError, ValueError):
        real = plain
    return {plain.casefold(), real.casefold()}


def _has_sign(text: str) -> bool:
    return any(sign in text for sign in SIGNS)
