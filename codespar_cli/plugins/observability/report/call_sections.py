"""Totals, what happened over time, and the tools."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from codespar_cli.core.administration.anomalies import AnomalyKind, Incident
from codespar_cli.core.administration.metrics import CallStats
from codespar_cli.core.administration.tool_costs import CostReport
from codespar_cli.plugins.observability.report import wording
from codespar_cli.plugins.observability.report.charts import Chart, Layer, Mark, lines, sparkline, stacked_bars
from codespar_cli.plugins.observability.report.markup import Content, Markup, join, shortened, tag
from codespar_cli.plugins.observability.report.model import OTHERS, Report, Timeline
from codespar_cli.plugins.observability.report.pieces import (
    NAME,
    Column,
    Limits,
    figure,
    key,
    left_out,
    name,
    quiet,
    table,
)
from codespar_cli.plugins.observability.report.scales import for_latency, linear

MOST_MARKS = 60
STYLES = {"critical": "bad", "warning": "warn", "info": "info"}
_TOOLS = (
    Column("Tool", NAME),
    Column("Calls"),
    Column("Trend"),
    Column("Over the period", "spark-cell"),
    Column("Errors"),
    Column("Error rate"),
    Column("p50"),
    Column("p95"),
    Column("p99"),
    Column("Cost"),
)


def totals(report: Report, limits: Limits) -> Markup:
    heading = tag("h2", "In all", id="totals-title")
    if report.overall is None:
        content = quiet("No call was recorded in this period.")
    else:
        content = tag("dl", [_tile(*each) for each in _tiles(report, report.overall)], class_="tiles")
    return tag("section", heading, content, class_="totals", id="totals", aria_labelledby="totals-title")


def _tile(title: Content, value: Content, *more: Content) -> Markup:
    return tag("div", tag("dt", title), tag("dd", value, class_="figure"), [tag("dd", each) for each in more if each])


def _tiles(report: Report, whole: CallStats) -> list[tuple[Content, ...]]:
    latency = whole.latency_ms
    before = None if whole.trend is None else f"{wording.change(whole.trend)} against the period before"
    return [
        ("Calls", wording.brief(whole.calls) if whole.calls >= 10**9 else wording.count(whole.calls), before),
        ("Errors", wording.share(whole.error_rate), f"{wording.counted(whole.errors, 'call')} failed"),
        (
            "Latency, p50",
            wording.milliseconds(latency.p50),
            f"p95 {wording.milliseconds(latency.p95)}",
            f"p99 {wording.milliseconds(latency.p99)}",
        ),
        ("Cost", wording.money(whole.cost), *_cost_words(report.costs.by_tool if report.costs else None)),
        (
            "Tokens in",
            wording.NONE if whole.input_tokens is None else wording.brief(whole.input_tokens),
            f"{wording.NONE if whole.output_tokens is None else wording.brief(whole.output_tokens)} out",
        ),
    ]


def _cost_words(costs: CostReport | None) -> list[str]:
    if costs is None:
        return []
    words = [
        f"{wording.money(known.cost)} of it {source}"
        for source in ("configured", "estimated")
        if (known := costs.sources.get(source)) is not None and known.cost is not None
    ]
    unknown = f"unknown for {wording.counted(costs.unknown_calls, 'call')}" if costs.unknown_calls else None
    return [*words, *([unknown] if unknown else [])]


# ── over time ──


def times(report: Report, limits: Limits) -> Markup | None:
    timeline = report.timeline
    if timeline is None:
        return None
    unit = "hour" if timeline.axis.hourly else "day"
    ends = [slot for slot in {0, timeline.axis.slots - 1} if timeline.axis.is_partial(slot)]
    notes = [f"By the {unit}, in UTC; a gap is {'an' if unit == 'hour' else 'a'} {unit} without a call."]
    if ends:
        notes.append(f"The {unit}s at the ends are not whole.")
    if timeline.is_cut:
        notes.append(f"Only the last {timeline.axis.slots} {unit}s are drawn; the totals are of the whole period.")
    return join(quiet(" ".join(notes)), _calls(report, timeline), _latency(report, timeline), _numbers(timeline, unit))


def _calls(report: Report, timeline: Timeline) -> Markup:
    failed = [None if each is None else float(each.errors) for each in timeline.periods]
    fine = [None if each is None else float(each.calls - each.errors) for each in timeline.periods]
    most = max((each.calls for each in timeline.periods if each is not None), default=0)
    chart = Chart(
        "calls",
        "Calls and errors over time",
        f"Bars from zero: calls that failed, and on them those that did not. At most {wording.counted(most, 'call')}.",
        timeline.axis,
        linear(most, whole=True),
        "calls",
        wording.brief,
        [_told(timeline, slot) for slot in range(timeline.axis.slots)],
        anomaly_marks(report, "call_rate", "silence", "error_rate", "hallucination"),
    )
    drawn = stacked_bars(chart, [Layer("failed", "bad", failed), Layer("fine", "a1", fine)])
    return figure("Calls and errors", key((("a1", "fill", "succeeded"), ("bad", "fill", "failed"))), drawn)


def _latency(report: Report, timeline: Timeline) -> Markup:
    known = [None if each is None else each.latency_ms for each in timeline.periods]
    layers = [
        Layer("p50", "a1", [None if each is None else each.p50 for each in known]),
        Layer("p95", "a2", [None if each is None else each.p95 for each in known]),
        Layer("p99", "a3", [None if each is None else each.p99 for each in known]),
    ]
    least = min((each.p50 for each in known if each is not None), default=0.0)
    most = max((each.p99 for each in known if each is not None), default=0.0)
    chart = Chart(
        "latency",
        "Latency over time",
        f"Lines of the 50th, 95th and 99th percentile of every period; p99 is at most {wording.milliseconds(most)}.",
        timeline.axis,
        for_latency(least, most),
        "latency",
        wording.axis_time,
        [_told(timeline, slot) for slot in range(timeline.axis.slots)],
        anomaly_marks(report, "latency"),
    )
    names = (("a1", "line", "p50"), ("a2", "line", "p95"), ("a3", "line", "p99"))
    return figure("Latency", key(names), lines(chart, layers))


def _told(timeline: Timeline, slot: int) -> str:
    each = timeline.periods[slot]
    when = wording.period(timeline.axis.begins(slot), timeline.axis.unit)
    if each is None:
        return f"{when}: no calls"
    latency = [f"{which} {wording.milliseconds(getattr(each.latency_ms, which))}" for which in ("p50", "p95", "p99")]
    return f"{when}: {wording.counted(each.calls, 'call')}, {each.errors} failed; {', '.join(latency)}"


def _numbers(timeline: Timeline, unit: str) -> Markup:
    columns = [
        Column(f"{unit.capitalize()} (UTC)", ""),
        *(Column(each) for each in ("Calls", "Errors", *_TIMES, "Cost")),
    ]
    rows = [
        (
            wording.period(timeline.axis.begins(slot), timeline.axis.unit),
            wording.count(each.calls),
            wording.count(each.errors),
            *(wording.milliseconds(getattr(each.latency_ms, which)) for which in _TIMES),
            wording.money(each.cost),
        )
        for slot, each in enumerate(timeline.periods)
        if each is not None
    ]
    return tag("details", tag("summary", "The same as numbers"), table(f"Every {unit} that has calls", columns, rows))


_TIMES = ("p50", "p95", "p99")


def anomaly_marks(report: Report, *kinds: AnomalyKind) -> list[Mark]:
    if report.incidents is None:
        return []
    return [
        Mark(
            str(index),
            STYLES[each.severity],
            each.started_at,
            max(each.resolved_at or report.until, each.started_at + timedelta(seconds=1)),
            f"#anomaly-{index}",
            f"Anomaly {index}: {about(each)}, {shortened(each.explanation, 160)}",
        )
        for index, each in listed(report)
        if each.kind in kinds
    ]


def listed(report: Report) -> list[tuple[int, Incident]]:
    """The newest incidents, which is which: one number in the list and on the charts."""
    incidents = report.incidents.found if report.incidents is not None else ()
    return list(enumerate(incidents, start=1))[-MOST_MARKS:]


def about(incident: Incident) -> str:
    who = " and ".join(shortened(each, 60) for each in (incident.tool, incident.agent) if each is not None)
    return f"{incident.kind.replace('_', ' ')} of {who}" if who else incident.kind.replace("_", " ")


# ── tools ──


def tools(report: Report, limits: Limits) -> Markup | None:
    if not report.tools:
        return None
    shown = report.tools[: limits.rows]
    rows = [_tool_row(each) for each in shown]
    many = (
        f"more than {wording.count(len(report.tools) - 1)}" if _has_others(report) else wording.count(len(report.tools))
    )
    word = "tool" if len(report.tools) == 1 else "tools"
    return join(
        quiet(f"{many} {word}, the busiest first. Bars show calls, each from zero to its own most."),
        table("Tools, the busiest first", _TOOLS, rows),
        left_out(len(report.tools), len(shown), "tools", "codespar metrics stats"),
    )


def _tool_row(each: CallStats) -> tuple[Content, ...]:
    latency = each.latency_ms
    cost: Decimal | None = each.cost
    return (
        name(each.key),
        wording.count(each.calls),
        wording.change(each.trend),
        sparkline(each.history, f"calls of {shortened(each.key or '', 60)} over the period") if each.history else "",
        wording.count(each.errors),
        tag("span", wording.share(each.error_rate), class_="bad-word" if each.error_rate >= 0.05 else None),
        *(wording.milliseconds(value) for value in (latency.p50, latency.p95, latency.p99)),
        wording.money(cost),
    )


def _has_others(report: Report) -> bool:
    return any(each.key == OTHERS for each in report.tools)
