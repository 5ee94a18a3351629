"""What was found: anomalies with their explanation, failed checks with evidence, drift with both sides."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from codespar_cli.core.administration.anomalies import Incident
from codespar_cli.core.administration.tool_checks import CheckFinding
from codespar_cli.core.administration.tool_drift import GRADES, DriftChange, Grade
from codespar_cli.plugins.observability.report import wording
from codespar_cli.plugins.observability.report.call_sections import STYLES, about, listed
from codespar_cli.plugins.observability.report.gathering import MOST_FINDINGS
from codespar_cli.plugins.observability.report.markup import Content, Markup, join, shortened, tag
from codespar_cli.plugins.observability.report.model import Report
from codespar_cli.plugins.observability.report.pieces import (
    Column,
    Limits,
    left_out,
    name,
    quiet,
    table,
    unread,
)

_CHECKS = (
    Column("Check", ""),
    Column("Calls"),
    Column("Tool", "wide-cell"),
    Column("Where", "wide-cell"),
    Column("Expected", "wide-cell"),
    Column("Got", "wide-cell"),
    Column("Meant, perhaps", "wide-cell"),
    Column("Agent", "wide-cell"),
    Column("Last (UTC)", ""),
)
_GRADE_STYLES: dict[Grade, str] = {"security": "bad", "breaking": "warn"}


# ── anomalies ──


def anomalies(report: Report, limits: Limits) -> Markup | None:
    answer = report.incidents
    if answer is None:
        return None
    if answer.error is not None:
        return unread(answer.error, "Anomalies")
    if not answer.found:
        return quiet("Nothing unusual was found.")
    shown = listed(report)[-limits.rows :]
    lasting = sum(each.resolved_at is None for each in answer.found)
    words = f"{wording.count(len(answer.found))} found, {wording.count(lasting) if lasting else 'none'} of them still going on; the newest first."
    return join(
        quiet(words, " The numbers are those on the charts."),
        tag("ol", [_incident(index, each) for index, each in reversed(shown)], class_="list"),
        left_out(len(answer.found), len(shown), "anomalies", "codespar metrics anomalies"),
    )


def _incident(index: int, each: Incident) -> Markup:
    style = STYLES[each.severity]
    word = tag("strong", each.severity, class_=f"{style}-word")
    subjects = [name(subject) for subject in (each.tool, each.agent) if subject is not None]
    who: list[Content] = [" of ", subjects[0], [(" and ", other) for other in subjects[1:]]] if subjects else []
    until = "still going on" if each.resolved_at is None else f"until {wording.short_moment(each.resolved_at)}"
    observed, expected = (_measured(each, value) for value in (each.observed, each.expected))
    return tag(
        "li",
        tag("span", str(index), class_=f"badge {style}"),
        tag(
            "div",
            tag("p", each.kind.replace("_", " ").capitalize(), who, class_="what"),
            tag("p", shortened(each.explanation, 600)),
            tag(
                "p",
                word,
                f"; from {wording.short_moment(each.started_at)}, {until}; observed {observed}, expected {expected}",
                class_="quiet small",
            ),
        ),
        id=f"anomaly-{index}",
        tabindex="-1",
        aria_label=f"Anomaly {index}: {about(each)}",
    )


def _measured(each: Incident, value: float) -> str:
    match each.kind:
        case "latency":
            return wording.milliseconds(value)
        case "error_rate":
            return wording.share(value)
        case _:
            return wording.brief(value)


# ── checks ──


class _Group(NamedTuple):
    """Findings that say the same: the newest of them, and how many calls there are."""

    calls: int
    newest: CheckFinding


def checks(report: Report, limits: Limits) -> Markup | None:
    answer = report.findings
    if answer is None:
        return None
    if answer.error is not None:
        return unread(answer.error, "What checks found")
    if not answer.found:
        return quiet(
            "No check that was kept has failed. ", tag("code", "codespar metrics checks --record"), " keeps them."
        )
    groups = _grouped(answer.found)
    shown = groups[: limits.rows]
    most = (
        f"the newest {wording.count(MOST_FINDINGS)}"
        if len(answer.found) >= MOST_FINDINGS
        else wording.count(len(answer.found))
    )
    return join(
        quiet(f"{most} findings, those alike in one row. Values of arguments are not kept, only their kind and size."),
        table("Failed checks, the most frequent first", _CHECKS, [_check_row(each, limits) for each in shown]),
        left_out(len(groups), len(shown), "kinds of findings", "codespar metrics checks"),
    )


def _grouped(findings: Sequence[CheckFinding]) -> list[_Group]:
    groups: dict[tuple[str, ...], _Group] = {}
    for each in findings:  # oldest first: the newest stays
        result = each.result
        alike = (result.check, result.severity, result.tool, result.path, result.expected, each.agent)
        groups[alike] = _Group(groups[alike].calls + 1 if alike in groups else 1, each)
    return sorted(groups.values(), key=lambda group: (group.newest.result.severity != "error", -group.calls))


def _check_row(group: _Group, limits: Limits) -> tuple[Content, ...]:
    finding, result = group.newest, group.newest.result
    style = "bad-word" if result.severity == "error" else "warn-word"
    longest = limits.evidence // 2
    return (
        join(tag("span", result.check.replace("_", " ")), " ", tag("span", result.severity, class_=f"{style} small")),
        wording.count(group.calls),
        name(result.tool),
        tag("code", shortened(result.path, longest)) if result.path else "",
        tag("bdi", shortened(result.expected, longest)),
        tag("bdi", shortened(result.kept or result.got, longest)),
        tag("bdi", shortened(", ".join(result.suggestions), longest)),
        name(finding.agent),
        wording.short_moment(finding.time),
    )


# ── drift ──


def drift(report: Report, limits: Limits) -> Markup | None:
    answer = report.drift
    if answer is None:
        return None
    if answer.error is not None:
        return unread(answer.error, "The pins of tools")
    if not answer.found:
        return quiet("Every tool is as it was pinned.")
    changes = sorted(answer.found, key=lambda each: -GRADES.index(each.grade))
    shown = changes[: max(limits.rows // 2, 1)]
    counts = ", ".join(
        f"{wording.count(many)} {grade}"
        for grade in reversed(GRADES)
        if (many := sum(each.grade == grade for each in changes))
    )
    return join(
        quiet(
            f"{counts}; the gravest first. ",
            tag("code", "codespar mcp pins approve"),
            " takes a change as the new pin.",
        ),
        tag("ul", [_change(each, limits) for each in shown], class_="list drift"),
        left_out(len(changes), len(shown), "changes", "codespar metrics drift"),
    )


def _change(each: DriftChange, limits: Limits) -> Markup:
    style = _GRADE_STYLES.get(each.grade)
    sides = (("Pinned", each.before), ("Now", each.after))
    return tag(
        "li",
        tag("span", "!" if style else "·", class_=f"badge {style or ''}", aria_hidden="true"),
        tag(
            "div",
            tag("p", name(each.tool), " of ", name(each.server), class_="what"),
            tag(
                "p",
                tag("strong", each.grade, class_=f"{style}-word" if style else None),
                "; ",
                tag("code", shortened(each.field, 200)),
                class_="quiet small",
            ),
            tag("div", [_side(title, value, limits) for title, value in sides], class_="sides"),
        ),
    )


def _side(title: str, value: Any, limits: Limits) -> Markup:
    if value is None:
        shown = tag("p", "nothing", class_="quiet small")
    else:
        written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        shown = tag("pre", tag("bdi", shortened(written, limits.evidence)))
    return tag("div", tag("span", title, class_="quiet small"), shown)
