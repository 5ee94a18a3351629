"""Latencies as a histogram of logarithmic buckets: bounded, mergeable by adding counts, percentiles within 1 %.

Bucket `i` holds the values in (gamma^(i-1), gamma^i], where gamma = (1+a)/(1-a); its middle is never more than the
share `a` away from any of them (Masson, Rim, Lee: DDSketch, VLDB 2019), and what lies between two of them in proportion
is no further off. `a` is a little less than the 1 % we promise: logarithms round.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Final

RELATIVE_ERROR: Final = 0.009
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


def read_buckets(text: str) -> dict[int, int]:
    """The counts in a text such as `532 532 540|7=541 543`: bucket 532 twice, 540 once, 541 and 543 seven times each.

    Two texts merge with a `|` between them. Read in long strides, since a year of cells has millions of these numbers.
    """
    once: list[str] = []
    counts: dict[str, int] = defaultdict(int)
    for segment in text.split("|"):
        times, is_many, words = segment.partition("=")
        if not is_many:
            once.append(segment)
            continue
        many = int(times)
        for word in words.split(" "):
            counts[word] += many
    for word, times_seen in Counter(" ".join(once).split()).items():
        counts[word] += times_seen
    return {int(word): count for word, count in counts.items()}


def compact_buckets(text: str) -> str:
    """The same counts, each bucket named once."""
    segments: dict[int, list[str]] = {}
    for bucket, count in sorted(read_buckets(text).items()):
        segments.setdefault(count, []).append(str(bucket))
    # First of all those that are there once: an empty segment stands for none of them.
    once = " ".join(segments.pop(1, ()))
    return "|".join([once, *(f"{count}={' '.join(words)}" for count, words in segments.items())])


class LatencyHistogram:
    """Counts by bucket, with the exact sum, minimum and maximum. Buckets are read when they are asked for."""

    __slots__ = ("_texts", "count", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self.count = 0
        self.total = 0.0
        self.minimum = math.inf
        self.maximum = 0.0

    @property
    def buckets(self) -> dict[int, int]:
        """How many values each bucket holds."""
        if not self._texts:
            return {}
        return read_buckets("|".join(self._texts))

    def add(self, count: int, total: float, minimum: float, maximum: float, buckets: str) -> None:
        """Count values of which sum, extremes and buckets are known, see `read_buckets`."""
        self._texts.append(buckets)
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
