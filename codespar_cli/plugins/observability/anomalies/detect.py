"""The detector on a plain series: one score per value, from that value and the earlier ones only.

A value is looked at from five sides (`VIEWS`). For each, the ten most extreme numbers so far say how rare the new one
is; the rarest side counts. A sixth, "stuck", is a rule: the same number again and again where that was not usual. What the sides are, how they were chosen and what they miss: docs/anomaly-detection.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, isfinite, log
from typing import Any

from codespar_cli.plugins.observability.anomalies.day_profile import DayProfile, time_of_day
from codespar_cli.plugins.observability.anomalies.tails import TwoTails

__all__ = ["DETECT_THRESHOLD", "VIEWS", "SeriesDetector", "detect"]

DETECT_THRESHOLD = 0.5
"""A score of at least this is an alarm."""

VIEWS = {"value": 7.4, "time of day": 8.6, "jump": 8.6, "level": 8.6, "roughness": 9.6}
"""What is judged, and how rare it has to be for an alarm: the natural logarithm of "once in so many values"."""

WARM_UP = 150
SHORT_TERM = 12
DELAY = 24
SMOOTHED = ("level", "roughness")
STEADY = 0.5
STUCK_RUN = 24
STUCK_TIMES = 4
STUCK_SHARE = 0.1
SHORTEST_QUIET, LONGEST_QUIET = 30, 300
QUIET_PART = 0.04
FARTHEST = 1e150


class SeriesDetector:
    """Scores the values of one series as they come. Under 400 numbers are kept, whatever the length of the series."""

    def __init__(self) -> None:
        self.seen = 0
        self.why: str | None = None
        self._tails = {
            name: TwoTails(limit, WARM_UP, delay=DELAY if name in SMOOTHED else 0) for name, limit in VIEWS.items()
        }
        # Of a series of positive values alone the order of magnitude is judged too: a long tail is no fault.
        self._orders = TwoTails(VIEWS["value"], WARM_UP)
        self._lowest = inf
        self._profile = DayProfile()
        self._quiet = 0
        self._run = self._longest_run = self._repeats = 0
        self._before: float | None = None
        self._last = self._level = self._roughness = 0.0
        self._mean = self._variation = self._covariation = 0.0

    @property
    def usual(self) -> tuple[float, float] | None:
        """Between these lie all values but the ten lowest and the ten highest; None before the first value."""
        return self._tails["value"].edges

    def score(self, time: Any, value: Any) -> float:
        """From 0.0 (as usual) to below 1.0; at least `DETECT_THRESHOLD` is an alarm, and `why` then names the side.

        A value that is no finite number is a gap: it scores 0.0 and teaches nothing. For some time after an alarm
        (4 % of the values so far, 30 to 300) scores are halved, so that one incident is one alarm.
        """
        number = _number(value)
        if number is None:
            return 0.0
        rarity, self.why = self._rarest(time, number)
        score = rarity / (rarity + 1)
        if self._quiet:
            self._quiet -= 1
            return score / 2
        if score >= DETECT_THRESHOLD:
            self._quiet = min(max(int(self.seen * QUIET_PART), SHORTEST_QUIET), LONGEST_QUIET)
        return score

    def _rarest(self, time: Any, number: float) -> tuple[float, str | None]:
        """The rarity in units of the view's limit, and the view."""
        quiet = self._quiet > 0
        self.seen += 1
        if self.seen == 1:
            self._last = self._level = self._mean = number
        calm = self._tails["value"].clipped(number)
        best, why = self._by_value(number, quiet), "value"
        for name, other, judged in self._other_views(time, number, calm):
            tails = self._tails[name]
            rarity = tails.judge(other, judged, quiet) / tails.limit
            if rarity > best:
                best, why = rarity, name
        if self._is_stuck(number) and best < 1:
            best, why = 1.5, "stuck"
        return best, why if best else None

    def _by_value(self, number: float, quiet: bool) -> float:
        tails = self._tails["value"]
        rarity = tails.judge(number, True, quiet)
        self._lowest = min(self._lowest, number)
        if self._lowest > 0:
            rarity = min(rarity, self._orders.judge(log(number), True, quiet))
        return rarity / tails.limit

    def _is_stuck(self, number: float) -> bool:
        """Has the same number now come so often in a row as never before? True once in such a row."""
        if number != self._before:
            self._before = number
            self._longest_run = max(self._longest_run, self._run)
            self._run = 0
            return False
        self._run += 1
        needed = max(STUCK_RUN, STUCK_TIMES * self._longest_run)
        if self._run <= needed:
            self._repeats += 1
        return self._run == needed and self.seen > WARM_UP and self._repeats < STUCK_SHARE * self.seen

    def _other_views(self, time: Any, number: float, calm: float) -> Iterable[tuple[str, float, bool]]:
        moment = time_of_day(time)
        if moment is not None:
            surprise = self._profile.surprise(*moment, number)
            if surprise is not None:
                yield "time of day", surprise, self._profile.explains
            self._profile.learn(moment[1], calm)
        yield "jump", *self._jump(number, calm)
        jump = abs(calm - self._last)
        self._last = calm
        self._level += (calm - self._level) / SHORT_TERM
        self._roughness += (jump - self._roughness) / SHORT_TERM
        if self.seen > 2 * SHORT_TERM:
            yield "level", self._level, True
            yield "roughness", self._roughness, True

    def _jump(self, number: float, calm: float) -> tuple[float, bool]:
        """What the value before did not foretell, and whether it foretells anything."""
        before = self._last - self._mean
        off = calm - self._mean
        self._mean += off / self.seen
        self._variation += off * (calm - self._mean)
        self._covariation += before * off
        kept = self._covariation / self._variation if self._variation > 0 else 0.0
        kept = min(max(kept, 0.0), 1.0)
        return number - self._mean - kept * before, kept >= STEADY


def detect(values: Iterable[Any], timestamps: Iterable[Any] | None = None) -> list[float]:
    """One score per value, 0.0 (as usual) to below 1.0: at least `DETECT_THRESHOLD` is an alarm.

    A score is made from its own value and the earlier ones. `timestamps` (datetimes, ISO 8601 texts or epoch numbers,
    in any order, of any length, or none) only tell the time of day. Nothing is raised for odd numbers or times: what
    cannot be read is a gap.
    """
    detector = SeriesDetector()
    times = iter(() if timestamps is None else timestamps)
    return [detector.score(next(times, None), value) for value in values]


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not isfinite(number):
        return None
    return max(-FARTHEST, min(number, FARTHEST))
