"""The page: one file, no script, nothing that is fetched. Pure: the same report is the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from codespar_cli.plugins.observability.report import cost_section, finding_sections, wording
from codespar_cli.plugins.observability.report.call_sections import anomaly_marks, times, tools, totals
from codespar_cli.plugins.observability.report.markup import Markup, join, shortened, tag
from codespar_cli.plugins.observability.report.model import Report
from codespar_cli.plugins.observability.report.pieces import Limits
from codespar_cli.plugins.observability.report.style import STYLE

LARGEST = 480_000
"""Bytes of a page."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_DEFINITIONS = (
    ("Call", "One recorded call of a tool, in the hour its own time names. All times are UTC."),
    ("Error", "A call that was recorded as failed; the rate is the share of failed calls among all."),
    (
        "p50, p95, p99",
        (
            "Half, 95 % and 99 % of the calls were at least as fast. Within 1 % of the exact value; the percentiles of a "
            "period are those of its calls, not a mean of others."
        ),
    ),
    (
        "Cost",
        (
            "The sum of the costs that are known, exact, in the currency of your policy. Reported: billed. Configured: from "
            "your table of prices. Estimated: guessed before the call. Unknown is not zero, and in no sum."
        ),
    ),
    ("Forecast", "What 24 hours and 30 days cost at the rate of this period."),
    ("Trend", "The change in calls against the period of the same length before."),
    ("Anomaly", "An incident that a rule or a statistic raised; its sentence has the numbers it was raised for."),
    ("Failed check", "A call its tool cannot take, or one of a loop. Values of arguments are not kept."),
    ("Drift", "How the tools of MCP servers differ now from what was pinned, whatever the period."),
)


class _Section(NamedTuple):
    name: str
    title: str
    content: Markup | None


def draw_page(report: Report) -> bytes:
    """UTF-8, at most LARGEST bytes whatever the report holds: tables get shorter until it fits, and say so."""
    limits = Limits()
    while len(page := _page(report, limits).encode()) > LARGEST and limits.rows > 1:
        limits = limits.halved()
    return page


def _page(report: Report, limits: Limits) -> Markup:
    sections = [_Section(name, title, draw(report, limits)) for name, title, draw in _SECTIONS]
    shown = [section for section in sections if section.content is not None]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", **{"http-equiv": "Content-Security-Policy", "content": POLICY}),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", f"Tool calls, {wording.moment(report.since)} to {wording.moment(report.until)} UTC"),
        tag("style", STYLE),
    )
    body = tag(
        "body",
        tag("a", "Skip to the numbers", class_="skip", href="#content"),
        _header(report, shown),
        tag("main", totals(report, limits), [_drawn(each) for each in shown], id="content", tabindex="-1"),
        _footer(report),
    )
    return join(Markup("<!DOCTYPE html>\n"), tag("html", head, body, lang="en"), Markup("\n"))


def _header(report: Report, sections: list[_Section]) -> Markup:
    wanted = report.wanted
    only = [
        f"{word} {shortened(value, 80)}"
        for word, value in (("tool", wanted.tool), ("agent", wanted.agent), ("tenant", wanted.tenant))
        if value is not None
    ]
    links = tag("ul", [tag("li", tag("a", each.title, href=f"#{each.name}")) for each in sections])
    return tag(
        "header",
        tag("h1", "Tool calls"),
        tag(
            "p",
            tag("time", wording.moment(report.since), datetime=report.since.isoformat()),
            " to ",
            tag("time", wording.moment(report.until), datetime=report.until.isoformat()),
            " UTC",
            f"; only {', '.join(only)}" if only else None,
            class_="quiet",
        ),
        tag("nav", links, aria_label="Sections"),
        class_="top",
    )


def _drawn(section: _Section) -> Markup:
    title = tag("h2", section.title, id=f"{section.name}-title")
    return tag("section", title, section.content, id=section.name, aria_labelledby=f"{section.name}-title")


def _footer(report: Report) -> Markup:
    words = [join(tag("dt", name), tag("dd", meaning)) for name, meaning in _DEFINITIONS]
    made = f"Made by codespar on {wording.moment(report.now)} UTC. This page fetches nothing and runs nothing."
    return tag(
        "footer",
        tag(
            "section",
            tag("h2", "What the numbers mean", id="meaning-title"),
            tag("dl", words),
            tag("p", made, class_="quiet small"),
            aria_labelledby="meaning-title",
        ),
    )


_SECTIONS: tuple[tuple[str, str, Callable[[Report, Limits], Markup | None]], ...] = (
    ("time", "Over time", times),
    ("anomalies", "Anomalies", finding_sections.anomalies),
    ("tools", "Tools", tools),
    ("costs", "Costs", lambda report, limits: cost_section.costs(report, limits, anomaly_marks(report, "cost"))),
    ("checks", "Failed checks", finding_sections.checks),
    ("drift", "Drift", finding_sections.drift),
)
