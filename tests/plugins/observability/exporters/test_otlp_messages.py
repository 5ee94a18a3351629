"""What is sent, read by the official messages of opentelemetry-proto."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from datetime import UTC, datetime

import pytest
from collector_kit import attributes_of, metrics
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from codespar_cli.core.hooks import ToolMetric
from codespar_cli.plugins.observability.admission import admit
from codespar_cli.plugins.observability.exporters import otlp_metrics
from codespar_cli.plugins.observability.exporters.otlp_messages import Messages, rejected

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOON_NS = 1_795_435_200 * 10**9


def row_of(tool="git/push", agent="bot", latency_ms=250.0, success=True, **fields):
    return admit(ToolMetric(tool, agent, latency_ms, success, **{"time": NOON, **fields}), lambda: NOON)


def spans_of(*rows, **resource):
    found = ExportTraceServiceRequest.FromString(
        Messages({"service.name": "codespar", **resource}, delta=False).spans_body(rows)
    )
    (resource_spans,) = found.resource_spans
    (scope_spans,) = resource_spans.scope_spans
    return resource_spans.resource, scope_spans


def metrics_of(*rows, delta=False):
    messages = Messages({"service.name": "codespar"}, delta=delta)
    for row in rows:
        messages.metrics.add(row)
    return metrics(ExportMetricsServiceRequest.FromString(messages.metrics_body(messages.now())))


def test_noon_is_noon():
    assert NOON.timestamp() * 10**9 == NOON_NS


def test_a_call_is_a_span_with_the_names_of_the_conventions():
    resource, scope = spans_of(
        row_of(cost="0.05", cost_source="estimated", input_tokens=7, output_tokens=3, session="s", project="web",
               decision_id="d", server="files", result_bytes=512)
    )  # fmt: skip
    assert attributes_of(resource)["service.name"] == "codespar"
    assert scope.scope.name == "codespar"
    assert attributes_of(scope.scope) == {"codespar.semconv.gen_ai": "0.1.0"}
    (span,) = scope.spans
    assert (span.name, span.kind) == ("execute_tool git/push", Span.SPAN_KIND_INTERNAL)
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (NOON_NS - 250_000_000, NOON_NS)
    assert (len(span.trace_id), len(span.span_id), span.parent_span_id) == (16, 8, b"")
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert attributes_of(span) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "git/push",
        "gen_ai.tool.type": "function",
        "gen_ai.agent.name": "bot",
        "gen_ai.conversation.id": "s",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "mcp.method.name": "tools/call",
        "codespar.agent.id": "bot",
        "codespar.tenant": "default",
        "codespar.project": "web",
        "codespar.decision.id": "d",
        "codespar.cost.usd": 0.05,
        "codespar.cost.source": "estimated",
        "codespar.mcp.server": "files",
        "codespar.result.size": 512,
    }


def test_what_is_not_known_is_not_said():
    _, scope = spans_of(row_of())
    assert set(attributes_of(scope.spans[0])) == {
        "gen_ai.operation.name", "gen_ai.tool.name", "gen_ai.tool.type", "gen_ai.agent.name",
        "codespar.agent.id", "codespar.tenant", "codespar.cost.source",
    }  # fmt: skip


@pytest.mark.parametrize(("error_type", "told"), [("Timeout", "Timeout"), (None, "_OTHER")])
def test_a_failure_has_a_status_and_a_type_and_never_words(error_type, told):
    _, scope = spans_of(row_of(success=False, error_type=error_type))
    (span,) = scope.spans
    assert (span.status.code, span.status.message) == (Status.STATUS_CODE_ERROR, "")
    assert attributes_of(span)["error.type"] == told


def test_arguments_and_results_are_nowhere():
    messages = Messages({}, delta=False)
    row = row_of(arguments={"password": "hunter2-hunter2"})
    messages.metrics.add(row)
    assert b"hunter2" not in messages.spans_body([row]) + messages.metrics_body(messages.now())


def test_every_span_is_its_own_trace():
    _, scope = spans_of(*[row_of()] * 500)
    assert len({span.trace_id for span in scope.spans}) == len({span.span_id for span in scope.spans}) == 500


@pytest.mark.parametrize(
    ("time", "latency_ms"), [(datetime(1969, 1, 1, tzinfo=UTC), 5), (datetime(1970, 1, 1, tzinfo=UTC), 1e12)]
)
def test_no_time_is_before_1970(time, latency_ms):
    _, scope = spans_of(row_of(time=time, latency_ms=latency_ms))
    assert scope.spans[0].start_time_unix_nano == 0
    assert scope.spans[0].end_time_unix_nano == 0


@given(st.text(min_size=1), st.text(min_size=1), st.floats(0, 1e12), st.one_of(st.none(), st.integers(0, 10**12)))
def test_whatever_is_stored_can_be_read(tool, agent, latency_ms, tokens):
    row = row_of(tool=tool, agent=agent, latency_ms=latency_ms, input_tokens=tokens)
    _, scope = spans_of(row)
    found = attributes_of(scope.spans[0])
    assert (found["gen_ai.tool.name"], found["gen_ai.agent.name"]) == (row[5], row[4])
    assert found.get("gen_ai.usage.input_tokens") == tokens
    assert scope.spans[0].end_time_unix_nano >= scope.spans[0].start_time_unix_nano
    assert "gen_ai.execute_tool.duration" in metrics_of(row)


CALLS = st.lists(
    st.tuples(st.sampled_from("ab"), st.booleans(), st.floats(0, 1e6), st.one_of(st.none(), st.integers(0, 10**9))),
    min_size=1,
)


@given(CALLS)
def test_histograms_count_every_call_in_its_bucket(calls):
    rows = [
        row_of(tool=tool, success=success, latency_ms=latency, input_tokens=tokens)
        for tool, success, latency, tokens in calls
    ]
    found = metrics_of(*rows)
    duration = found["gen_ai.execute_tool.duration"]
    assert duration.unit == "s"
    assert duration.histogram.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    seen = 0
    for point in duration.histogram.data_points:
        labels = attributes_of(point)
        assert labels["gen_ai.operation.name"] == "execute_tool"
        assert labels["gen_ai.agent.name"] == "bot"
        mine = [latency / 1000 for tool, success, latency, _ in calls
                if tool == labels["gen_ai.tool.name"] and success == ("error.type" not in labels)]  # fmt: skip
        bounds = [0.01 * 2**power for power in range(14)]
        assert list(point.explicit_bounds) == bounds
        counts = Counter(bisect_left(bounds, value) for value in mine)
        assert list(point.bucket_counts) == [counts[number] for number in range(15)]
        assert (point.count, point.min, point.max) == (len(mine), min(mine), max(mine))
        assert point.sum == pytest.approx(sum(mine))
        seen += point.count
    assert seen == len(calls)
    tokens = [count for *_, count in calls if count is not None]
    if not tokens:
        assert "gen_ai.client.token.usage" not in found
        return
    usage = found["gen_ai.client.token.usage"]
    assert usage.unit == "{token}"
    assert sum(point.sum for point in usage.histogram.data_points) == sum(tokens)
    assert {attributes_of(point)["gen_ai.token.type"] for point in usage.histogram.data_points} == {"input"}
    assert all(
        list(point.explicit_bounds) == [4.0**power for power in range(14)] for point in usage.histogram.data_points
    )


def test_costs_are_a_sum_by_how_they_are_known():
    cost = metrics_of(row_of(cost="0.1"), row_of(cost="0.2"), row_of(cost=1, cost_source="estimated"), row_of())[
        "codespar.tool.cost"
    ]
    assert (cost.unit, cost.sum.is_monotonic) == ("{USD}", True)
    assert {attributes_of(point)["codespar.cost.source"]: point.as_double for point in cost.sum.data_points} == {
        "reported": 0.3,
        "estimated": 1.0,
    }


def test_a_delta_begins_where_the_last_one_that_arrived_ended():
    messages = Messages({}, delta=True)

    def sent():
        now = messages.now()
        found = metrics(ExportMetricsServiceRequest.FromString(messages.metrics_body(now)))
        return now, found["gen_ai.execute_tool.duration"].histogram

    messages.metrics.add(row_of())
    _, lost = sent()
    messages.metrics.add(row_of())
    now, first = sent()
    messages.metrics.accepted(now)
    messages.metrics.add(row_of())
    _, second = sent()
    assert [each.data_points[0].count for each in (lost, first, second)] == [1, 2, 1]
    assert second.data_points[0].start_time_unix_nano == now
    assert first.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA


def test_names_that_agents_make_up_do_not_grow_it():
    found = metrics_of(*(row_of(tool=f"t{number}") for number in range(5000)))["gen_ai.execute_tool.duration"]
    points = found.histogram.data_points
    assert len(points) == otlp_metrics.MOST_SETS
    assert sum(point.count for point in points) == 5000
    assert attributes_of(points[-1]) == {"otel.metric.overflow": "true"}


def test_what_a_collector_rejects_is_read():
    answer = ExportTraceServiceResponse()
    assert rejected(answer.SerializeToString()) == 0
    answer.partial_success.error_message = "no"
    answer.partial_success.rejected_spans = 300
    assert rejected(answer.SerializeToString()) == 300


@given(st.binary(max_size=200))
def test_nonsense_rejects_nothing_and_breaks_nothing(answer):
    assert 0 <= rejected(answer) < 2**32


def test_the_first_record_of_a_second_process_is_no_step_back():
    assert (
        attributes_of(spans_of(row_of())[0])["service.instance.id"]
        != attributes_of(spans_of(row_of())[0])["service.instance.id"]
    )
