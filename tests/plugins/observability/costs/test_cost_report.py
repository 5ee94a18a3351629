from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.administration.metrics import GROUPINGS, MetricFilter
from codespar_cli.core.administration.tool_costs import KNOWN_SOURCES
from codespar_cli.plugins.observability import rollup
from codespar_cli.plugins.observability.costs.budgets import Budget
from codespar_cli.plugins.observability.observer import MCPObserver


def test_costs_are_shared_out_dearest_first(observer, metric):
    observer.record_all([metric("a", cost=1), metric("b", cost=3), metric("c"), metric("a", cost=0)])
    report = observer.costs(MetricFilter())
    assert report.total == 4
    assert [(row.key, row.cost, row.share, row.calls) for row in report.rows] == [
        ("b", 3, 0.75, 1),
        ("a", 1, 0.25, 2),
        ("c", None, None, 1),
    ]


def test_no_known_cost_is_no_total_and_no_forecast(observer, metric):
    observer.record(metric())
    unknown = {"unknown": {"cost": None, "calls": 1}}
    assert observer.costs(MetricFilter()).document("tool") == {
        "total": None,
        "rows": [{"tool": "git/push", "cost": None, "share": None, "calls": 1, "sources": unknown}],
        "forecast": {"day": None, "month": None},
        "sources": unknown,
        "budgets": [],
    }


@pytest.mark.parametrize(
    ("age", "since", "day"),
    [
        (timedelta(hours=12), None, 2),
        (timedelta(hours=12), timedelta(hours=24), 2),
        (timedelta(days=9), timedelta(days=10), Decimal("0.111111")),
        (timedelta(seconds=1), None, 24),
        (timedelta(days=-3), None, 24),
    ],
)
def test_the_forecast_is_the_rate_since_the_first_record(observer, metric, clock, age, since, day):
    observer.record(metric(cost=1, time=clock() - age))
    report = observer.costs(MetricFilter(since=clock() - since if since else None))
    assert report.forecast_day == day
    assert report.forecast_month == pytest.approx(30 * day, abs=Decimal("0.0001"))


def test_an_end_that_is_yet_to_come_does_not_thin_the_rate(observer, metric, clock):
    observer.record(metric(cost=1, time=clock() - timedelta(hours=12)))
    assert observer.costs(MetricFilter(until=clock() + timedelta(days=30))).forecast_day == 2


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["x", "y"]),
        st.one_of(st.none(), st.integers(0, 10**12)),
        st.sampled_from(KNOWN_SOURCES),
        st.integers(-5 * 86400, 0),
    ),
    max_size=30,
)


@given(CALLS, st.sampled_from(GROUPINGS))
def test_sums_by_source_are_those_of_the_rows(tmp_path_factory, calls, by):
    now = datetime(2026, 11, 23, 9, tzinfo=UTC)
    made = MCPObserver(tmp_path_factory.mktemp("model") / "metrics.db", clock=lambda: now)
    from codespar_cli.core.hooks import ToolMetric

    made.record_all(
        ToolMetric(
            tool, agent, latency_ms=1, success=True, cost=None if micros is None else Decimal(micros).scaleb(-6),
            cost_source=source, time=now + timedelta(seconds=at),
        )
        for tool, agent, micros, source, at in calls
    )  # fmt: skip
    report = made.costs(MetricFilter(), by=by)
    made.close()
    known = [micros for _, _, micros, _, _ in calls if micros is not None]
    assert report.total == (Decimal(sum(known)).scaleb(-6) if known else None)
    assert report.unknown_calls == len(calls) - len(known)
    for name in KNOWN_SOURCES:
        mine = [micros for _, _, micros, source, _ in calls if source == name and micros is not None]
        if mine:
            assert report.sources[name] == (Decimal(sum(mine)).scaleb(-6), len(mine))
        else:
            assert name not in report.sources
    for row in report.rows:
        costs = [each.cost for each in row.sources.values() if each.cost is not None]
        assert row.cost == (sum(costs) if costs else None)
        assert row.calls == sum(each.calls for each in row.sources.values())
    assert sum(row.calls for row in report.rows) == len(calls)


