"""How often a tool usually fails, and when it fails more often: binomial tails over its last failures and its last hours.

At a failure it is asked how few calls the last 6, 10, 16, 24 and 32 failures took, and how many of the calls of the last 6
and 24 hours failed, and how surprising that is at the level of seven days before them. The first finds what is much, within
some calls, the second what is little and lasts. A share is never judged by itself: 1 of 3 is no surprise where 10 % fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from codespar_cli.plugins.observability.anomalies.back_to_usual import RateBack
from codespar_cli.plugins.observability.anomalies.surprise import failure_surprise
from codespar_cli.plugins.observability.anomalies.week_profile import HOUR_US

__all__ = ["FailureLevel", "MoreFailures"]

WARM_UP = 100
DAYS = 7
LOOKS = (6, 10, 16, 24, 32)
HOURS = (6, 24)
LEAST_TOLD = 4
LEAST_IN_HOURS = 8
LIMIT = 12.0
LIMIT_IN_HOURS = 5.5
"""Hours are looked at less often than failures come: fewer looks, fewer surprises by chance."""
RECORD = 1.3
CALM = 4.0
DEVIATIONS = 2.0
"""The rule of the product: more than two standard deviations above the level."""
EARLIEST_US = 6 * HOUR_US
"""An incident is not said to have begun longer before it was noticed."""


class MoreFailures(NamedTuple):
    failed: int
    calls: int
    usual: float
    started: int


class _Record:
    """How surprising it ever was, and is at present."""

    __slots__ = ("ever", "limit", "peak")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.peak = self.ever = 0.0

    def is_beaten(self, surprise: float) -> bool:
        if surprise < CALM:
            self.ever = max(self.ever, self.peak)
            self.peak = 0.0
            return False
        self.peak = max(self.peak, surprise)
        if surprise <= max(self.limit, RECORD * self.ever):
            return False
        # What is learnt of an outage is that there was one, not how bad it was.
        if surprise < 4 * self.limit:
            self.ever = max(self.ever, surprise / RECORD)
        return True


class FailureLevel:
    __slots__ = (
        "_back",
        "_days",
        "_failed_at",
        "_hour_ends",
        "_hours",
        "_in_hours",
        "_in_row",
        "_now",
        "calls",
        "opened",
    )

    def __init__(self) -> None:
        self.opened = 0
        self._back = RateBack()
        self._forget()

    def _forget(self) -> None:
        self.calls = 0
        self._days: list[list[int]] = []  # day, calls, failures: the newest last, without this hour
        self._hours: list[list[int]] = []  # likewise, with this hour
        self._now = [-1, 0, 0]
        self._hour_ends = 0
        self._failed_at: list[tuple[int, int]] = []  # call number, time
        self._in_row, self._in_hours = _Record(LIMIT), _Record(LIMIT_IN_HOURS)

    def add(self, time: int, failed: bool) -> MoreFailures | None:
        """While an incident is open nothing is learnt."""
        if self.opened:
            self._back.add(time, failed)
            return None
        if time >= self._hour_ends:
            self._turn(time)
        now = self._now
        now[1] += 1
        self.calls += 1
        if not failed:
            return None
        now[2] += 1
        self._failed_at.append((self.calls, time))
        del self._failed_at[: -LOOKS[-1]]
        return self._judge(time)

    def _turn(self, time: int) -> None:
        self._end_hour()
        hour = time // HOUR_US
        self._hour_ends = (hour + 1) * HOUR_US
        self._now = [hour, 0, 0]
        oldest = hour - HOURS[-1] + 1
        self._hours = [each for each in self._hours if each[0] >= oldest] + [self._now]
        self._days = [each for each in self._days if each[0] >= hour // 24 - DAYS]

    def _end_hour(self) -> None:
        hour, calls, failures = self._now
        if not calls:
            return
        if not self._days or self._days[-1][0] != hour // 24:
            self._days.append([hour // 24, 0, 0])
        self._days[-1][1] += calls
        self._days[-1][2] += failures

    def _judge(self, time: int) -> MoreFailures | None:
        surprise, found = self._most_surprising(LOOKS)
        lasting, over_hours = self._of_hours()
        # Both are told of what there is, whether the other is beaten or not.
        in_row, in_hours = self._in_row.is_beaten(surprise), self._in_hours.is_beaten(lasting)
        if not in_row and not in_hours:
            return None
        # What is told is where it began: not the lone failure an hour before.
        least = LEAST_TOLD if in_row else LEAST_IN_HOURS
        _, told = self._most_surprising(range(least, LOOKS[-1] + 1), time - EARLIEST_US)
        told = told or (found if in_row else over_hours)
        return told and told._replace(started=max(told.started, time - EARLIEST_US))

    def _most_surprising(self, looks: Iterable[int], earliest: int = 0) -> tuple[float, MoreFailures | None]:
        known, failures = self._known()
        best, found = 0.0, None
        for look in looks:
            if len(self._failed_at) < look:
                break
            number, began = self._failed_at[-look]
            if began < earliest:
                break
            calls = self.calls - number + 1
            if known - calls < WARM_UP:
                break
            surprise, usual = _surprise(look, calls, failures, known)
            if surprise > best:
                best, found = surprise, MoreFailures(look, calls, usual, began)
        return best, found

    def _of_hours(self) -> tuple[float, MoreFailures | None]:
        """Hours of the clock: the last one is not over."""
        known, failures = self._known()
        best, found = 0.0, None
        for hours in HOURS:
            of = [each for each in self._hours if each[0] > self._now[0] - hours]
            calls, failed = sum(each[1] for each in of), sum(each[2] for each in of)
            if failed < LEAST_IN_HOURS or known - calls < max(WARM_UP, calls):
                continue
            surprise, usual = _surprise(failed, calls, failures, known)
            if surprise > best:
                best, found = surprise, MoreFailures(failed, calls, usual, of[0][0] * HOUR_US)
        return best, found

    def _known(self) -> tuple[int, int]:
        _, calls, failures = self._now
        return calls + sum(day[1] for day in self._days), failures + sum(day[2] for day in self._days)

    def open(self, time: int, found: MoreFailures) -> None:
        self.opened = time
        self._in_row.peak = self._in_hours.peak = 0.0
        self._back.start(time, found.failed, found.calls, found.usual)

    def settled(self, now: int) -> bool:
        """Whether it fails no more than usual, while an incident is open."""
        return self._back.is_sure(now)

    def close(self, *, adopt: bool = False) -> None:
        self.opened = 0
        self._failed_at.clear()
        self._end_hour()
        self._hours.clear()
        self._now = [-1, 0, 0]
        self._hour_ends = 0
        if adopt:
            self._forget()

    def dump(self) -> list[Any]:
        records = [[each.peak, each.ever] for each in (self._in_row, self._in_hours)]
        return [self.calls, self._days, self._hours, self._failed_at, records, self._back.dump(), self.opened]

    @classmethod
    def load(cls, dumped: Sequence[Any]) -> FailureLevel:
        level = cls()
        level.calls, level._days, level._hours, failed_at, records, back, level.opened = dumped
        level._failed_at = [(number, time) for number, time in failed_at]
        for record, (peak, ever) in zip((level._in_row, level._in_hours), records, strict=True):
            record.peak, record.ever = peak, ever
        level._back.load(back)
        if level._hours:
            level._now = level._hours[-1]
            level._hour_ends = (level._now[0] + 1) * HOUR_US
        return level


def _surprise(failed: int, calls: int, failures: int, known: int) -> tuple[float, float]:
    """So many of the last calls, among all that are known; and the usual share, of those before.

    At the level in between that speaks most against a change: of a short past it is not known what is usual.
    """
    before, failed_before = known - calls, max(failures - failed, 0)
    usual = (failed_before + 0.5) / (before + 1)
    deviation = (usual * (1 - usual) / calls) ** 0.5
    if failed / calls <= usual + DEVIATIONS * deviation:
        return 0.0, usual
    level = (failed + failed_before + 0.5) / (calls + before + 1)
    surprise = failure_surprise(failed, calls, level) + failure_surprise(before - failed_before, before, 1 - level)
    return surprise, usual
