"""What is usual at a time of day, learnt as the values come."""

from __future__ import annotations

from datetime import datetime
from typing import Any

__all__ = ["DayProfile", "time_of_day"]

SLOTS = 48
DAY = 86_400.0
SLOWEST = 0.05
EXPLAINED = 0.5
DAYS_NEEDED = 3
# An epoch number at or above one of these is in milliseconds, microseconds, nanoseconds: as seconds it would lie
# beyond the year 5000.
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))


def time_of_day(moment: Any) -> tuple[int, float] | None:
    """The day's number and the part of it that has passed (0 to below 1); None for what is no time.

    A datetime or an ISO 8601 text is read by its own wall clock, a number as seconds (or milli-, micro-, nanoseconds)
    since 1970.
    """
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            return None
    if isinstance(moment, datetime):
        try:
            seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
            return moment.toordinal(), seconds / DAY
        except (TypeError, ValueError):  # a "not a time" that calls itself a datetime
            return None
    if moment is None:
        return None
    return _of_number(moment)


def _of_number(moment: Any) -> tuple[int, float] | None:
    try:
        seconds = float(moment)
    except (TypeError, ValueError, OverflowError):
        # Times of array libraries are no datetimes, but they print themselves as ISO 8601.
        return None if isinstance(moment, (int, bytes)) else time_of_day(str(moment))
    for from_here, parts in _UNITS:
        if abs(seconds) >= from_here:
            seconds /= parts
            break
    if not abs(seconds) < 1e15:
        return None
    day, within = divmod(seconds, DAY)
    return int(day), min(within / DAY, 1.0 - 1e-9)


class DayProfile:
    """The mean of each half hour of the day, and whether the time of day explains the series at all."""

    __slots__ = ("_day", "_days", "_means", "_seen", "_total", "_unexplained", "_visits", "_whole")

    def __init__(self) -> None:
        self._means = [0.0] * SLOTS
        self._visits = [0] * SLOTS
        self._seen = 0
        self._total = 0.0
        self._whole = 0.0
        self._unexplained = 0.0
        self._day = 0
        self._days = 0

    @property
    def explains(self) -> bool:
        """Have three days been seen, and is at least half the variance gone once the time of day is known?"""
        return self._days >= DAYS_NEEDED and self._unexplained < (1 - EXPLAINED) * self._whole

    def surprise(self, day: int, part: float, value: float) -> float | None:
        """How far the value is from the mean of its half hour; None for the first value of that half hour."""
        if day != self._day or not self._days:
            self._day = day
            self._days += 1
        slot = int(part * SLOTS)
        return value - self._means[slot] if self._visits[slot] else None

    def learn(self, part: float, value: float) -> None:
        """Move the mean of the half hour towards the value."""
        self._seen += 1
        off = value - self._total
        self._total += off / self._seen
        self._whole += off * (value - self._total)
        slot = int(part * SLOTS)
        visits = self._visits[slot]
        surprise = value - self._means[slot]
        if visits:
            self._unexplained += surprise * surprise
        self._visits[slot] = visits + 1
        self._means[slot] += surprise * max(SLOWEST, 1 / (visits + 1))