def test_what_is_too_much_to_be_named_keeps_its_sources(observer, metric, monkeypatch):
    monkeypatch.setattr(rollup, "MAX_GROUPS", 2)
    observer.record_all([metric("a", cost=1)] * 9 + [metric("b", cost=2, cost_source="estimated")] * 8)
    observer.record_all(
        [metric("c", cost=3, cost_source="configured"), metric("d", cost=4), metric("e"), metric("f", cost=0)]
    )
    report = observer.costs(MetricFilter())
    assert report.total == 9 + 16 + 7
    assert dict(report.sources.items()) == {
        "reported": (13, 11),
        "estimated": (16, 8),
        "configured": (3, 1),
        "unknown": (None, 1),
    }
    (others,) = [row for row in report.rows if row.key == rollup.OTHERS]
    assert (others.cost, others.calls, others.unknown_calls) == (7, 4, 1)


# ── budgets ──


@pytest.fixture
def budgeted(path, clock):
    def make(*entries):
        return MCPObserver(path, clock=clock, budgets=entries)

    return make


def states(observer, **wanted):
    return {state.name: state for state in observer.costs(MetricFilter(**wanted)).budgets}


def budget(name, limit="10", per="day", **globs):
    return {"name": name, "limit": limit, "per": per, **globs}


def test_a_budget_counts_what_it_names(budgeted, metric):
    observer = budgeted(
        budget("all"),
        budget("tool", tool="git/*"),
        budget("agent", agent="b*"),
        budget("project", project="web-*"),
        budget("tenant", tenant="acme"),
    )
    observer.record_all(
        [
            metric("git/push", cost=1),
            metric("web/search", cost=2, agent_id="eve"),
            metric("a", cost=4, agent_id="eve", project="web-1"),
            metric("a", cost=8, agent_id="eve", tenant="acme"),
            metric("a", agent_id="eve"),
        ]
    )
    found = states(observer)
    assert {name: (state.spent, state.unknown_calls) for name, state in found.items()} == {
        "all": (15, 1),
        "tool": (1, 0),
        "agent": (1, 0),
        "project": (4, 0),
        "tenant": (8, 0),
    }
    assert found["all"].share == Decimal("1.5")
    mine = states(observer, tenant="acme")
    assert {name: state.spent for name, state in mine.items()} == {
        "all": 8,
        "tool": 0,
        "agent": 0,
        "project": 0,
        "tenant": 8,
    }
    assert set(states(observer, tenant="other")) == {"all", "tool", "agent", "project"}


def test_a_budget_is_of_the_calendar_day_or_month_whatever_is_shown(budgeted, metric, clock):
    observer = budgeted(budget("day"), budget("month", per="month"))
    for days, cost in ((0, 1), (1, 2), (22, 4), (23, 8)):
        observer.record(metric(cost=cost, time=clock() - timedelta(days=days)))
    found = states(observer, since=clock() - timedelta(minutes=1))
    assert (found["day"].spent, found["month"].spent) == (1, 7)
    assert found["day"].resets_at == datetime(2026, 11, 24, tzinfo=UTC)
    assert found["month"].resets_at == datetime(2026, 12, 1, tzinfo=UTC)


def test_when_a_budget_will_be_reached(budgeted, metric, clock):
    observer = budgeted(*(budget(limit, limit) for limit in ("2", "2.5", "2.666666", "2.7", "1", "0.5")))
    observer.record(metric(cost=1, time=clock() - timedelta(hours=1)))
    found = states(observer)  # it is 9:00, and 1 was spent in 9 hours
    assert found["2"].reached_at == datetime(2026, 11, 23, 18, tzinfo=UTC)
    assert found["2.5"].reached_at == datetime(2026, 11, 23, 22, 30, tzinfo=UTC)
    assert found["2.666666"].reached_at < datetime(2026, 11, 24, tzinfo=UTC)
    assert found["2.7"].reached_at is None
    assert (found["1"].reached_at, found["0.5"].reached_at) == (None, None)


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_a_period_begins_before_now_and_ends_after(now):
    for per, shortest, longest in (("day", 1, 1), ("month", 28, 31)):
        start, end = Budget("b", Decimal(1), per).period(now)
        assert start <= now < end
        assert timedelta(days=shortest) <= end - start <= timedelta(days=longest)
        assert Budget("b", Decimal(1), per).period(end)[0] == end


def test_without_a_store_nothing_is_spent(budgeted):
    observer = budgeted(budget("all"))
    assert states(observer)["all"].spent == 0
    assert observer.costs(MetricFilter()).total is None
