"""How rare a number is, judged by the most extreme ones so far: a peaks-over-threshold estimate with a bounded memory.

The `KEPT` largest numbers of a direction are kept. How far they lie, on average, beyond the smallest of them is the
scale of the tail. With an exponential tail whose scale is known from that few, a number `d` scales beyond the smallest
comes once in `seen / KEPT * (1 + d / KEPT) ** KEPT` numbers. A heavier tail shows in its largest number, which widens
the scale.
"""

from __future__ import annotations

from collections import deque
from heapq import heappush, heapreplace
from math import expm1, log, log1p

__all__ = ["KEPT", "TwoTails"]

KEPT = 10
FLOOR = 0.08
# Rounding errors of a series that does not move are no tail.
ROUNDING = 1e-12
REMEMBERED = 0.4
MARGIN = 0.2
ABSURD = 30.0
CERTAIN = 50.0
# Beyond so many numbers a longer past makes a small surprise no rarer: long series would be alarms without end.
PAST = 6000
_HARMONIC = sum(1 / rank for rank in range(1, KEPT))
_UNKNOWN = float("-inf")


class Tail:
    """The largest numbers of one direction, and the record that a new number has to beat."""

    __slots__ = ("_kept", "_total", "edge", "record", "top")

    def __init__(self) -> None:
        self._kept: list[float] = []
        self._total = 0.0
        self.edge = _UNKNOWN
        self.top = _UNKNOWN
        self.record = _UNKNOWN

    @property
    def mean(self) -> float:
        """The mean of the numbers kept."""
        return self._total / len(self._kept)

    def scale(self, floor: float) -> float:
        """The mean distance of the numbers kept beyond the smallest of them, never under `floor`."""
        return max(self.mean - self.edge, (self.top - self.edge) / _HARMONIC, floor)

    def learn(self, number: float) -> None:
        """Keep a number if it is among the largest."""
        if len(self._kept) < KEPT:
            heappush(self._kept, number)
            self._total += number
        elif number > self.edge:
            self._total += number - heapreplace(self._kept, number)
        self.edge = self._kept[0]
        self.top = max(self.top, number)

    def beaten(self, number: float) -> bool:
        """Is the number clearly beyond the record?"""
        return number - self.record >= MARGIN * (number - self.edge)

    def remember(self, number: float, alarming: bool) -> None:
        """Move the record up: all the way to an unremarkable number, part of the way to an alarming one."""
        if number > self.record:
            part = REMEMBERED if alarming else 1.0
            self.record = number if self.record == _UNKNOWN else self.record + part * (number - self.record)


class TwoTails:
    """Judges numbers by how rare they are in either direction; memory is bounded by twice `KEPT` and `delay` numbers.

    `limit` is the rarity (natural logarithm of "once in so many numbers") at which a number is an alarm. A smoothed
    number moves little by little: with `delay`, one is learnt only that many numbers later, so that a slow move is
    compared with what was usual before it began.
    """

    __slots__ = ("_armed_after", "_delay", "_high", "_low", "_waiting", "limit", "seen")

    def __init__(self, limit: float, armed_after: int, delay: int = 0) -> None:
        self.limit = limit
        self.seen = 0
        self._armed_after = max(armed_after, KEPT)
        self._delay = delay
        self._waiting: deque[tuple[float, bool, bool]] = deque()
        self._high = Tail()
        self._low = Tail()

    @property
    def edges(self) -> tuple[float, float] | None:
        """Between these all numbers lie but the `KEPT` most extreme on each side; None before the first number."""
        return (-self._low.edge, self._high.edge) if self.seen else None

    def judge(self, number: float, judged: bool, quiet: bool) -> float:
        """How rare the number is (0.0: nothing special), then learn from it.

        `judged` is False where this view means nothing for the series; `quiet` is True while an incident lasts:
        one incident is to move the record once only.
        """
        rarity = self._rarity(number) if judged else 0.0
        if not self._delay:
            self._learn(number, rarity >= self.limit, quiet)
            return rarity
        self._waiting.append((number, rarity >= self.limit, quiet))
        if len(self._waiting) > self._delay:
            self._learn(*self._waiting.popleft())
        return rarity

    def clipped(self, number: float) -> float:
        """The number, drawn in to where the alarms begin: one wild value must not move what is built on it."""
        if self.seen <= self._armed_after or self._is_inside(number):
            return number
        floor = self._floor(0.0)
        if floor <= 0:
            return number
        return max(-self._alarm_level(self._low, floor), min(number, self._alarm_level(self._high, floor)))

    def _is_inside(self, number: float) -> bool:
        return -self._low.edge <= number <= self._high.edge

    def _turned(self, number: float) -> tuple[Tail, float]:
        return (self._high, number) if number > self._high.edge else (self._low, -number)

    def _floor(self, number: float) -> float:
        return FLOOR * (self._high.mean + self._low.mean) + ROUNDING * abs(number)

    def _rarity(self, number: float) -> float:
        if self.seen < self._armed_after or self._is_inside(number):
            return 0.0
        tail, turned = self._turned(number)
        scale = tail.scale(self._floor(number))
        if scale <= 0:
            return CERTAIN
        rarity = self._past() + KEPT * log1p((turned - tail.edge) / (KEPT * scale))
        return rarity if tail.beaten(turned) else min(rarity, 0.9 * self.limit)

    def _learn(self, number: float, alarming: bool, quiet: bool) -> None:
        self.seen += 1
        if self.seen <= self._armed_after:
            for tail, turned in ((self._high, number), (self._low, -number)):
                tail.learn(turned)
                tail.remember(turned, alarming=False)
        elif not self._is_inside(number):
            tail, turned = self._turned(number)
            if not quiet:
                # An absurd number counts as a very large one, or no real one would ever beat the record again.
                farthest = tail.edge + ABSURD * tail.scale(self._floor(number))
                tail.remember(min(turned, farthest) if alarming else turned, alarming)
            floor = self._floor(0.0)
            tail.learn(min(turned, self._alarm_level(tail, floor)) if alarming and floor > 0 else turned)

    def _alarm_level(self, tail: Tail, floor: float) -> float:
        steps = KEPT * expm1(max(self.limit - self._past(), 0.0) / KEPT)
        return tail.edge + tail.scale(floor) * steps

    def _past(self) -> float:
        return log(min(self.seen, PAST) / KEPT)
