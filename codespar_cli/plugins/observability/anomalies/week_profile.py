"""How many calls an hour of the week usually has, learnt as the hours pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["HOUR_US", "WEEK", "WeekProfile"]

HOUR_US = 3_600_000_000
DAY, WEEK = 24, 168
LEARNT = 0.4
"""The weight of the newest week in a slot."""
KNOWN_DAYS = 3
"""Before a whole week has passed an hour is compared with the same one of other working days: of so many at least."""
_WEEKEND = frozenset({2, 3})  # the first day of the epoch was a Thursday
_ALIKE = {
    day: [other for other in range(7) if other != day and (other in _WEEKEND) == (day in _WEEKEND)] for day in range(7)
}


class WeekProfile:
    """Counts of hours in UTC. `dispersion` is how much more they vary around the slot than a Poisson count would."""

    __slots__ = (
        "_expected", "_floor", "_hours", "_least", "_slots", "_spread_sum", "_spread_weight", "_sum", "count", "hour",
        "steepest",
    )  # fmt: skip

    def __init__(self, hour: int) -> None:
        self.hour = hour
        self.count = 0
        self.steepest = 0.0
        self._hours = 0
        self._sum = 0.0
        self._slots: list[float | None] = [None] * WEEK
        self._spread_sum = self._spread_weight = 0.0
        self._forget_answers()

    def _forget_answers(self) -> None:
        self._expected: dict[int, float | None] = {}
        self._least: dict[int, float | None] = {}
        self._floor: float | None = -1.0

    @property
    def mean(self) -> float:
        """Calls an hour, over all hours that are over."""
        return self._sum / self._hours if self._hours else float(self.count)

    @property
    def dispersion(self) -> float:
        if self._spread_weight < 12:
            return 1.0 + self._spread_sum / max(self._spread_weight, 1.0)
        return max(self._spread_sum / self._spread_weight, 1.0)

    def turn(self, hour: int) -> None:
        """The hour that was counted is over, and so are those up to `hour`."""
        if hour <= self.hour:
            return
        self._forget_answers()
        self._close(self.hour, self.count)
        # Of a longer gap every slot is closed once: a week without calls says all there is to say.
        for empty in range(max(self.hour + 1, hour - WEEK), hour):
            self._close(empty, 0)
        self.hour = hour
        self.count = 0

    def expected(self, hour: int) -> float | None:
        """The most that is usual around this hour; None when nothing is known of it."""
        if hour not in self._expected:
            found = [each for each in map(self._slot, (hour - 1, hour, hour + 1)) if each is not None]
            self._expected[hour] = max(found) if found else None
        return self._expected[hour]

    def least_expected(self, hour: int) -> float | None:
        """Between what is usual in this hour and in the quieter one beside it; None when nothing is known of one."""
        if hour not in self._least:
            found = [self._slot(each) for each in (hour - 1, hour, hour + 1)]
            known = [each for each in found if each is not None]
            self._least[hour] = (min(known) + known[1]) / 2 if len(known) == len(found) else None
        return self._least[hour]

    def floor(self) -> float | None:
        """The quietest hour there was, once a day is known: who never rests is expected at any hour."""
        if self._floor == -1.0:
            known = [each for each in self._slots if each is not None]
            self._floor = min(known) if len(known) >= DAY else None
        return self._floor

    def _slot(self, hour: int) -> float | None:
        slot = hour % WEEK
        value = self._slots[slot]
        if value is not None:
            return value
        day, of_day = divmod(slot, DAY)
        days = [each for other in _ALIKE[day] if (each := self._slots[other * DAY + of_day]) is not None]
        if len(days) < min(KNOWN_DAYS, len(_ALIKE[day])):
            return None
        return sum(days) / len(days)

    def _close(self, hour: int, count: int) -> None:
        slot = hour % WEEK
        before = self._slots[slot]
        usual = self._slot(hour)
        if usual is None and self._hours:
            usual = self.mean
        if usual is not None and usual + count > 0:
            off = (count - usual) ** 2 / max(usual, 1.0)
            # The wildest hour says little about the others.
            off = min(off, 16.0 * max(self.dispersion, 2.0))
            self._spread_sum = self._spread_sum * 0.995 + off
            self._spread_weight = self._spread_weight * 0.995 + 1.0
        self._slots[slot] = float(count) if before is None else before + LEARNT * (count - before)
        self._hours += 1
        self._sum += count
        self.steepest = max(self.steepest * 0.999, float(count))

    def dump(self) -> list[Any]:
        spread = self._spread_sum, self._spread_weight
        return [self.hour, self.count, self.steepest, self._hours, self._sum, self._slots, *spread]

    @classmethod
    def load(cls, dumped: Sequence[Any]) -> WeekProfile:
        hour, count, steepest, hours, total, slots, spread_sum, spread_weight = dumped
        profile = cls(hour)
        profile.count, profile.steepest, profile._hours, profile._sum = count, steepest, hours, total
        profile._slots, profile._spread_sum, profile._spread_weight = list(slots), spread_sum, spread_weight
        return profile
