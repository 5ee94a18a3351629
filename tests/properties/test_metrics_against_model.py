"""What the observer answers, against a model that keeps every metric in a list."""

from __future__ import annotations

import math
from collections import defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codespar_cli.core.administration.metrics import GROUPINGS, MetricFilter
from codespar_cli.core.globs import matches
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.plugins.observability import rollup, rollup_fold, row_reader
from codespar_cli.plugins.observability.observer import MCPObserver

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
ages = st.integers(min_value=-3600, max_value=3 * 86400).map(lambda seconds: timedelta(seconds=seconds))
unknown_or = lambda values: st.none() | values  # noqa: E731
metrics = st.builds(
    ToolMetric,
    tool_name=st.sampled_from(["git/push", "git/pull", "git/remote/add", "web/search", "x"]),
    agent_id=st.sampled_from(["bot", "crawler-1", "crawler-2"]),
    latency_ms=st.floats(min_value=0.001, max_value=1e9) | st.integers(min_value=0, max_value=50),
    success=st.booleans(),
    cost=unknown_or(st.integers(min_value=0, max_value=10**12).map(lambda micros: Decimal(micros).scaleb(-6))),
    input_tokens=unknown_or(st.integers(min_value=0, max_value=10**6)),
    output_tokens=unknown_or(st.integers(min_value=0, max_value=10**6)),
    time=ages.map(lambda age: NOW - age),
    tenant=st.sampled_from(["default", "acme"]),
    project=unknown_or(st.sampled_from(["p", "q"])),
)
filters = st.builds(
    MetricFilter,
    tool=unknown_or(st.sampled_from(["git/push", "git/*", "git/**", "**", "**/add", "*", "none"])),
    agent=unknown_or(st.sampled_from(["bot", "crawler-*"])),
    tenant=unknown_or(st.sampled_from(["default", "acme", "none"])),
    errors=st.booleans(),
    slow_ms=unknown_or(st.floats(min_value=0, max_value=1e6)),
    min_cost=unknown_or(st.integers(min_value=0, max_value=10**6).map(Decimal)),
    since=unknown_or(ages.map(lambda age: NOW - age)),
    until=unknown_or(ages.map(lambda age: NOW - age)),
)


def wants(wanted, metric):
    return (
        (wanted.tool is None or matches(wanted.tool, metric.tool_name))
        and (wanted.agent is None or matches(wanted.agent, metric.agent_id))
        and (wanted.tenant is None or wanted.tenant == metric.tenant)
        and not (wanted.errors and metric.success)
        and (wanted.slow_ms is None or metric.latency_ms >= wanted.slow_ms)
        and (wanted.min_cost is None or (metric.cost is not None and metric.cost >= wanted.min_cost))
        and (wanted.since is None or metric.time >= wanted.since)
        and (wanted.until is None or metric.time < wanted.until)
    )


def key_of(metric, by):
    match by:
        case "tool":
            return metric.tool_name
        case "agent":
            return metric.agent_id
        case "hour":
            return metric.time.strftime("%Y-%m-%dT%H:00:00Z")
        case "day":
            return metric.time.strftime("%Y-%m-%d")
    return getattr(metric, by)


def grouped(recorded, wanted, by):
    groups = defaultdict(list)
    for metric in recorded:
        if wants(wanted, metric):
            groups[key_of(metric, by)].append(metric)
    return groups


def known_sum(values):
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def exact_quantile(values, share):
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    low, high = ordered[math.floor(at)], ordered[math.ceil(at)]
    return low + (high - low) * (at - math.floor(at))


@pytest.fixture(params=[3, 100_000], ids=["many windows", "one window"], autouse=True)
def window(request, monkeypatch):
    monkeypatch.setattr(rollup, "FOLD_ROWS", request.param)
    monkeypatch.setattr(rollup_fold, "FOLD_ROWS", request.param)
    monkeypatch.setattr(row_reader, "WINDOW", request.param)


@contextmanager
def observed(recorded):
    with TemporaryDirectory() as directory:
        observer = MCPObserver(Path(directory) / "state" / "metrics.db", clock=lambda: NOW)
        observer.record_all(recorded)
        yield observer
        observer.close()


def pages(observer, wanted, after, limit):
    seen = []
    while True:
        page = observer.rows(wanted, after=after, limit=limit)
        seen += [row.id for row in page.rows]
        if page.complete:
            return seen
        after = page.cursor


per_example = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.parametrize("by", GROUPINGS)
@per_example
@given(st.lists(metrics, max_size=40), filters)
def test_stats(by, recorded, wanted):
    expected = grouped(recorded, wanted, by)
    with observed(recorded) as observer:
        found = observer.stats(wanted, by=by)
    assert {row.key for row in found} == set(expected)
    for row in found:
        group = expected[row.key]
        latencies = [float(metric.latency_ms) for metric in group]
        assert row.calls == len(group)
        assert row.errors == sum(not metric.success for metric in group)
        assert row.cost == known_sum(metric.cost for metric in group)
        assert row.input_tokens == known_sum(metric.input_tokens for metric in group)
        assert row.output_tokens == known_sum(metric.output_tokens for metric in group)
        assert row.latency_ms.max == max(latencies)
        assert row.latency_ms.mean == pytest.approx(math.fsum(latencies) / len(latencies))
        for share, value in ((0.5, row.latency_ms.p50), (0.95, row.latency_ms.p95), (0.99, row.latency_ms.p99)):
            assert value == pytest.approx(exact_quantile(latencies, share), rel=0.01)


@per_example
@given(st.lists(metrics, max_size=40), filters, st.sampled_from(GROUPINGS))
def test_costs(recorded, wanted, by):
    expected = grouped(recorded, wanted, by)
    with observed(recorded) as observer:
        report = observer.costs(wanted, by=by)
    sums = {key: known_sum(metric.cost for metric in group) for key, group in expected.items()}
    assert {row.key: row.cost for row in report.rows} == sums
    assert {row.key: row.calls for row in report.rows} == {key: len(group) for key, group in expected.items()}
    assert report.total == known_sum(sums.values())
    if report.total:
        assert sum(row.share for row in report.rows if row.share is not None) == pytest.approx(1)


@per_example
@given(
    st.lists(metrics, max_size=40),
    filters,
    st.integers(min_value=1, max_value=7),
    st.integers(min_value=1, max_value=20),
)
def test_rows_and_the_last_of_them(recorded, wanted, limit, count):
    expected = [number for number, metric in enumerate(recorded, start=1) if wants(wanted, metric)]
    with observed(recorded) as observer:
        span = observer.last(wanted, count)
        assert pages(observer, wanted, 0, limit) == expected
        assert pages(observer, wanted, span.after, limit) == expected[-count:]
        assert pages(observer, wanted, span.upto, limit) == []
