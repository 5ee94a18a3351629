from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from codespar_cli.core.administration.metrics import MetricFilter, RowRange
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.plugins.observability import row_reader
from codespar_cli.plugins.observability.observer import MCPObserver

STORES = ("sqlite", "postgres")


@pytest.fixture
def filled(observer, clock, metric):
    rows = [
        metric("git/push", cost="0.5", latency_ms=10),
        metric("git/pull", latency_ms=2000, success=False, error_type="Timeout"),
        metric("web/search", agent_id="crawler-1", cost=2, tenant="acme"),
        metric("git/remote/add", agent_id="crawler-2"),
        metric("git/push", time=clock() - timedelta(hours=2), cost=0),
    ]
    observer.record_all(rows)
    return observer


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (MetricFilter(), [1, 2, 3, 4, 5]),
        (MetricFilter(tool="git/push"), [1, 5]),
        (MetricFilter(tool="git/*"), [1, 2, 5]),
        (MetricFilter(tool="git/**"), [1, 2, 4, 5]),
        (MetricFilter(tool="git"), []),
        (MetricFilter(agent="crawler-*"), [3, 4]),
        (MetricFilter(tenant="acme"), [3]),
        (MetricFilter(errors=True), [2]),
        (MetricFilter(slow_ms=2000), [2]),
        (MetricFilter(min_cost=Decimal("0.5")), [1, 3]),
        (MetricFilter(min_cost=Decimal(0)), [1, 3, 5]),
        (MetricFilter(tool="a'; DROP TABLE calls; --"), []),
        (MetricFilter(tool="git/\udcff*", agent="\x00", tenant="\ud800"), []),
    ],
)
def test_filters(filled, wanted, ids):
    assert [row.id for row in filled.rows(wanted).rows] == ids


@given(
    st.text(min_size=1, max_size=8) | st.text("xy\ud800", min_size=250, max_size=300),
    st.text(min_size=1, max_size=8) | st.text("xy\ud800", min_size=250, max_size=300),
)
@settings(max_examples=25)
def test_a_row_is_found_by_the_very_names_it_was_recorded_under(tool, agent):
    assume("*" not in tool + agent)
    with TemporaryDirectory() as directory:
        observer = MCPObserver(Path(directory) / "state" / "metrics.db")
        observer.record(ToolMetric(tool, agent, 1.0, True))
        found = observer.rows(MetricFilter(tool=tool, agent=agent)).rows
        observer.close()
    assert len(found) == 1


@pytest.mark.parametrize("tenant", ["t" * 256 + "u", "t" * 255 + "…", "\ufffd", "\ud800", "\x00"])
def test_a_tenant_is_looked_up_by_its_exact_name(observer, metric, tenant):
    observer.record_all([metric(tenant="t" * 256), metric(tenant="a")])
    assert observer.rows(MetricFilter(tenant=tenant)).rows == []
    assert len(observer.rows(MetricFilter(tenant="t" * 256)).rows) == 1


def test_time_filters_look_at_the_rows_own_time(filled, clock):
    assert [row.id for row in filled.rows(MetricFilter(until=clock())).rows] == [5]
    assert [row.id for row in filled.rows(MetricFilter(since=clock())).rows] == [1, 2, 3, 4]


@pytest.mark.parametrize("window", [1, 2, 3, 100])
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_pages_show_every_row_once_whatever_their_size(filled, monkeypatch, window, limit):
    monkeypatch.setattr(row_reader, "WINDOW", window)
    seen, after = [], 0
    while True:
        page = filled.rows(MetricFilter(tool="git/push"), after=after, limit=limit)
        seen += [row.id for row in page.rows]
        if page.complete:
            break
        assert page.cursor > after
        after = page.cursor
    assert seen == [1, 5]
    assert page.cursor == 5


@pytest.mark.parametrize("window", [1, 2, 100])
def test_the_last_rows_are_found_backwards(filled, monkeypatch, window):
    monkeypatch.setattr(row_reader, "WINDOW", window)
    assert filled.last(MetricFilter(), 2) == RowRange(3, 5)
    assert filled.last(MetricFilter(), 0) == RowRange(5, 5)
    assert filled.last(MetricFilter(tool="git/p*"), 2) == RowRange(1, 5)
    assert filled.last(MetricFilter(tool="git/p*"), 99).after == 0
    assert filled.last(MetricFilter(tool="none"), 3).upto == 5


def test_more_than_there_can_be_is_all_there_is(filled):
    assert filled.last(MetricFilter(), 2**70) == RowRange(0, 5)
    assert len(filled.rows(MetricFilter(), limit=2**70).rows) == 5


def test_a_page_that_found_nothing_still_moves_on(filled):
    page = filled.rows(MetricFilter(tool="none"))
    assert (list(page.rows), page.cursor, page.complete) == ([], 5, True)


def test_no_row_past_the_end_asked_for(filled):
    page = filled.rows(MetricFilter(), upto=2)
    assert ([row.id for row in page.rows], page.complete) == ([1, 2], True)


def test_a_row_is_as_it_was_recorded(filled, clock):
    row = filled.rows(MetricFilter(tool="web/search")).rows[0]
    assert row.document() == {
        "id": 3,
        "time": "2026-11-23T09:00:00.000000Z",
        "tenant": "acme",
        "project": None,
        "session": None,
        "agent": "crawler-1",
        "tool": "web/search",
        "latency_ms": 10.0,
        "success": True,
        "error_type": None,
        "cost": "2",
        "cost_source": "reported",
        "input_tokens": None,
        "output_tokens": None,
        "decision_id": None,
    }
