"""Every incident in one sentence with its numbers, and how severe it is."""

from __future__ import annotations

from typing import NamedTuple

from codespar_cli.core.administration.anomalies import AnomalySeverity
from codespar_cli.core.durations import render_duration
from codespar_cli.plugins.observability.anomalies.call_bursts import Burst
from codespar_cli.plugins.observability.anomalies.daily_spending import Overspent
from codespar_cli.plugins.observability.anomalies.failure_level import MoreFailures
from codespar_cli.plugins.observability.anomalies.usual_level import Unusual

__all__ = ["Told", "of_burst", "of_call_cost", "of_day_cost", "of_failures", "of_latency", "of_silence"]

CRITICAL_RATIO = 10.0
CRITICAL_COST_RATIO = 5.0
INFO_RATIO = 2.0
CRITICAL_SHARE, INFO_SHARE = 0.5, 0.05
CRITICAL_SILENCE = 100.0
MINUTE_S = 60


class Told(NamedTuple):
    severity: AnomalySeverity
    explanation: str
    observed: float
    expected: float


def of_latency(found: Unusual, usual: float) -> Told:
    """Milliseconds."""
    span = _span(found.low, found.high)
    if found.values == 1:
        return Told("info", f"one call took {_time(found.observed)}, usual {span}", found.observed, found.high)
    severity = _by_ratio(found.middle / usual, CRITICAL_RATIO)
    which = "p95" if found.share > 0.5 else "median"
    text = f"{which} {_time(found.observed)} over the last {_calls(found.values)}, usual {span}"
    return Told(severity, text, found.observed, found.high)


def of_failures(found: MoreFailures) -> Told:
    share = found.failed / found.calls
    severity: AnomalySeverity = "warning"
    if share >= CRITICAL_SHARE:
        severity = "critical"
    elif share < INFO_SHARE:
        severity = "info"
    text = f"{found.failed} of {_calls(found.calls)} failed, usual {_percent(found.usual)}"
    return Told(severity, text, share, found.usual)


def of_burst(found: Burst) -> Told:
    severity = _by_ratio(found.calls / max(found.usual, 1.0), CRITICAL_RATIO)
    text = f"{_calls(found.calls)} in {render_duration(found.minutes * MINUTE_S)}, usual {_count(found.usual)}"
    return Told(severity, text, float(found.calls), found.usual)


def of_silence(seconds: float, expected: float) -> Told:
    severity: AnomalySeverity = "critical" if expected >= CRITICAL_SILENCE else "warning"
    return Told(severity, f"0 calls in {render_duration(seconds)}, expected {_count(expected)}", 0.0, expected)


def of_call_cost(found: Unusual, usual: float, mean: float | None = None) -> Told:
    """`mean` is what a call of late has cost, where `found` and `usual` are in units of the tools' usual prices."""
    ratio = found.middle / usual
    severity = _by_ratio(ratio, CRITICAL_COST_RATIO, info=0.0)
    if mean is not None:
        last = "one call" if found.values == 1 else f"the last {_calls(found.values)}"
        text = f"{last} cost {ratio:.2g} times as much as usual with the same tools: {_money(mean)} each"
        return Told("info" if found.values == 1 else severity, text, mean, mean / ratio)
    if found.values == 1:
        text = f"one call cost {_money(found.observed)}, usual {_money(found.low)}-{_money(found.high)}"
        return Told("info", text, found.observed, found.high)
    text = f"{_money(found.middle)} a call (median of the last {found.values}), usual {_money(usual)}"
    return Told(severity, text, found.middle, usual)


def of_day_cost(found: Overspent) -> Told:
    usual = f"{_money(found.low)}-{_money(found.high)}"
    text = f"{_money(found.spent)} spent in a day, usual {usual} (last {found.days} days)"
    severity = _by_ratio(found.spent / max(found.level, 1e-9), CRITICAL_COST_RATIO, info=0.0)
    return Told(severity, text, found.spent, found.level)


def _by_ratio(ratio: float, critical: float, *, info: float = INFO_RATIO) -> AnomalySeverity:
    if ratio >= critical:
        return "critical"
    return "info" if ratio < info else "warning"


def _span(low: float, high: float) -> str:
    """`0.4-0.7 s`: the unit once, where both have the same one."""
    first, last = _time(low), _time(high)
    return f"{first[:-2]}-{last}" if first[-2:] == last[-2:] == " s" else f"{first}-{last}"


def _time(milliseconds: float) -> str:
    if milliseconds < 1:
        return f"{milliseconds:.2g} ms"
    if milliseconds < 100:
        return f"{milliseconds:.3g} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.2g} s" if seconds < 100 else render_duration(seconds)


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count} calls"


def _count(number: float) -> str:
    return f"{number:.0f}" if number >= 9.5 else f"{number:.2g}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.2g}" if amount >= 1e-4 else f"{amount:.6f}"
