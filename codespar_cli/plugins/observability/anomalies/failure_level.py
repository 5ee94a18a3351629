"""How often a tool usually fails, and when it fails more often: binomial tails over the last failures.

At a failure it is asked how few calls the last 6, 10, 16, 24 and 32 failures took, and how surprising that is at the level
of seven days before them. A share is never judged by itself: 1 of 3 is no surprise where 10 % fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from codespar_cli.plugins.observability.anomalies.surprise import failure_surprise

__all__ = ["FailureLevel", "MoreFailures"]

WARM_UP = 100
DAYS = 7
LOOKS = (6, 10, 16, 24, 32)
LEAST_TOLD = 4
LIMIT = 12.0
RECORD = 1.3
CALM = 4.0
DEVIATIONS = 2.0
"""The rule of the product: more than two standard deviations above the level."""
STEADY = 50
_ALL = (1 << STEADY) - 1


class MoreFailures(NamedTuple):
    failed: int
    calls: int
    usual: float
    started: int


class FailureLevel:
    __slots__ = ("_days", "_failed_at", "_outcomes", "_outcomes_seen", "_peak", "_record", "_usual", "calls", "opened")

    def __init__(self) -> None:
        self.opened = 0
        self._forget()

    def _forget(self) -> None:
        self.calls = 0
        self._days: list[list[int]] = []  # day, calls, failures: the newest last
        self._failed_at: list[tuple[int, int]] = []  # call number, time
        self._peak = self._record = self._usual = 0.0
        self._outcomes = self._outcomes_seen = 0

    def add(self, time: int, day: int, failed: bool) -> MoreFailures | None:
        """While an incident is open nothing is learnt."""
        if self.opened:
            self._outcomes = ((self._outcomes << 1) | failed) & _ALL
            self._outcomes_seen += 1
            return None
        days = self._days
        if not days or days[-1][0] != day:
            days.append([day, 0, 0])
            while days[0][0] <= day - DAYS - 1:
                del days[0]
        days[-1][1] += 1
        self.calls += 1
        if not failed:
            return None
        days[-1][2] += 1
        self._failed_at.append((self.calls, time))
        del self._failed_at[: -LOOKS[-1]]
        return self._judge()

    def _judge(self) -> MoreFailures | None:
        surprise, found = self._most_surprising(LOOKS)
        if surprise < CALM:
            self._record = max(self._record, self._peak)
            self._peak = 0.0
            return None
        self._peak = max(self._peak, surprise)
        if surprise <= max(LIMIT, RECORD * self._record) or found is None:
            return None
        self._record = max(self._record, surprise / RECORD) if surprise < 4 * LIMIT else self._record
        # What is told is where it began: not the lone failure an hour before.
        _, told = self._most_surprising(range(LEAST_TOLD, LOOKS[-1] + 1))
        self._usual = found.usual
        return told or found

    def _most_surprising(self, looks: Iterable[int]) -> tuple[float, MoreFailures | None]:
        known = sum(day[1] for day in self._days)
        failures = sum(day[2] for day in self._days)
        best, found = 0.0, None
        for look in looks:
            if len(self._failed_at) < look:
                break
            number, began = self._failed_at[-look]
            calls = self.calls - number + 1
            before = known - calls
            if before < WARM_UP:
                break
            usual = max(failures - look + 0.5, 0.5) / (before + 1)
            deviation = (usual * (1 - usual) / calls) ** 0.5
            if look / calls <= usual + DEVIATIONS * deviation:
                continue
            surprise = _surprise(look, calls, max(failures - look, 0), before)
            if surprise > best:
                best, found = surprise, MoreFailures(look, calls, usual, began)
        return best, found

    def open(self, time: int) -> None:
        self.opened = time
        self._peak = 0.0
        self._outcomes = self._outcomes_seen = 0

    def settled(self) -> bool:
        if self._outcomes_seen < STEADY:
            return False
        usual = self._usual * STEADY
        deviation: float = (usual * (1 - self._usual)) ** 0.5
        return self._outcomes.bit_count() <= usual + DEVIATIONS * deviation + 1

    def close(self, *, adopt: bool = False) -> None:
        self.opened = 0
        self._failed_at.clear()
        if adopt:
            self._forget()

    def dump(self) -> list[Any]:
        return [
            self.calls, self._days, self._failed_at, self._peak, self._record, self._usual, self._outcomes,
            self._outcomes_seen, self.opened,
        ]  # fmt: skip

    @classmethod
    def load(cls, dumped: Sequence[Any]) -> FailureLevel:
        level = cls()
        level.calls, level._days, failed_at, level._peak, level._record, level._usual, *rest = dumped
        level._failed_at = [(number, time) for number, time in failed_at]
        level._outcomes, level._outcomes_seen, level.opened = rest
        return level


def _surprise(failed: int, calls: int, failed_before: int, before: int) -> float:
    """At the level in between that speaks most against a change: of a short past it is not known what is usual."""
    level = (failed + failed_before + 0.5) / (calls + before + 1)
    return failure_surprise(failed, calls, level) + failure_surprise(before - failed_before, before, 1 - level)
