"""Where in a JSON text the values of an object or an array stand: to copy or cut a piece of it as it was written.

Only for text that has been parsed already: what is no JSON raises ValueError, and what is nested too deep RecursionError.
"""

from __future__ import annotations

from collections.abc import Iterator
from json import JSONDecoder
from json.decoder import WHITESPACE, scanstring  # type: ignore[attr-defined]  # in the documented module, not in its stub
from typing import Any, NamedTuple

_decode = JSONDecoder().raw_decode


class Span(NamedTuple):
    """From `start` to `end`, without the white space around it."""

    start: int
    end: int


def members(text: str, start: int = 0) -> Iterator[tuple[str, Span]]:
    """Every member of the object at `start`, in order, those that are given twice as well."""
    place = _skip(text, start)
    if text[place : place + 1] != "{":
        raise ValueError("no object")
    place = _skip(text, place + 1)
    while text[place : place + 1] == '"':
        key, place = scanstring(text, place + 1, True)  # strict
        place = _skip(text, _skip(text, place) + 1)  # over the colon
        _, end = _decode(text, place)
        yield key, Span(place, end)
        place = _skip(text, end)
        if text[place : place + 1] == ",":
            place = _skip(text, place + 1)


def elements(text: str, start: int = 0) -> Iterator[Span]:
    """Every element of the array at `start`."""
    place = _skip(text, start)
    if text[place : place + 1] != "[":
        raise ValueError("no array")
    place = _skip(text, place + 1)
    while text[place : place + 1] not in {"]", ""}:
        _, end = _decode(text, place)
        yield Span(place, end)
        place = _skip(text, end)
        if text[place : place + 1] == ",":
            place = _skip(text, place + 1)


def only(text: str, key: str, start: int = 0) -> Span | None:
    """The value of a key that is given once; None when it is not there or given more than once."""
    found = [span for name, span in members(text, start) if name == key]
    return found[0] if len(found) == 1 else None


def _skip(text: str, place: int) -> int:
    match = WHITESPACE.match(text, place)
    return place if match is None else int(match.end())


def value_at(text: str, span: Span) -> Any:
    """What stands there, parsed."""
    return _decode(text, span.start)[0]
