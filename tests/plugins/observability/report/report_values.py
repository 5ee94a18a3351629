"""Reports made of values: from a few plain calls, or from whatever hypothesis thinks of."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser

from hypothesis import strategies as st

from codespar_cli.core.administration.anomalies import Incident
from codespar_cli.core.administration.metrics import CallStats, Latency, MetricFilter
from codespar_cli.core.administration.tool_checks import CheckFinding, CheckResult
from codespar_cli.core.administration.tool_costs import BudgetState, CostReport, CostShare, SourceSum
from codespar_cli.core.administration.tool_drift import DriftChange
from codespar_cli.errors import StoreCorrupt

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><style>*{display:none}</style>",
    "]]></svg><a href='javascript:1'>",
    "\u202egnp.exe",
    "\x00\x07\ufffe\ud800",
    "x" * 10_000,
    "\u200b" * 10_000,
    "&" * 10_000,
    "https://evil.example/a.js",
    "{{7*7}} ${7*7} --> <!--",
)
NAMES = st.sampled_from(HOSTILE) | st.text(max_size=40)


def stats(key="git/push", calls=10, errors=1, cost="1.5", latency=(10.0, 8.0, 20.0, 30.0, 40.0), **more):
    money = None if cost is None else Decimal(cost)
    return CallStats(key, calls, errors, Latency(*latency), money, 100, 20, 0.25, (1, 0, 3), **more)


class Readings:
    """An observability backend that answers what it was given."""

    def __init__(self, tools=(), days=(), hours=(), incidents=(), findings=(), budgets=(), whole=None):
        self.tools, self.days, self.hours, self.whole = tools, days, hours, whole
        self.incidents, self.kept, self.budgets = incidents, findings, budgets
        self.asked = []

    def stats(self, wanted, *, by="tool"):
        self.asked.append((wanted, by))
        return {"day": self.days, "hour": self.hours}.get(by, self.tools)

    def overall(self, wanted):
        return self.whole

    def costs(self, wanted, *, by="tool"):
        rows = self.days if by == "day" else self.tools
        shares = [
            CostShare(
                each.key,
                each.cost,
                0.5,
                each.calls,
                {"estimated": SourceSum(each.cost, 1), "unknown": SourceSum(None, 2)},
            )
            for each in rows
        ]
        known = [each.cost for each in rows if each.cost is not None]
        total = sum(known) if known else None
        return CostReport(total, shares, total, total, shares[0].sources if shares else {}, self.budgets)

    def anomalies(self, wanted):
        return self.incidents

    def findings(self, wanted, *, limit=1000):
        return self.kept[-limit:]


class Pins:
    def __init__(self, changes=()):
        self.changes = changes

    def drift(self, server=None):
        if self.changes is None:
            raise StoreCorrupt("a pin is damaged", file="pins.db", hint="codespar mcp pins list")
        return list(self.changes)


def incident(index=0, kind="latency", severity="warning", tool="git/push", resolved=True, started=None):
    at = started or NOW - timedelta(hours=30 - index % 20)
    end = at + timedelta(hours=2) if resolved else None
    return Incident(f"anm_{index}", "t", tool, None, kind, severity, at, end, f"p95 2.1 s, usual {tool}", 2100.0, 700.0)


def finding(tool="git/push", got="7", check="wrong_type", at=NOW):
    result = CheckResult(check, "error", tool, f"/{tool}", "a string", got, (tool,), "a number")
    return CheckFinding(at, "t", "bot", None, 0, result)


def change(name="read", before=None, after="text", grade="security"):
    return DriftChange("files", name, grade, f"inputSchema.properties.{name}", before, after)


def budget(spent="3.5", limit="4"):
    return BudgetState("research", "day", Decimal(limit), Decimal(spent), 3, NOW, NOW)


def wanted(days=7.0):
    return MetricFilter(since=NOW - timedelta(days=days), until=NOW)


class Balance(HTMLParser):
    """Every element that is opened is closed, in order. Also gathers what a browser would fetch or run."""

    VOID = frozenset({"meta", "link", "br", "wbr", "hr", "col"})

    def __init__(self):
        super().__init__()
        self.open, self.elements, self.attributes, self.words = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in self.VOID, f"<{tag}/> is open in HTML"
        self.elements.append((tag, dict(attrs)))
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def parsed(page):
    text = page.decode()
    ET.fromstring(text.removeprefix("<!DOCTYPE html>\n"))
    found = Balance()
    found.feed(text)
    found.close()
    assert not found.open
    return found
