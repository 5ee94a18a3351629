"""How often: `10 per 1h`, an exact sliding window, and `1/s burst 10`, a token bucket.

The bucket is the generic cell rate algorithm (ITU-T I.371) in whole nanoseconds: one number, the theoretical arrival
time, and no drift. The two differ on purpose: a bucket lets through a burst and then its rate, a window never more
than N in any stretch of D.
"""

from __future__ import annotations

from codespar_cli.core.clock import MICROSECOND
from codespar_cli.core.durations import parse_duration
from codespar_cli.core.light_datetime import timedelta
from codespar_cli.core.text import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

_UNITS = {"s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_WORDS = {"second": "s", "minute": "m", "hour": "h", "day": "d", "s": "s", "m": "m", "h": "h", "d": "d"}
_EXPECTED = "expected `N per DURATION` such as `10 per 1h`, or `R/UNIT burst B` such as `1/s burst 10`"
_MOST = 10**6


class Sliding:
    """At most `count` calls in any `length` microseconds."""

    __slots__ = ("count", "length")
    kind: Literal["sliding"] = "sliding"

    def __init__(self, count: int, length: timedelta) -> None:
        self.count = count
        self.length = length // MICROSECOND


class Bucket:
    """One call each `interval` nanoseconds, and `burst` at once after a rest."""

    __slots__ = ("burst", "interval")
    kind: Literal["bucket"] = "bucket"

    def __init__(self, interval: int, burst: int) -> None:
        self.interval = interval
        self.burst = burst

    def passes_at(self, arrival: int) -> int:
        """The least moment, in microseconds, at which a call passes while the arrival time stands at `arrival` ns."""
        return -((-arrival + (self.burst - 1) * self.interval) // 1000)

    def after_call(self, arrival: int, now: int) -> int:
        """The arrival time after a call at `now` microseconds."""
        return max(arrival, now * 1000) + self.interval


def parse_rate(text: str) -> Sliding | Bucket:
    """Raises ValueError."""
    words = text.split()
    if len(words) == 3 and words[1] == "per" and words[2] not in _WORDS:
        return Sliding(_whole(words[0], text), parse_duration(words[2]))
    if len(words) == 3 and words[1] == "burst":
        count, slash, unit = words[0].partition("/")
        if slash and unit in _UNITS:
            # Rounded up to a whole nanosecond: never more than R in a unit.
            return Bucket(-(-_UNITS[unit] // _whole(count, text)), _whole(words[2], text))
    hint = _hint(words)
    raise ValueError(f"{_EXPECTED}, found `{visible(text[:60])}`{hint}")


def _hint(words: list[str]) -> str:
    if len(words) == 1 and "/" in words[0]:
        return "; say how many may come at once: `burst N`"
    if len(words) == 3 and words[1] == "per" and words[2] in _WORDS:
        return f"; write `{visible(words[0][:10])} per 1{_WORDS[words[2]]}`"
    return ""


def _whole(word: str, text: str) -> int:
    if word.isascii() and word.isdecimal() and len(word) <= 7 and 0 < int(word) <= _MOST:
        return int(word)
    raise ValueError(f"{_EXPECTED}, with whole numbers from 1 to {_MOST}, found `{visible(text[:60])}`")
