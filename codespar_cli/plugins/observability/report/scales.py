"""From values to lengths, and which values an axis names. Pure; every answer is finite whatever the data are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

LARGEST = 1e15
"""Nothing real is larger; what is, is drawn as this."""
SMALLEST = 1e-7
"""Less than a nanosecond of latency or a millionth of money is nothing."""
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_DAY = timedelta(days=1)
_TIME_STEPS = (1, 2, 3, 6, 12, 24, 48, 24 * 7, 24 * 14, 24 * 28, 24 * 56, 24 * 112)


class Scale(Protocol):
    """`at` answers the share of the height, from 0 to 1."""

    @property
    def ticks(self) -> Sequence[float]: ...

    @property
    def is_log(self) -> bool: ...

    def at(self, value: float) -> float: ...


class LinearScale(NamedTuple):
    """From zero, always: a bar's length is its value."""

    top: float
    ticks: Sequence[float]
    is_log: bool = False

    def at(self, value: float) -> float:
        return min(max(value / self.top, 0.0), 1.0)


class LogScale(NamedTuple):
    """Decades from `bottom` to `top`, for lines that are too far apart for one linear scale."""

    bottom: float
    top: float
    ticks: Sequence[float]
    is_log: bool = True

    def at(self, value: float) -> float:
        if value <= self.bottom:
            return 0.0
        return min(math.log(value / self.bottom) / math.log(self.top / self.bottom), 1.0)


def plain(value: float | None) -> float | None:
    """A value that can be drawn, or None."""
    if value is None or math.isnan(value) or value < 0:
        return None
    return 0.0 if value < SMALLEST else min(float(value), LARGEST)


def linear(largest: float, *, whole: bool = False, most: int = 5) -> LinearScale:
    """Round steps from 0 to the first that holds the largest value. `whole`: for things there are no halves of."""
    if largest < SMALLEST:
        return LinearScale(1.0, (0.0, 1.0))
    rough = largest / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((power * each for each in _STEPS if power * each >= rough * 0.999999), power * 10)
    if whole:
        step = max(1.0, float(math.ceil(step)))
    steps = max(1, math.ceil(largest / step - 1e-9))
    return LinearScale(steps * step, tuple(step * index for index in range(steps + 1)))


def for_latency(smallest: float, largest: float) -> Scale:
    """Linear, unless the slowest would press the rest onto the axis: then decades."""
    if smallest < SMALLEST or largest / smallest < 60:
        return linear(largest)
    low, high = math.floor(math.log10(smallest)), math.ceil(math.log10(largest) - 1e-9)
    low = max(low, high - 12)
    every = max(1, math.ceil((high - low) / 5))
    return LogScale(10.0**low, 10.0**high, tuple(10.0**power for power in range(low, high + 1, every)))


class TimeAxis(NamedTuple):
    """`slots` periods of one length, one after the other, without a gap. `start` and `end` bound what is known of them:
    the first and the last period may be known only in part."""

    first: datetime
    unit: timedelta
    slots: int
    start: datetime
    end: datetime

    @property
    def last(self) -> datetime:
        return self.first + self.unit * self.slots

    @property
    def hourly(self) -> bool:
        return self.unit < _DAY

    def begins(self, slot: int) -> datetime:
        return self.first + self.unit * slot

    def is_partial(self, slot: int) -> bool:
        begin = self.begins(slot)
        return begin < self.start or begin + self.unit > self.end

    def slot_of(self, moment: datetime) -> int:
        return (moment - self.first) // self.unit

    def share(self, moment: datetime) -> float:
        """Where on the axis, from 0 to 1; outside of it, its nearer end."""
        return min(max((moment - self.first) / (self.unit * self.slots), 0.0), 1.0)

    def ticks(self, most: int) -> list[tuple[datetime, str]]:
        """At most so many moments with their names: midnights, or hours for an axis of a few days."""
        hours = self.unit * self.slots / timedelta(hours=1)
        step = timedelta(hours=next((each for each in _TIME_STEPS if hours / each <= most), max(24, hours // most)))
        step = max(step, self.unit)
        if step > _DAY:
            step = _DAY * (step // _DAY)
        midnight = self.first.replace(hour=0, minute=0, second=0, microsecond=0)
        index = -((midnight - self.first) // step)
        found: list[tuple[datetime, str]] = []
        while len(found) <= most and (at := midnight + step * index) < self.last:
            found.append((at, _name(at, step)))
            index += 1
        return found[:most]


def time_axis(start: datetime, end: datetime, unit: timedelta) -> TimeAxis:
    """Whole periods around [start, end), which are UTC."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    first = start.replace(minute=0, second=0, microsecond=0)
    if unit >= _DAY:
        first = first.replace(hour=0)
    return TimeAxis(first, unit, max(1, -((first - end) // unit)), start, end)


def _name(moment: datetime, step: timedelta) -> str:
    if step < _DAY and moment.hour:
        return moment.strftime("%H:%M")
    return moment.strftime("%-d %b")
