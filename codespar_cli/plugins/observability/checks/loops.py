"""Runs of keys: how long the last one repeats, and how often a cycle of two to six has come round. Bounded memory."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

LONGEST_CYCLE = 6


class Round(NamedTuple):
    """The last `period` keys have come `times` times in a row, just now."""

    period: int
    times: int


class Loops:
    """Told one key after the other."""

    def __init__(self) -> None:
        self._last: deque[bytes] = deque(maxlen=LONGEST_CYCLE)
        self._same = [0] * (LONGEST_CYCLE + 1)

    def observe(self, key: bytes) -> list[Round]:
        """The rounds that this key completes: period 1 for a repeat. One that is made of shorter ones is left out."""
        for period in range(1, LONGEST_CYCLE + 1):
            before = self._last[-period] if period <= len(self._last) else None
            self._same[period] = self._same[period] + 1 if before == key else 0
        self._last.append(key)
        return [found for period in range(1, LONGEST_CYCLE + 1) if (found := self._round(period)) is not None]

    @property
    def repeats(self) -> bool:
        """Whether the last key is the one before it."""
        return self._same[1] > 0

    def _round(self, period: int) -> Round | None:
        same = self._same[period]
        if same == 0 or same % period:
            return None
        span = same + period
        if any(period % shorter == 0 and self._same[shorter] >= period - shorter for shorter in range(1, period)):
            return None
        return Round(period, span // period)
