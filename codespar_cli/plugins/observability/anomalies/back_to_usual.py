"""When an incident is over: recent calls are unlikely at the incident's own level, and likely at the usual one.

Each call speaks for one of the two levels by the logarithm of their likelihoods' ratio. What speaks for the usual one adds
up, and falls back to zero where more speaks for the incident (a CUSUM of the change back). One lucky stretch of calls is
not enough, then: it has to be one that the incident would hardly ever have. Where few calls come, time counts as well:
the longer nothing speaks for the incident, the less is needed.

Source: E. S. Page, Continuous Inspection Schemes (Biometrika, 1954); the incident's own level would pass the limit by
chance once in some thousand calls (G. Lorden, 1971: at least exp(NEEDED)).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Any

from codespar_cli.plugins.observability.anomalies.week_profile import HOUR_US

__all__ = ["LONGEST_US", "BackToUsual", "LevelBack", "RateBack"]

NEEDED = 7.0
"""Nats of evidence."""
LONGEST_US = 8 * HOUR_US
"""So long without anything that outweighs what speaks for the usual level is enough by itself. What is needed falls slowly
at first, with the third power of the time."""
PRIOR_FAILURES = 3.0
SURE = 3.0
"""An incident is opened where its rate seems highest: its own rate is at first taken so many deviations lower."""
LEAST_RATIO = 1.5
PRIOR_VALUES = 5.0
LEAST_SHIFT = 0.25
MOST_FOR, MOST_AGAINST = 1.0, -4.0
"""A single value says no more than this: latencies are not as normal as the ratio takes them to be."""


class BackToUsual:
    """The evidence. Times are microseconds."""

    __slots__ = ("evidence", "since")

    def __init__(self) -> None:
        self.evidence = 0.0
        self.since = 0

    def _say(self, time: int, nats: float) -> bool:
        """False where all that spoke for the usual level is outweighed."""
        self.evidence += nats
        if self.evidence > 0.0:
            return True
        self.evidence, self.since = 0.0, time
        return False

    def is_sure(self, now: int) -> bool:
        return self.evidence >= NEEDED * (1 - ((now - self.since) / LONGEST_US) ** 3)

    def dump(self) -> list[Any]:
        slots = [name for each in reversed(type(self).__mro__) for name in getattr(each, "__slots__", ())]
        return [getattr(self, name) for name in slots]

    def load(self, dumped: Sequence[Any]) -> None:
        slots = [name for each in reversed(type(self).__mro__) for name in getattr(each, "__slots__", ())]
        for name, value in zip(slots, dumped, strict=True):
            setattr(self, name, value)


class RateBack(BackToUsual):
    """Of failures. The incident's rate is learnt as it goes on, up to where the present evidence began."""

    __slots__ = ("_calls", "_failed", "_if_failed", "_if_not", "_late_calls", "_late_failed", "_usual")

    def __init__(self) -> None:
        super().__init__()
        self._usual = 0.0
        self._failed = self._calls = 0.0
        self._late_failed = self._late_calls = 0
        self._if_failed = self._if_not = 0.0

    def start(self, time: int, failed: int, calls: int, usual: float) -> None:
        self.evidence, self.since = 0.0, time
        self._usual = usual
        self._failed = PRIOR_FAILURES
        self._calls = PRIOR_FAILURES / _at_least(failed, calls)
        self._late_failed = self._late_calls = 0
        self._set_rates()

    def add(self, time: int, failed: bool) -> None:
        self._late_failed += failed
        self._late_calls += 1
        if not self._say(time, self._if_failed if failed else self._if_not):
            self._failed += self._late_failed
            self._calls += self._late_calls
            self._late_failed = self._late_calls = 0
            self._set_rates()

    def _set_rates(self) -> None:
        usual = self._usual
        rate = min(max(self._failed / self._calls, LEAST_RATIO * usual), (1 + usual) / 2)
        self._if_failed = log(usual / rate)
        self._if_not = log((1 - usual) / (1 - rate))


class LevelBack(BackToUsual):
    """Of values in units of their usual spread, 0 being the usual level."""

    __slots__ = ("_late_sum", "_late_values", "_sum", "_values")

    def __init__(self) -> None:
        super().__init__()
        self._sum = self._values = self._late_sum = 0.0
        self._late_values = 0

    def start(self, time: int, shift: float) -> None:
        self.evidence, self.since = 0.0, time
        self._sum, self._values = PRIOR_VALUES * shift, PRIOR_VALUES
        self._late_sum, self._late_values = 0.0, 0

    def add(self, time: int, score: float) -> None:
        shift = max(self._sum / self._values, LEAST_SHIFT)
        self._late_sum += score
        self._late_values += 1
        nats = shift * (shift / 2 - score)
        if not self._say(time, min(max(nats, MOST_AGAINST), MOST_FOR)):
            self._sum += self._late_sum
            self._values += self._late_values
            self._late_sum, self._late_values = 0.0, 0


def _at_least(failed: int, calls: int) -> float:
    """The lower end of Wilson's interval."""
    share, square = failed / calls, SURE * SURE / calls
    spread = SURE * (share * (1 - share) / calls + square / calls / 4) ** 0.5
    return max(float((share + square / 2 - spread) / (1 + square)), 1e-6)
