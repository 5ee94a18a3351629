"""What the calls of one agent, or of one tool, cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codespar_cli.plugins.observability.anomalies.daily_spending import DailySpending
from codespar_cli.plugins.observability.anomalies.incident_book import IncidentBook, Subject
from codespar_cli.plugins.observability.anomalies.usual_level import LevelRule, UsualLevel
from codespar_cli.plugins.observability.anomalies.week_profile import HOUR_US
from codespar_cli.plugins.observability.anomalies.wording import of_call_cost, of_day_cost

__all__ = ["ADOPTED_US", "DAY_US", "WatchedCost"]

DAY_US = 24 * HOUR_US
ADOPTED_US = DAY_US
"""What has been unusual for so long is the new usual."""
COST_RULE = LevelRule(warm_up=100, slack=0.35, limit=26.0, least=1.5, steady=60, memory_days=30.0)
AVERAGED = 32


class WatchedCost:
    """Only known costs are told; nothing is known of what was free but that it was."""

    __slots__ = ("_daily", "_level", "_mean", "subject")

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._level = UsualLevel(COST_RULE)
        self._daily = DailySpending()
        self._mean = 0.0

    @property
    def price(self) -> float | None:
        """What a call usually costs; None while too little is known."""
        return self._level.usual() if self._level.is_known else None

    @property
    def opened(self) -> int:
        return self._level.opened or self._daily.opened

    def add(self, time: int, day: int, cost: float, book: IncidentBook, price: float | None = 1.0) -> None:
        """`price` is what the call's tool usually costs, None for not known: an agent that turns to a dearer tool pays no
        higher price, and what it spends is seen by the day."""
        level, daily = self._level, self._daily
        if daily.opened and daily.is_over(day):
            self._close_daily(day * DAY_US, book)
        overspent = daily.add(day, cost)
        if overspent is not None and book.begin(self.subject, time, time, *of_day_cost(overspent)):
            daily.open(time)
        if cost <= 0.0 or price is None:
            return
        self._mean += (cost - self._mean) / AVERAGED if self._mean else cost
        unusual = level.add(time, day, cost / price)
        if unusual is not None:
            told = of_call_cost(unusual, level.usual(), None if price == 1.0 else self._mean)
            if book.begin(self.subject, time, unusual.started, *told):
                level.open(time, unusual)
        elif level.opened and level.settled(time):
            level.close()
            book.end(self.subject, time)

    def check(self, now: int, book: IncidentBook) -> None:
        """As time passes without a call."""
        daily, level = self._daily, self._level
        if daily.opened and daily.is_over(now // DAY_US):
            self._close_daily(now - now % DAY_US, book)
        if level.opened:
            settled = level.settled(now)
            if settled or now - level.opened >= ADOPTED_US:
                level.close(adopt=not settled)
                book.end(self.subject, now)

    def drop(self, now: int, book: IncidentBook) -> None:
        if self.opened:
            book.end(self.subject, now)

    def _close_daily(self, time: int, book: IncidentBook) -> None:
        self._daily.close()
        book.end(self.subject, time)

    def dump(self) -> list[Any]:
        return [self._level.dump(), self._daily.dump(), self._mean]

    def load(self, dumped: Sequence[Any]) -> WatchedCost:
        level, daily, self._mean = dumped
        self._level.load(level)
        self._daily = DailySpending.load(daily)
        return self
