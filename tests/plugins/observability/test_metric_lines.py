from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.administration.metric_lines import MAX_LINE_BYTES, MetricLines, parse_metric
from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.errors import UsageError
from codespar_cli.plugins.observability.observer import MCPObserver


def parsed(**row):
    return parse_metric(json.dumps(row).encode(), "acme")


def test_a_tool_is_enough():
    assert parsed(tool="git/push") == ToolMetric("git/push", "agent", 0.0, True, tenant="acme")


def test_an_error_type_means_that_the_call_failed():
    assert parsed(tool="a", error_type="Timeout").success is False
    assert parsed(tool="a", error_type=None).success is True
    assert parsed(tool="a", error_type="", success=True).success is True
    assert parsed(tool="a", success=False).success is False


def test_a_time_without_offset_is_utc():
    assert parsed(tool="a", time="2026-11-23T09:00:00").time == datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe{", "not"),
        (b"[1]", "expected an object"),
        (b"7", "expected an object"),
        (b"[" * 100_000, "nested"),
        (b'{"tool": "a", "tool": "b"}', "given twice"),
        (b'{"tool": "a", "cost": NaN}', "NaN"),
        (b'{"tool": "a", "latency_ms": 1e999}', "too large"),
        (b'{"agent": "a"}', "missing key `tool`"),
        (b'{"tool": null}', "missing key `tool`"),
        (b'{"tool": "a", "time": "yesterday"}', "time"),
        (b'{"tool": "a", "time": 7}', "time"),
        (b'{"tool": "a", "time": "0001-01-01T00:00:00+23:00"}', "time"),
        (b'{"tool": "a", "latencyms": 7}', "unknown key `latencyms`"),
        (b'{"tool": "a", "success": true, "error_type": "Timeout"}', "error_type: expected none"),
    ],
)
def test_a_line_that_is_no_row_is_refused(line, message):
    with pytest.raises(UsageError, match=message) as caught:
        parse_metric(line, "default")
    assert caught.value.code == "invalid_metric"


@pytest.mark.parametrize("bad", [b'{"tool": "c", "latency_ms": -1}', b"{}", b"x" * (MAX_LINE_BYTES + 1)])
def test_an_error_is_told_with_its_line(path, bad):
    lines = MetricLines(
        io.BytesIO(b'{"tool": "a"}\n\n{"tool": "b"}\n' + bad + b'\n{"tool": 5}\n'), "calls.jsonl", tenant="t"
    )
    observer = MCPObserver(path)
    with pytest.raises(UsageError) as caught:
        observer.record_all(lines)
    assert lines.located(caught.value).where == "calls.jsonl:4"
    assert observer.rows(MetricFilter()).rows == ()


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize(("line", "column"), [(b'{"tool": "a"', 13), (b'{"tool": "a"} x', 15), (b"nope", 1), (b"{", 2)])
def test_what_is_not_json_is_told_with_its_column_alone(line, column, end):
    with pytest.raises(UsageError, match=rf"^not JSON: .* at column {column}$") as caught:
        parse_metric(line + end, "default")
    assert " line " not in caught.value.message


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_usage_error(data):
    try:
        found = list(MetricLines(io.BytesIO(data), "stdin", tenant="t"))
    except UsageError as error:
        assert error.message
    else:
        assert len(found) <= data.count(b"\n") + data.count(b"\r") + 1


def test_what_tail_prints_can_be_recorded_again(observer, metric, tmp_path, clock):
    observer.record(
        metric(
            "a\ud800",
            cost="0.25",
            cost_source="estimated",
            success=False,
            error_type="X",
            input_tokens=0,
            project="p",
            session="s",
            tenant="t",
            decision_id="d",
        )
    )
    (row,) = observer.rows(MetricFilter()).rows
    again = MCPObserver(tmp_path / "other" / "metrics.db", clock=clock)
    again.record_all(MetricLines(io.BytesIO(json.dumps(row.document()).encode()), "stdin", tenant="unused"))
    assert list(again.rows(MetricFilter()).rows) == [row]
