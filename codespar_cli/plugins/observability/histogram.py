"""Latencies as a histogram of logarithmic buckets: bounded, mergeable by adding counts, percentiles within 1 %.

Bucket `i` holds the values in (gamma^(i-1), gamma^i], where gamma = (1+a)/(1-a); its middle is never more than the
share `a` away from any of them (Masson, Rim, Lee: DDSketch, VLDB 2019). `a` is half of what we promise: the other half
is spent where two neighbours are interpolated and where logarithms round.
"""

from __future__ import annotations

import math
from typing import Final

RELATIVE_ERROR: Final = 0.005
_GAMMA: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
LOG_GAMMA: Final = math.log(_GAMMA)
SMALLEST_MS: Final = 1e-6
"""Below a nanosecond everything is zero, and has a bucket of its own."""
ZERO_BUCKET: Final = -1_000_000
BUCKET_SQL: Final = (
    f"CASE WHEN latency_ms < {SMALLEST_MS!r} THEN {ZERO_BUCKET} "
    f"ELSE CAST(ceil(ln(latency_ms) / {LOG_GAMMA!r}) AS INTEGER) END"
)


def bucket_of(value: float) -> int:
    return ZERO_BUCKET if value < SMALLEST_MS else math.ceil(math.log(value) / LOG_GAMMA)


def middle_of(bucket: int) -> float:
    return 0.0 if bucket == ZERO_BUCKET else 2 * math.exp(bucket * LOG_GAMMA) / (_GAMMA + 1)


class LatencyHistogram:
    """Counts by bucket, with the exact sum, minimum and maximum."""

    __slots__ = ("buckets", "count", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.count = 0
        self.total = 0.0
        self.minimum = math.inf
        self.maximum = 0.0

    def add_bucket(self, bucket: int, count: int, total: float, minimum: float, maximum: float) -> None:
        """Count values of one bucket, of which sum and extremes are known."""
        self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        self.count += count
        self.total += total
        self.minimum = min(self.minimum, minimum)
        self.maximum = max(self.maximum, maximum)

    @property
    def mean(self) -> float:
        # The sum's rounding must not push the mean of equal values past their maximum.
        return min(max(self.total / self.count, self.minimum), self.maximum)

    def quantiles(self, *shares: float) -> list[float]:
        """For each share the value at rank `share * (count - 1)`, between two ranks in proportion."""
        ranks: dict[int, float] = {0: self.minimum, self.count - 1: self.maximum}
        positions = [share * (self.count - 1) for share in shares]
        missing = sorted({rank for at in positions for rank in (math.floor(at), math.ceil(at))} - ranks.keys())
        below, ordered = 0, iter(sorted(self.buckets.items()))
        bucket, count = next(ordered)
        for rank in missing:
            while below + count <= rank:
                below += count
                bucket, count = next(ordered)
            ranks[rank] = min(max(middle_of(bucket), self.minimum), self.maximum)
        return [_between(ranks[math.floor(at)], ranks[math.ceil(at)], at - math.floor(at)) for at in positions]


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share
