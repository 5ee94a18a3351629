"""What Prometheus is told, read by the official parsers."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.administration.tool_checks import CheckFinding, CheckResult
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.core.text import visible
from codespar_cli.plugins.observability.exporters import prometheus_counters
from codespar_cli.plugins.observability.exporters.prometheus_counters import BOUNDS
from codespar_cli.plugins.observability.observer import MCPObserver

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
DURATION = "codespar_tool_call_duration_seconds"


def samples(text, parse=parse_prometheus):
    found = {}
    for family in parse(text):
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def told(observer, **wanted):
    texts = {
        parse: "".join(observer.exposition(MetricFilter(**wanted), openmetrics=parse is parse_openmetrics))
        for parse in (parse_prometheus, parse_openmetrics)
    }
    one, other = (samples(text, parse) for parse, text in texts.items())
    assert one == other
    return one


def named(found, name):
    return {
        tuple(value for _, value in labels): number for (sample, *labels), number in found.items() if sample == name
    }


def test_the_names_and_labels_are_the_documented_ones(observer, metric):
    observer.record_all(
        [
            metric("git/push", latency_ms=120, cost="0.1", input_tokens=7, output_tokens=3),
            metric("git/push", latency_ms=120, cost="0.2", cost_source="estimated"),
            metric("git/push", success=False, error_type="Timeout", latency_ms=31_000),
            metric("git/push", success=False, latency_ms=400_000),
        ]
    )
    found = told(observer)
    assert named(found, "codespar_tool_calls_total") == {
        ("bot", "success", "git/push"): 2,
        ("bot", "Timeout", "git/push"): 1,
        ("bot", "_OTHER", "git/push"): 1,
    }
    assert named(found, "codespar_tool_cost_usd_total") == {
        ("bot", "reported", "git/push"): 0.1,
        ("bot", "estimated", "git/push"): 0.2,
    }
    assert named(found, "codespar_tool_unknown_cost_calls_total") == {("bot", "git/push"): 2}
    assert named(found, "codespar_tool_tokens_total") == {
        ("bot", "git/push", "input"): 7,
        ("bot", "git/push", "output"): 3,
    }
    buckets = {bound: number for (_, bound, _), number in named(found, f"{DURATION}_bucket").items()}
    assert {bound: buckets[bound] for bound in ("0.1", "0.25", "30.0", "60.0", "300.0", "+Inf")} == {
        "0.1": 0, "0.25": 2, "30.0": 2, "60.0": 3, "300.0": 3, "+Inf": 4,
    }  # fmt: skip
    assert named(found, f"{DURATION}_count") == {("bot", "git/push"): 4}
    assert named(found, f"{DURATION}_sum")["bot", "git/push"] == pytest.approx(431.24)


def test_only_what_is_wanted_is_counted(observer, metric, clock):
    observer.record_all([metric("a"), metric("b", tenant="acme"), metric("b", agent_id="eve")])
    assert set(named(told(observer, tool="b"), "codespar_tool_calls_total")) == {
        ("bot", "success", "b"),
        ("eve", "success", "b"),
    }
    assert set(named(told(observer, tenant="acme"), "codespar_tool_calls_total")) == {("bot", "success", "b")}
    assert named(told(observer, until=clock()), "codespar_tool_calls_total") == {}


def test_an_empty_store_is_a_valid_document(observer):
    assert set(told(observer).values()) == {0}


@given(st.lists(st.tuples(st.text(min_size=1, max_size=20), st.text(max_size=20)), min_size=1, max_size=8, unique=True))
def test_whatever_an_agent_calls_its_tool_can_be_read_back(tmp_path_factory, names):
    observer = MCPObserver(tmp_path_factory.mktemp("names") / "metrics.db", clock=lambda: NOW)
    observer.record_all(
        ToolMetric(tool, "bot", latency_ms=1, success=not error, error_type=error or None) for tool, error in names
    )
    rows = observer.rows(MetricFilter()).rows
    expected = Counter((visible(row.tool), visible(row.error_type or "success")) for row in rows)
    found = named(told(observer), "codespar_tool_calls_total")
    observer.close()
    assert {(tool, outcome): number for (_, outcome, tool), number in found.items()} == expected


CALLS = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.booleans(), st.floats(0, 1e6), st.one_of(st.none(), st.integers(0, 10**9)),
        st.one_of(st.none(), st.integers(0, 10**6)),
    ),
    max_size=30,
)  # fmt: skip


@given(CALLS)
def test_sums_and_live_counters_agree_but_for_a_percent_at_the_bounds(tmp_path_factory, calls):
    observer = MCPObserver(tmp_path_factory.mktemp("sums") / "metrics.db", clock=lambda: NOW)
    live = observer.live_metrics()
    assert set(samples(live.text()).values()) == {0}
    observer.record_all(
        ToolMetric(
            tool, "bot", latency, success, cost=None if cost is None else Decimal(cost).scaleb(-6), input_tokens=tokens
        )
        for tool, success, latency, cost, tokens in calls
    )
    summed, counted = told(observer), samples(live.text())
    observer.close()
    assert summed.keys() == counted.keys()
    for key, number in summed.items():
        if key[0] != f"{DURATION}_bucket":
            assert number == pytest.approx(counted[key])
    for tool in "abc":
        for bound in BOUNDS:
            mine = [latency / 1000 for name, _, latency, *_ in calls if name == tool]
            if not mine:
                continue
            key = (f"{DURATION}_bucket", ("agent", "bot"), ("le", repr(bound)), ("tool", tool))
            assert counted[key] == sum(value <= bound for value in mine)
            assert (
                sum(value <= bound * 0.99 for value in mine)
                <= summed[key]
                <= sum(value <= bound * 1.01 for value in mine)
            )


def test_live_counters_never_go_down(path, clock, metric):
    observer = MCPObserver(path, clock=clock, max_rows=5)
    observer.record(metric())
    live = observer.live_metrics()
    seen = []
    for _ in range(4):
        observer.record_all([metric()] * 1500)  # and the oldest are removed
        seen.append(named(samples(live.text()), "codespar_tool_calls_total").get(("bot", "success", "git/push"), 0))
    observer.close()
    assert seen == sorted(seen)
    assert seen[-1] > 0


def test_names_that_agents_make_up_do_not_grow_it(observer, metric, monkeypatch):
    monkeypatch.setattr(prometheus_counters, "MAX_PAIRS", 10)
    monkeypatch.setattr(prometheus_counters, "MAX_OUTCOMES", 3)
    live = observer.live_metrics()
    observer.record_all(metric(f"t{number}", success=False, error_type=f"E{number}") for number in range(100))
    observer.record_all([metric("busy")] * 5)
    for found in (told(observer), samples(live.text())):
        calls = named(found, "codespar_tool_calls_total")
        assert len({(agent, tool) for agent, _, tool in calls}) == 11
        assert len({outcome for _, outcome, _ in calls} - {"success"}) == 4
        assert sum(calls.values()) == 105
        assert calls["(others)", "(others)", "(others)"] > 80
    assert named(told(observer), "codespar_tool_calls_total")["bot", "success", "busy"] == 5


def test_what_checks_found_and_what_was_dropped_is_counted(observer, metric, path):
    from codespar_cli.plugins.observability.exporters.otlp_record import DeliveryRecord

    result = CheckResult("unknown_tool", "error", "gti/push", "", "a tool", "gti/push", ("git/push",), "gti/push")
    observer.record_findings([CheckFinding(NOW, "default", "bot", None, number, result) for number in range(3)])
    record = DeliveryRecord(path.parent)
    record.failed(7, "no answer in time", NOW)
    record.close()
    found = told(observer)
    assert named(found, "codespar_hallucinations_total") == {("unknown_tool", "gti/push"): 3}
    assert named(found, "codespar_otlp_dropped_total") == {(): 7}


def test_anomalies_and_drift_are_told(observer, path, monkeypatch, clock):
    from codespar_cli.core.administration.anomalies import Incident
    from codespar_cli.plugins.observability.drift.pin_store import PinStore

    def incident(number, started_at, **who):
        fields = {"tool": "git/push", "agent": None, **who}
        return Incident(f"i{number}", "default", **fields, kind="latency", severity="warning", started_at=started_at,
                        resolved_at=None, explanation="", observed=2.0, expected=1.0)  # fmt: skip

    early = clock()
    incidents = [incident(1, early), incident(2, early, tool=None, agent="bot")]
    monkeypatch.setattr(observer, "anomalies", lambda wanted=None: incidents)
    pins = PinStore(path.parent)
    tool = {"name": "read", "description": "reads", "inputSchema": {"type": "object"}}
    pins.see("files", {"tools": [tool]}, clock())
    pins.see("files", {"tools": [{**tool, "description": "reads a file"}]}, clock())
    pins.close()
    found = told(observer)
    assert named(found, "codespar_anomalies_total") == {("latency", "git/push"): 1, ("latency", ""): 1}
    assert named(found, "codespar_tool_drift") == {("files", "docs"): 1}
    clock.advance(seconds=1)
    live = observer.live_metrics()
    assert named(samples(live.text()), "codespar_anomalies_total") == {}
    incidents.append(incident(3, clock()))
    assert named(samples(live.text()), "codespar_anomalies_total") == {}  # it is not looked for every time
    live._due = 0.0
    assert named(samples(live.text()), "codespar_anomalies_total") == {("latency", "git/push"): 1}
