"""Too many calls in a minute, in ten or in an hour: against the hour of the week, and against the record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from codespar_cli.plugins.observability.anomalies.surprise import count_surprise
from codespar_cli.plugins.observability.anomalies.week_profile import HOUR_US, WeekProfile

__all__ = ["MINUTE_US", "Burst", "CallBursts"]

MINUTE_US = 60_000_000
SIZES = (MINUTE_US, 10 * MINUTE_US, HOUR_US)
LEAST_CALLS = 30
BINS_NEEDED = (30, 30, 20)
"""So many minutes, tens of minutes, hours with calls have to be known."""
RECORD = 1.5
YOUNG = 20.0
"""A record that few bins have made is soon beaten: it counts for more by this, divided by how many."""
RISE = 2.0
LIMIT = 14.0
FADE = 0.998


class Burst(NamedTuple):
    calls: int
    minutes: int
    usual: float
    started: int


class CallBursts:
    """Counts of one tool in bins of three sizes. Only bins with calls are kept account of."""

    __slots__ = ("_bins", "_high", "_limits", "_minute", "_minute_ends", "_until", "opened", "opened_size")

    def __init__(self) -> None:
        self.opened = 0
        self.opened_size = 0
        self._high = 0.0  # so many calls in a bin are the burst going on
        self._until = 0
        self._minute = 0  # calls in this minute: the other bins take it over when it ends
        self._minute_ends = 0
        # For each size: bin number, calls, record, bins known, faded weight, sum and sum of squares
        self._bins: list[list[float]] = [[-1, 0, 0, 0, 0.0, 0.0, 0.0] for _ in SIZES]
        self._limits = [float("inf")] * 3

    def add(self, time: int, profile: WeekProfile) -> Burst | None:
        if time >= self._minute_ends:
            self._turn(time, profile)
        self._minute += 1
        count = self._minute
        limits = self._limits
        if count > limits[0] or count > limits[1] or count > limits[2]:
            return self._judge(time, profile)
        return None

    def open(self, time: int, found: Burst) -> None:
        self.opened = time
        self.opened_size = SIZES.index(found.minutes * MINUTE_US)
        self._high = max(RISE * found.usual, found.calls / 2)
        self._until = found.started + found.minutes * MINUTE_US

    def over_at(self, now: int) -> int | None:
        """When it ended, once a whole bin has passed that is no burst."""
        size = SIZES[self.opened_size]
        number, count, *_ = self._bins[self.opened_size]
        if count + self._minute >= self._high:
            self._until = max(self._until, int(number + 1) * size)
        return self._until if now >= self._until + size else None

    def close(self) -> None:
        self.opened = 0
        self._limits = [float("inf")] * 3  # the bins that it lies in do not tell of it again

    # ── inside ──

    def _turn(self, time: int, profile: WeekProfile) -> None:
        minute = self._minute
        self._minute = 0
        self._minute_ends = time - time % MINUTE_US + MINUTE_US
        slot = profile.expected(time // HOUR_US)
        limits = self._limits
        for which, size in enumerate(SIZES):
            one = self._bins[which]
            one[1] += minute
            number = time // size
            if number == one[0]:
                limits[which] -= minute  # it takes the fewer calls in this minute
                continue
            if self.opened and self.opened_size == which and one[1] >= self._high:
                self._until = max(self._until, int(one[0] + 1) * size)
            self._end(one)
            one[0], one[1] = number, 0
            limits[which] = self._limit(which, slot, profile)

    def _end(self, one: list[float]) -> None:
        count = one[1]
        if not count:
            return
        calm = count
        if count > one[2]:
            if one[3] >= 3:
                # What is learnt of a burst is that there was one, not how large it was.
                mean = one[5] / one[4]
                spread = max(one[6] / one[4] - mean * mean, 0.0) ** 0.5
                calm = min(count, 2 * max(one[2], mean + 4 * spread))
            one[2] = max(one[2], calm)
        one[3] += 1
        one[4] = one[4] * FADE + 1.0
        one[5] = one[5] * FADE + calm
        one[6] = one[6] * FADE + calm * calm

    def _limit(self, which: int, slot: float | None, profile: WeekProfile) -> float:
        """So many calls within a bin are worth a closer look."""
        one = self._bins[which]
        if one[3] < BINS_NEEDED[which]:
            return float("inf")
        record = (RECORD + YOUNG / one[3]) * one[2]
        usual = self._usual(which, slot, profile)
        return max(LEAST_CALLS, record, RISE * usual)

    def _usual(self, which: int, slot: float | None, profile: WeekProfile) -> float:
        one = self._bins[which]
        among_busy = one[5] / one[4]
        if slot is None:
            return max(among_busy, profile.mean * SIZES[which] / HOUR_US)
        return max(slot * SIZES[which] / HOUR_US, min(among_busy, slot))

    def _judge(self, time: int, profile: WeekProfile) -> Burst | None:
        best, found = LIMIT, None
        for which, size in enumerate(SIZES):
            if self._minute <= self._limits[which]:
                continue
            one = self._bins[which]
            count = one[1] + self._minute
            mean = one[5] / one[4]
            usual = self._usual(which, profile.expected(time // HOUR_US), profile)
            dispersion = max((one[6] / one[4] - mean * mean) / mean, 1.0)
            if which == len(SIZES) - 1:
                dispersion = max(dispersion, profile.dispersion)
            surprise = count_surprise(count, max(usual, mean), dispersion)
            if surprise > best:
                best, found = surprise, Burst(int(count), size // MINUTE_US, usual, time - time % size)
        return found

    def dump(self) -> list[Any]:
        limits = [None if each == float("inf") else each for each in self._limits]
        return [
            self.opened, self.opened_size, self._high, self._until, self._minute, self._minute_ends, self._bins, limits,
        ]  # fmt: skip

    @classmethod
    def load(cls, dumped: Sequence[Any]) -> CallBursts:
        bursts = cls()
        bursts.opened, bursts.opened_size, bursts._high, bursts._until, *rest = dumped
        bursts._minute, bursts._minute_ends, bins, limits = rest
        bursts._bins = [list(one) for one in bins]
        bursts._limits = [float("inf") if each is None else each for each in limits]
        return bursts
