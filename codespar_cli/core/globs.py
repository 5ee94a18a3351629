"""Globs over `/`-separated names: `*` within one segment, `**` across whole segments, nothing else.

Matching never backtracks: literal pieces are found leftmost first, so the time is bounded by the length of the
name times the length of the pattern, whatever an adversary sends. Segments are walked one by one; those of a long
name, which may be nothing but segments, are left to an expression of atomic groups, which cannot backtrack either.
Case counts. `a/**/b` matches `a/b`;
`deploy/**` needs at least one segment below `deploy`;
a segment may be empty, as in `deploy/`.
"""

from __future__ import annotations

from codespar_cli.core.light_cache import lru_cache
from codespar_cli.core.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Callable
    from typing import TypeAlias

Matcher: TypeAlias = "Callable[[str], bool]"

EXPECTED = "a glob such as `billing-*` or `stripe/**`"
_LONG = 256
_FOREIGN = frozenset("[]{}?\\")


@lru_cache(maxsize=4096)
def compile_glob(pattern: str) -> Matcher:
    """A predicate for names. A pattern without `*` is equality."""
    if "*" not in pattern:
        return pattern.__eq__
    parts = pattern.split("/")
    if "**" not in parts:
        return _without_stars(parts)
    if parts[-1] == "**" and "*" not in pattern[:-2]:
        prefix = pattern[:-2]
        return lambda name: name.startswith(prefix)
    return _across_segments(parts)


def matches(pattern: str, name: str) -> bool:
    return compile_glob(pattern)(name)


def is_glob(text: object) -> bool:
    """Whether this is written as a glob: what other pattern languages write would be taken literally, and never match."""
    if not isinstance(text, str) or not text or text.startswith("re2:") or not _FOREIGN.isdisjoint(text):
        return False
    return not any("**" in segment and segment != "**" for segment in text.split("/"))


def literal_prefix(pattern: str) -> str:
    """What every match begins with: the pattern up to its first `*`."""
    return pattern.partition("*")[0]


def _without_stars(parts: list[str]) -> Matcher:
    segments = [_segment(part) for part in parts]
    count = len(segments)

    def match(name: str) -> bool:
        names = name.split("/", count)
        return len(names) == count and all(test(part) for test, part in zip(segments, names, strict=True))

    return match


def _across_segments(parts: list[str]) -> Matcher:
    # Runs of plain segments between the `**`s: the first run is anchored at the start, the last at the end, and each
    # run in the middle takes the leftmost place where it fits, which never hurts the runs after it.
    runs: list[list[str]] = [[]]
    for part in parts:
        if part == "**":
            runs.append([])
        else:
            runs[-1].append(part)
    head, *middle, tail = [[_segment(part) for part in run] for run in runs]
    open_tail = not tail

    @lru_cache(maxsize=None)
    def expression() -> re.Pattern[str]:
        from re import DOTALL
        from re import compile as compiled

        return compiled("".join(map(_atomic, runs[1:-1])) + ("." if open_tail else ""), DOTALL)

    def match_long(name: str) -> bool:
        count = name.count("/") + 1
        if count < len(head) + len(tail):
            return False
        *first, rest = (name + "/").split("/", len(head))
        last = rest[:-1].rsplit("/", len(tail))[-len(tail) :] if tail else []
        if not _fits(head, first, 0) or not _fits(tail, last, 0):
            return False
        between = rest[: len(rest) - sum(len(part) + 1 for part in last)]
        return expression().match(between) is not None

    def match(name: str) -> bool:
        if len(name) > _LONG:
            return match_long(name)
        names = name.split("/")
        at, end = len(head), len(names) - len(tail)
        if at > end or not _fits(head, names, 0) or not _fits(tail, names, end):
            return False
        for run in middle:
            while at + len(run) <= end and not _fits(run, names, at):
                at += 1
            at += len(run)
            if at > end:
                return False
        return at < end if open_tail else True

    return match


def _fits(run: list[Matcher], names: list[str], at: int) -> bool:
    return all(test(names[at + offset]) for offset, test in enumerate(run))


def _atomic(run: list[str]) -> str:
    """The leftmost place of a run in text in which every segment ends with `/`."""
    return f"(?>(?:[^/]*+/)*?{''.join(map(_atomic_segment, run))})" if run else ""


def _atomic_segment(part: str) -> str:
    from re import escape

    first, *pieces = (escape(piece) for piece in part.split("*"))
    if not pieces:
        return f"{first}/"
    middle = "".join(f"(?>[^/]*?{piece})" for piece in pieces[:-1] if piece)
    return f"{first}{middle}(?>[^/]*?{pieces[-1]}/)"


def _segment(part: str) -> Matcher:
    if "*" not in part:
        return part.__eq__
    first, *pieces, last = part.split("*")
    pieces = [piece for piece in pieces if piece]
    shortest = len(first) + len(last)

    def match(name: str) -> bool:
        if len(name) < shortest or not name.startswith(first) or not name.endswith(last):
            return False
        at, end = len(first), len(name) - len(last)
        for piece in pieces:
            at = name.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    return match
