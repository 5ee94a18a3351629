"""The engine, on SQLite and in memory, against a naive model: every answer and every counter, over whole histories."""

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_policy import Naive

from codespar_cli.core.hooks import CallContext
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.memory_store import MemoryStore
from codespar_cli.plugins.policy.policy_reader import compile_policy
from codespar_cli.plugins.policy.sqlite_store import SqliteStore
from codespar_cli.plugins.policy.store_address import StoreAddress

TOOLS = ["a/x", "a/y", "a/b/x", "c"]
AGENTS = ["bot", "team/one", "team/two"]
PATTERNS = ["a/x", "a/*", "a/**", "**", "c", "*"]
STARTS = [
    datetime(2018, 11, 3, 23, 0, tzinfo=UTC),  # Sao Paulo loses a midnight
    datetime(2018, 2, 17, 20, 0, tzinfo=UTC),  # Sao Paulo gains an hour
    datetime(2026, 3, 8, 3, 0, tzinfo=UTC),  # New York
    datetime(2026, 9, 5, 22, 0, tzinfo=UTC),  # Santiago
    datetime(2026, 11, 30, 20, 0, tzinfo=UTC),
]
ZONES = ["UTC", "America/Sao_Paulo", "America/New_York", "America/Santiago"]

amounts = st.sampled_from(["0", "0.5", "1", "2.25", "3", "7"])
whens = st.sampled_from(
    [{"args.n": 1}, {"args.n": {"not": 1}}, {"args.n": {"gt": 1}}, {"cost": {"gt": 2}}, {"args.s": "x"}]
)
pers = st.sampled_from(["agent", "project", "tool", "tenant", ["agent", "project"]])


@st.composite
def rules(
    draw, number, effects=tuple(["budget"] * 5 + ["rate"] * 4 + ["window", "window", "deny", "approve", "allow"])
):
    effect = draw(st.sampled_from(effects))
    rule = {"id": f"{draw(st.sampled_from('abcxyz'))}{number}", "effect": effect}
    if draw(st.integers(0, 2)) == 0 or effect in ("deny", "approve"):
        rule["tools"] = draw(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2, unique=True))
    if draw(st.integers(0, 5)) == 0:
        rule["agents"] = draw(st.lists(st.sampled_from(["bot", "team/*", "**"]), min_size=1, max_size=1))
    if draw(st.integers(0, 5)) == 0 or effect in ("deny", "approve"):
        rule["when"] = draw(whens)
    if effect in ("budget", "rate"):
        rule["per"] = draw(pers)
    if effect == "budget":
        rule["limit"] = draw(st.sampled_from(["1", "5", "7.5", "12"]))
        rule["window"] = draw(
            st.sampled_from(["calendar day", "calendar week", "calendar month", "rolling 90m", "rolling 3h", "total"])
        )
    if effect == "rate":
        rule["limit"] = draw(st.sampled_from(["1 per 1h", "3 per 90m", "2/h burst 2", "1/m burst 1", "5/d burst 3"]))
    if effect == "window":
        spans = st.sampled_from(["Mon,Tue,Sun 08:00-18:00", "22:00-06:00", "Sat,Sun 20:00-03:30", "00:00-12:00"])
        rule[draw(st.sampled_from(["open", "open", "closed"]))] = draw(
            st.lists(spans, min_size=1, max_size=2, unique=True)
        )
    return rule


TIMED = ("budget", "budget", "rate", "rate", "window")


@st.composite
def policies(draw, timed=None):
    """`timed`: only rules that time can satisfy, about most calls."""
    if timed or (timed is None and draw(st.booleans())):
        found = [draw(rules(number, TIMED)) for number in range(draw(st.integers(1, 4)))]
        for rule in found:
            rule.pop("agents", None), rule.pop("when", None)
    else:
        found = [draw(rules(number)) for number in range(draw(st.integers(1, 4)))]
    if timed or draw(st.integers(0, 9)):
        found.append({"id": "m-all", "effect": "allow"})
    return {
        "version": 1,
        "timezone": draw(st.sampled_from(ZONES)),
        "default": draw(st.sampled_from(["deny", "deny", "allow"])),
        "hold_ttl": draw(st.sampled_from(["1m", "2h", "1d"])),
        "rules": found,
    }


