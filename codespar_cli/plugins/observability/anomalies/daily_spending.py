"""What one agent or tool costs a day, beside its level of the last 30 days."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["DailySpending", "Overspent"]

DAYS = 30
DAYS_NEEDED = 5
PRICED_NEEDED = 10
RISE = 1.5
"""The rule of the product: more than 50 % over the level."""
DEVIATIONS = 4.0
RECORD = 1.1


class Overspent(NamedTuple):
    spent: float
    level: float
    days: int
    low: float
    high: float


class DailySpending:
    """Days without a known cost do not count: an agent that rests on Sundays spends no less on Mondays."""

    __slots__ = ("_day", "_limit", "_past", "_priced", "_spent", "opened")

    def __init__(self) -> None:
        self.opened = 0
        self._day = -1
        self._spent = 0.0
        self._priced = 0
        self._past: list[list[float]] = []  # day, cost: the newest last
        self._limit = float("inf")

    def add(self, day: int, cost: float) -> Overspent | None:
        if day != self._day:
            self._turn(day)
        self._spent += cost
        self._priced += 1
        if self._spent <= self._limit or self.opened or self._priced < PRICED_NEEDED:
            return None
        costs = [cost for _, cost in self._past]
        return Overspent(self._spent, sum(costs) / len(costs), len(costs), min(costs), max(costs))

    def open(self, time: int) -> None:
        self.opened = time

    def close(self) -> None:
        self.opened = 0
        self._limit = float("inf")  # not twice on one day

    def is_over(self, day: int) -> bool:
        return day > self._day

    def _turn(self, day: int) -> None:
        if self._priced:
            self._past.append([self._day, self._spent])
        self._past = [each for each in self._past[-DAYS:] if each[0] >= day - DAYS]
        self._day, self._spent, self._priced = day, 0.0, 0
        self._limit = float("inf")
        count = len(self._past)
        if count >= DAYS_NEEDED:
            costs = [cost for _, cost in self._past]
            mean = sum(costs) / count
            spread = (sum((cost - mean) ** 2 for cost in costs) / (count - 1)) ** 0.5
            # With few days their spread is itself uncertain.
            self._limit = max(RISE * mean, mean + DEVIATIONS * spread * (1 + 4 / count), RECORD * max(costs))

    def dump(self) -> list[Any]:
        limit = None if self._limit == float("inf") else self._limit
        return [self.opened, self._day, self._spent, self._priced, self._past, limit]

    @classmethod
    def load(cls, dumped: Sequence[Any]) -> DailySpending:
        spending = cls()
        spending.opened, spending._day, spending._spent, spending._priced, past, limit = dumped
        spending._past = [list(each) for each in past]
        spending._limit = float("inf") if limit is None else limit
        return spending
