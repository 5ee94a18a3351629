from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from codespar_cli.errors import UsageError
from codespar_cli.plugins.observability.admission import MAX_TEXT, admit

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def admitted(metric):
    names = (
        "time", "tenant", "project", "session", "agent", "tool", "latency_ms", "success", "error_type", "cost",
        "cost_source", "input_tokens", "output_tokens", "decision_id", "server",
        "arguments_bytes", "arguments_digest", "result_bytes",
    )  # fmt: skip
    return dict(zip(names, admit(metric, lambda: NOW), strict=True))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.001, -1, True, None, "5", 1e13, 10**400])
def test_a_latency_that_would_poison_a_mean_is_refused(metric, value):
    with pytest.raises(UsageError, match="latency_ms") as caught:
        admitted(metric(latency_ms=value))
    assert caught.value.code == "invalid_metric"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.5, True, "free", "-1", object()])
def test_a_cost_that_is_no_amount_is_refused(metric, value):
    with pytest.raises(UsageError, match="cost") as caught:
        admitted(metric(cost=value))
    assert caught.value.code == "invalid_metric"


@pytest.mark.parametrize("value", [-1, True, 1.5, "7", 10**13])
@pytest.mark.parametrize("field", ["input_tokens", "output_tokens"])
def test_tokens_are_plausible_whole_numbers(metric, field, value):
    with pytest.raises(UsageError, match=field):
        admitted(metric(**{field: value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time", datetime(2026, 1, 1)),
        ("time", "2026-01-01T00:00:00Z"),
        ("time", datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))),
        ("time", datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))),
        ("success", 1),
        ("success", None),
        ("tenant", ""),
        ("tenant", None),
        ("agent_id", 7),
        ("project", 7),
        ("error_type", ["x"]),
        ("cost_source", "guessed"),
        ("cost_source", []),
    ],
)
def test_other_fields_have_their_types(metric, field, value):
    with pytest.raises(UsageError) as caught:
        admitted(metric(**{field: value}))
    assert caught.value.code == "invalid_metric"


@pytest.mark.parametrize("tool", ["", None, b"x", 5])
def test_a_tool_needs_a_name(metric, tool):
    with pytest.raises(UsageError, match="tool"):
        admitted(metric(tool))


def test_an_unknown_cost_stays_unknown(metric):
    row = admitted(metric(cost=None, cost_source="reported"))
    assert (row["cost"], row["cost_source"]) == (None, "unknown")


def test_a_cost_of_zero_is_known(metric):
    row = admitted(metric(cost=0))
    assert (row["cost"], row["cost_source"]) == (0, "reported")


def test_no_time_means_now_and_an_offset_is_understood(metric):
    now = admitted(metric())["time"]
    same = admitted(metric(time=NOW.astimezone(timezone(timedelta(hours=-3)))))["time"]
    assert now == same == int(NOW.timestamp()) * 1_000_000


@pytest.mark.parametrize("tenant", ["t" * (MAX_TEXT + 1), "a\x00", "a\ud800"])
def test_two_tenants_never_become_one(metric, tenant):
    with pytest.raises(UsageError, match="tenant") as caught:
        admitted(metric(tenant=tenant))
    assert caught.value.code == "invalid_metric"
    assert admitted(metric(tenant="t" * MAX_TEXT))["tenant"] == "t" * MAX_TEXT


def test_names_are_made_storable_and_kept_short(metric):
    row = admitted(metric("a\x00b\ud800c", agent_id="x" * 1_000_000, session=""))
    assert row["tool"] == "a\ufffdb\ufffdc"
    assert len(row["agent"]) == MAX_TEXT
    assert row["session"] is None
