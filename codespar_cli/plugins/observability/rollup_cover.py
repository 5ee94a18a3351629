"""Which cells, and which rows beside them, make up a span of time: pure, from what the rollup says it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from codespar_cli.plugins.observability.rollup_schema import DAY_US, HOUR_US, SLICE_US, Kind

FOREVER = 2**62
"""Further than any time there is, in microseconds."""


class Cells(NamedTuple):
    """The cells of one level and kind with `start <= period < end`."""

    level: int
    kind: Kind
    start: int
    end: int


class Rows(NamedTuple):
    """The rows that are folded in, with `start <= time < end`."""

    start: int
    end: int


class Hour(NamedTuple):
    """What the rollup has of an hour."""

    hour: int
    sliced: bool
    closed: bool
    stale: bool


def cover(
    start: int, end: int, kind: Kind, hours: Iterable[Hour], closed_days: Sequence[int], *, sliced: bool = False
) -> Iterator[Cells | Rows]:
    """Pieces that hold every folded row of [start, end) exactly once.

    `hours` are those that have rows in the span and lie in no closed day, `closed_days` those days that may be used.
    `sliced` asks for nothing coarser than slices.
    """
    if start >= end:
        return
    whole = [day for day in closed_days if start <= day and day + DAY_US <= end]
    pieces: list[Cells | Rows] = [Cells(DAY_US, kind, day, day + DAY_US) for day in whole]
    for hour in hours:
        pieces.extend(_hour(hour, max(start, hour.hour), min(end, hour.hour + HOUR_US), kind, sliced))
    yield from _joined(pieces)


def _hour(hour: Hour, start: int, end: int, kind: Kind, sliced: bool) -> Iterator[Cells | Rows]:
    if start >= end:
        return
    full = (start, end) == (hour.hour, hour.hour + HOUR_US) and not sliced
    if hour.stale:
        yield Rows(start, end)
    elif full and hour.closed:
        yield Cells(HOUR_US, kind, start, end)
    elif hour.sliced:
        yield from _slices(start, end)
    elif full:
        yield Cells(HOUR_US, Kind.FULL, start, end)
    else:
        yield Rows(start, end)


def _slices(start: int, end: int) -> Iterator[Cells | Rows]:
    first, last = -(-start // SLICE_US) * SLICE_US, end // SLICE_US * SLICE_US
    if first >= last:
        yield Rows(start, end)
        return
    if start < first:
        yield Rows(start, first)
    yield Cells(SLICE_US, Kind.FULL, first, last)
    if last < end:
        yield Rows(last, end)


def _joined(pieces: Iterable[Cells | Rows]) -> Iterator[Cells | Rows]:
    """Neighbours of one level in one query: of a year of days there is one."""
    last: Cells | Rows | None = None
    for piece in pieces:
        if isinstance(last, Cells) and isinstance(piece, Cells) and piece == (*last[:2], last.end, piece.end):
            last = last._replace(end=piece.end)
            continue
        if last is not None:
            yield last
        last = piece
    if last is not None:
        yield last
