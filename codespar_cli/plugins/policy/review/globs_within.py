"""Whether one glob matches everything that another does (core/globs.py says what they mean). Exact, or it gives up.

Both are read as automata over names in which every segment ends with `/`. The narrow one is walked place by place,
together with all the places where the wide one may then be; where the narrow one ends, the wide one must be able to.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

_MOST_PAIRS = 2048
_STAR, _DEEP = "*", "**"
_OTHER = ""  # stands for every character that the wide glob does not name


class _Place(NamedTuple):
    """Before which part, and whether in the middle of a segment that `**` runs over."""

    at: int
    inside: bool = False


@lru_cache(maxsize=4096)
def is_within(narrow: str, wide: str) -> bool:
    """Of two globs. False also where finding out would take too long."""
    ours, theirs = _parts(narrow), _parts(wide)
    letters = {*theirs} - {_STAR, _DEEP, "/"} | {_OTHER, "/"}
    begin = _reached(theirs, {_Place(0)})
    waiting = [(place, begin) for place in _reached(ours, {_Place(0)})]
    seen = set(waiting)
    while waiting:
        place, others = waiting.pop()
        if place.at == len(ours):
            if not any(other.at == len(theirs) for other in others):
                return False
            continue
        kind = ours[place.at]
        for letter in letters if kind in {_STAR, _DEEP} else (kind,):
            after = _step(ours, place, letter)
            if after is None:
                continue
            moved = {found for other in others if (found := _step(theirs, other, letter)) is not None}
            then = _reached(theirs, moved)
            for each in _reached(ours, {after}):
                if (each, then) not in seen:
                    seen.add((each, then))
                    waiting.append((each, then))
        if len(seen) > _MOST_PAIRS:
            return False
    return True


def _parts(glob: str) -> tuple[str, ...]:
    segments = glob.split("/")
    if segments[-1] == _DEEP:
        segments.append(_STAR)  # at the end it stands for one segment at least
    found: list[str] = []
    for segment in segments:
        found.extend((_DEEP,) if segment == _DEEP else (*segment, "/"))
    return tuple(found)


def _reached(parts: tuple[str, ...], places: set[_Place]) -> frozenset[_Place]:
    """These places, and those after a star that stands for nothing."""
    found, waiting = set(places), list(places)
    while waiting:
        place = waiting.pop()
        if place.at < len(parts) and parts[place.at] in {_STAR, _DEEP} and not place.inside:
            after = _Place(place.at + 1)
            if after not in found:
                found.add(after)
                waiting.append(after)
    return frozenset(found)


def _step(parts: tuple[str, ...], place: _Place, letter: str) -> _Place | None:
    """Where a letter leads from a place; the steps over stars are taken by `_reached`."""
    if place.at == len(parts):
        return None
    kind = parts[place.at]
    if kind == _DEEP:
        return _Place(place.at, inside=letter != "/")
    if kind == _STAR:
        return None if letter == "/" else place
    return _Place(place.at + 1) if kind == letter else None
