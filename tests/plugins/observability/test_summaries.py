from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from codespar_cli.core.administration.metrics import MetricFilter

STORES = ("sqlite", "postgres")


def by_key(rows):
    return {row.key: row for row in rows}


def test_unknown_costs_and_tokens_are_left_out_of_sums(observer, metric):
    observer.record_all(
        [
            metric("a", cost="0.1", input_tokens=3),
            metric("a", cost="0.2"),
            metric("a"),
            metric("b"),
            metric("c", cost=0),
        ]
    )
    found = by_key(observer.stats(MetricFilter()))
    assert (found["a"].cost, found["a"].input_tokens, found["a"].output_tokens) == (Decimal("0.3"), 3, None)
    assert found["b"].cost is None
    assert found["c"].cost == 0


def test_money_beyond_64_bits_is_summed_exactly(observer, metric):
    observer.record_all([metric(cost=10**9)] * 20_000 + [metric(cost="0.000001")])
    assert observer.stats(MetricFilter())[0].cost == Decimal("20000000000000.000001")


def test_hours_and_days_are_utc_and_in_order(observer, metric, clock):
    for hours in (30, 0, 1):
        observer.record(metric(time=clock() - timedelta(hours=hours, minutes=-59)))
    assert [row.key for row in observer.stats(MetricFilter(), by="hour")] == [
        "2026-11-22T03:00:00Z",
        "2026-11-23T08:00:00Z",
        "2026-11-23T09:00:00Z",
    ]
    assert [(row.key, row.calls) for row in observer.stats(MetricFilter(), by="day")] == [
        ("2026-11-22", 1),
        ("2026-11-23", 2),
    ]


def test_an_hour_before_1970_begins_before_its_calls(observer, metric, clock):
    observer.record(metric(time=clock().replace(year=1969, month=12, day=31, hour=23, minute=59)))
    assert observer.stats(MetricFilter(), by="hour")[0].key == "1969-12-31T23:00:00Z"


def test_the_trend_compares_with_the_period_before(observer, metric, clock):
    observer.record_all([metric("a", time=clock() - timedelta(minutes=90))] * 4)
    observer.record_all([metric("a", time=clock() - timedelta(minutes=30))] * 5 + [metric("b")])
    found = by_key(observer.stats(MetricFilter(since=clock() - timedelta(hours=1))))
    assert (found["a"].calls, found["a"].trend) == (5, 0.25)
    assert found["b"].trend is None
    assert by_key(observer.stats(MetricFilter()))["a"].trend is None


def test_the_trend_of_an_hour_compares_with_the_hour_before(observer, metric, clock):
    observer.record_all([metric(time=clock() - timedelta(hours=1))] * 4 + [metric()] * 2)
    assert [row.trend for row in observer.stats(MetricFilter(), by="hour")] == [None, -0.5]


def test_get_stats_speaks_as_the_command_does(observer, metric):
    observer.record(metric("git/push", latency_ms=5, cost="0.50", input_tokens=7))
    observer.record(metric("web/search"))
    assert [row["tool"] for row in observer.get_stats()] == ["git/push", "web/search"]
    assert observer.get_stats("git/push") == [
        {
            "tool": "git/push",
            "calls": 1,
            "errors": 0,
            "error_rate": 0.0,
            "latency_ms": {"mean": 5.0, "p50": 5.0, "p95": 5.0, "p99": 5.0, "max": 5.0},
            "cost": "0.5",
            "input_tokens": 7,
            "output_tokens": None,
            "trend": None,
        }
    ]
    assert observer.get_stats("none") == []
