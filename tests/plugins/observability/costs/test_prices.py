from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.plugins.observability.admission import MAX_TOKENS, admit
from codespar_cli.plugins.observability.costs.prices import PriceTable

NOON = dt.datetime(2026, 10, 15, 12, tzinfo=dt.UTC)


def row_of(tool="search/web", agent="bot", time=NOON, **fields):
    metric = ToolMetric(tool, agent, latency_ms=1.0, success=True, time=time, **fields)
    return admit(metric, lambda: NOON)


def cost_of(entries, **fields):
    row = PriceTable(entries).priced(row_of(**fields))
    return row[9], row[10]


def test_a_call_without_a_cost_gets_the_configured_one():
    assert cost_of([{"tool": "search/**", "per_call": "0.005"}]) == (5000, "configured")


def test_every_other_column_stays():
    row = row_of(input_tokens=3, project="web", decision_id="d", server="s", result_bytes=7)
    priced = PriceTable([{"tool": "**", "per_call": 1}]).priced(row)
    assert [*priced[:9], *priced[11:]] == [*row[:9], *row[11:]]
    assert len(priced) == len(row)


@pytest.mark.parametrize("source", [None, "reported", "estimated"])
def test_what_the_caller_said_stays(source):
    known = cost_of([{"tool": "**", "per_call": 1}], cost="0.5", cost_source=source)
    assert known == (500_000, source or "reported")
    assert cost_of([{"tool": "**", "per_call": 1}], cost=0, cost_source=source) == (0, source or "reported")


def test_no_price_is_unknown():
    assert cost_of([{"tool": "other", "per_call": 1}]) == (None, "unknown")


def test_the_first_that_matches_wins():
    entries = [
        {"tool": "search/web", "agent": "vip", "per_call": 3},
        {"tool": "search/*", "per_call": 2},
        {"tool": "**", "per_call": 1},
    ]
    assert cost_of(entries, agent="vip")[0] == 3_000_000
    assert cost_of(entries)[0] == 2_000_000
    assert cost_of(entries, tool="a")[0] == 1_000_000


def test_a_free_tool_costs_nothing_which_is_not_unknown():
    assert cost_of([{"tool": "**", "per_call": "0"}]) == (0, "configured")


@pytest.mark.parametrize(
    ("tokens", "cost"),
    [
        ({"input_tokens": 1000, "output_tokens": 10}, 1000 * 3 + 10 * 15),
        ({"input_tokens": 0, "output_tokens": 0}, 0),
        ({"input_tokens": 1000}, None),
        ({"output_tokens": 10}, None),
        ({}, None),
    ],
)
def test_tokens_that_have_a_price_must_be_known(tokens, cost):
    entry = {"tool": "**", "per_input_token": "0.000003", "per_output_token": "0.000015"}
    assert cost_of([entry], **tokens) == (cost, "unknown" if cost is None else "configured")


def test_dates_are_days_in_utc_and_a_calls_own_time_decides():
    new = {"tool": "**", "per_call": 2, "from": dt.date(2026, 10, 1)}
    old = {"tool": "**", "per_call": 1, "until": dt.date(2026, 10, 1)}
    midnight = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
    moment = dt.timedelta(microseconds=1)
    for entries in ([new, old], [old, new]):
        assert cost_of(entries, time=midnight)[0] == 2_000_000
        assert cost_of(entries, time=midnight - moment)[0] == 1_000_000
    assert cost_of([new], time=midnight - moment) == (None, "unknown")


def test_a_sum_beyond_all_reason_is_unknown():
    assert cost_of([{"tool": "**", "per_input_token": 10**6}], input_tokens=MAX_TOKENS) == (None, "unknown")


prices = st.decimals(min_value=0, max_value=1000, places=12)


@given(prices, prices, prices, st.integers(0, 10**5), st.integers(0, 10**5))
def test_the_cost_is_the_exact_sum_rounded_once(per_call, per_input, per_output, input_tokens, output_tokens):
    entry = {
        "tool": "**",
        "per_call": f"{per_call:f}",
        "per_input_token": f"{per_input:f}",
        "per_output_token": f"{per_output:f}",
    }
    exact = Fraction(per_call) + Fraction(per_input) * input_tokens + Fraction(per_output) * output_tokens
    found = cost_of([entry], input_tokens=input_tokens, output_tokens=output_tokens)
    assert found == (round(exact * 10**6), "configured")  # Fraction rounds half to even


def test_half_a_millionth_goes_to_the_even_one():
    for count, cost in ((1, 0), (3, 2), (5, 2), (7, 4)):
        assert cost_of([{"tool": "**", "per_input_token": "0.0000005"}], input_tokens=count)[0] == cost


def test_many_names_do_not_grow_the_table():
    table = PriceTable([{"tool": "**", "per_call": 1}])
    for number in range(10_000):
        assert table.priced(row_of(tool=f"t{number}"))[9] == 1_000_000
    assert len(table._of_name) <= 4096


def test_the_observer_prices_one_by_one_in_batches_and_many_at_once(path, clock, metric):
    from codespar_cli.plugins.observability.observer import MCPObserver

    for durability in ("commit", "batch"):
        made = MCPObserver(
            path.with_name(f"{durability}.db"), durability=durability, clock=clock,
            prices=[{"tool": "git/*", "per_call": "0.1"}],
        )  # fmt: skip
        made.record(metric())
        made.record_all([metric(), metric("other"), metric(cost="7")])
        made.flush()
        rows = made.rows(MetricFilter()).rows
        made.close()
        assert sorted((str(row.cost), row.cost_source) for row in rows) == [
            ("0.100000", "configured"),
            ("0.100000", "configured"),
            ("7.000000", "reported"),
            ("None", "unknown"),
        ]
        assert sum(row.cost or 0 for row in rows) == Decimal("7.2")


def test_what_is_made_of_estimated_tokens_is_an_estimate():
    entries = [{"tool": "**", "per_input_token": "0.001"}]
    assert cost_of(entries, input_tokens=1000, cost_source="estimated") == (1_000_000, "estimated")