# Among them the lengths of every window and hold above, so that histories meet each edge exactly.
_MINUTES = (1, 1, 20, 30, 60, 90, 120, 180, 700, 1440, -45, -1440)
waits = st.sampled_from(
    [timedelta()] * 6
    + [timedelta(microseconds=1), timedelta(microseconds=-1), *(timedelta(minutes=m) for m in _MINUTES)]
)
calls = st.fixed_dictionaries(
    {
        "tool": st.sampled_from(["a/x", "a/x", *TOOLS]),
        "agent": st.sampled_from(["bot", "bot", *AGENTS]),
        "project": st.sampled_from([None, None, "p"]),
        "cost": st.one_of(amounts, amounts, amounts, st.none()),
        "args": st.sampled_from([{}, {}, {"n": 1}, {"n": 2}, {"n": "x", "s": "x"}]),
    }
)
steps = st.lists(
    st.tuples(waits, st.one_of(calls, calls, calls, st.tuples(st.integers(0, 20), st.one_of(amounts, st.none())))),
    min_size=5,
    max_size=30,
)


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_the_engine_answers_as_the_model_does(store):
    @settings(max_examples=300 if store == "memory" else 150)
    @given(policies(), st.sampled_from(STARTS), steps)
    def check(policy, start, history):
        if store == "memory":
            play(policy, start, history, MemoryStore())
        else:
            with tempfile.TemporaryDirectory() as scratch:
                real = SqliteStore(Path(scratch) / "s", "normal")
                play(policy, start, history, real)
                real.database.close()

    check()


def play(policy, start, history, store):
    model, now = Naive(policy), start
    engine = PolicyEngine(
        compile_policy(json.dumps(policy).encode(), "p.yaml"), StoreAddress.of(store), clock=lambda: now
    )
    holds: list[tuple[int, str]] = []
    for number, (wait, act) in enumerate(history):
        now += wait
        if isinstance(act, tuple):
            if holds:
                close(engine, model, holds.pop(act[0] % len(holds)), act[1], now)
            continue
        call = {**act, "number": number, "tenant": "default"}
        context = CallContext(project=call["project"], args=call["args"])
        preview = engine.preview(call["agent"], call["tool"], call["cost"], context=context)
        decision = engine.evaluate(call["agent"], call["tool"], call["cost"], context=context)
        expected = model.ask(now, call)
        assert (decision.allowed, decision.code, decision.rule_id) == expected
        assert (preview.allowed, preview.code, preview.reason) == (decision.allowed, decision.code, decision.reason)
        assert (preview.retry_after, preview.never) == (decision.retry_after, decision.never)
        assert decision.requires_approval is (decision.code == "approval_required")
        if decision.reservation_id is not None:
            holds.append((number, decision.reservation_id))
    compare_budgets(engine, model, policy, now)


def close(engine, model, held, cost, now):
    number, reservation = held
    if cost is None:
        assert engine.release(reservation)
    else:
        engine.record_usage("bot", "a/x", cost, reservation_id=reservation)
    model.close(number, cost, now)


def compare_budgets(engine, model, policy, now):
    now = now if model.last is None else max(now, model.last)
    used = {}
    for state in engine.budgets():
        used[state.rule_id] = used.get(state.rule_id, 0) + state.spent + state.held
    for rule in policy["rules"]:
        if rule["effect"] == "budget":
            scopes = {event["scope"] for event in model.spent if event["rule"] == rule["id"]}
            assert used[rule["id"]] == sum(model.used(rule, scope, now) for scope in scopes)
