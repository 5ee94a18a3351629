"""Globs over `/`-separated names: `*` within one segment, `**` across whole segments, nothing else.

Matching never backtracks: literal pieces are found leftmost first, so the time is bounded by the length of the
name times the length of the pattern, whatever an adversary sends. Case counts. `a/**/b` matches `a/b`;
`deploy/**` needs at least one segment below `deploy`;
a segment may be empty, as in `deploy/`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

Matcher: TypeAlias = Callable[[str], bool]


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


def literal_prefix(pattern: str) -> str:
    """What every match begins with: the pattern up to its first `*`."""
    return pattern.partition("*")[0]


def _without_stars(parts: list[str]) -> Matcher:
    segments = [_segment(part) for part in parts]
    count = len(segments)

    def match(name: str) -> bool:
        names = name.split("/")
        return len(names) == count and all(test(part) for test, part in zip(segments, names, strict=True))

    return match


def _across_segments(parts: list[str]) -> Matcher:
    # Runs of plain segments between the `**`s: the first run is anchored at the start, the last at the end, and each
    # run in the middle takes the leftmost place where it fits, which never hurts the runs after it.
    runs: list[list[Matcher]] = [[]]
    for part in parts:
        if part == "**":
            runs.append([])
        else:
            runs[-1].append(_segment(part))
    head, *middle, tail = runs
    open_tail = not tail

    def match(name: str) -> bool:
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
