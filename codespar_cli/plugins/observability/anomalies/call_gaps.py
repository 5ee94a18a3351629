"""How long a tool goes without a call, measured in calls that were to be expected: then a night is no longer than it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codespar_cli.plugins.observability.anomalies.surprise import silence_surprise
from codespar_cli.plugins.observability.anomalies.week_profile import HOUR_US, WeekProfile

__all__ = ["CallGaps"]

LIMIT = 12.0
LEAST_EXPECTED = 30.0
RECORD = 1.5
LEAST_RECORD = 3.0
RECORD_ALONE = 2.0
"""For gaps that are known from the calls of the other tools only."""
LOOK_AGAIN_US = 180_000_000
LOOK_AGAIN_PART = 8
LONGEST_US = 7 * 24 * HOUR_US


class CallGaps:
    """`others` counts the tenant's calls of other tools: who is silent while the others work is silent indeed."""

    __slots__ = ("_others_at_last", "_others_at_start", "_record", "_record_others", "last", "silent_since")

    def __init__(self, time: int, others: int) -> None:
        self.last = time
        self.silent_since = 0
        self._others_at_start = self._others_at_last = others
        self._record = LEAST_RECORD
        self._record_others = 0

    def add(self, time: int, others: int, profile: WeekProfile) -> None:
        """A call. Before the profile takes it in."""
        if not self.silent_since:
            between = others - self._others_at_last
            self._record_others = max(self._record_others, between)
            # A gap that cannot be the longest yet is not measured.
            if (time - self.last) * profile.steepest > HOUR_US * self._record:
                self._record = max(self._record, self._expected(time, profile) or 0.0)
        self.silent_since = 0
        self.last = time
        self._others_at_last = others

    def due(self, now: int, profile: WeekProfile) -> int:
        """No silence is a surprise any sooner."""
        steepest = max(profile.steepest, profile.count, 1.0)
        needed = max(LEAST_EXPECTED, RECORD * self._record)
        soonest = now + max(LOOK_AGAIN_US, (now - self.last) // LOOK_AGAIN_PART)
        return max(self.last + int(min(needed / steepest * HOUR_US, LONGEST_US)), soonest)

    def judge(self, now: int, calls: int, others: int, profile: WeekProfile, *, busiest: bool) -> float | None:
        """How many calls were to be expected since the last one, if that none came is a surprise."""
        by_time = self._expected(now, profile)
        missed = others - self._others_at_last
        ever = self._others_at_last - self._others_at_start
        by_others = missed * calls / ever if ever > calls / 4 else None
        if by_time is not None and (busiest or by_others is None):
            expected = by_time
        elif by_time is not None and by_others is not None:
            expected = min(by_time, by_others)
        elif by_others is not None and missed > RECORD_ALONE * self._record_others:
            expected = by_others / RECORD_ALONE
        else:
            return None
        if by_others is not None and not busiest and missed <= RECORD * self._record_others:
            return None
        if expected < LEAST_EXPECTED or (by_time is not None and by_time <= RECORD * self._record):
            return None
        return expected if silence_surprise(expected, profile.dispersion) >= LIMIT else None

    def _expected(self, now: int, profile: WeekProfile) -> float | None:
        """At the least, from the last call until now; None when too little is known."""
        total, start = 0.0, self.last
        floor = profile.floor()
        while start < now:
            hour = start // HOUR_US
            end = min((hour + 1) * HOUR_US, now)
            rate = profile.least_expected(hour)
            if rate is None:
                if floor is None:
                    return None
                rate = floor
            total += rate * (end - start) / HOUR_US
            start = end
            if total > 1e6 or start - self.last > LONGEST_US:
                break
        return total

    def dump(self) -> list[Any]:
        return [getattr(self, name) for name in self.__slots__]

    @classmethod
    def load(cls, dumped: Sequence[Any]) -> CallGaps:
        gaps = cls(0, 0)
        for name, value in zip(cls.__slots__, dumped, strict=True):
            setattr(gaps, name, value)
        return gaps
