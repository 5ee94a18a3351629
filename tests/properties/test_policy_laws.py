"""What must hold of every policy and every call, whatever they are."""

import json
from copy import deepcopy
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from test_policy_against_model import STARTS, calls, policies, steps

from codespar_cli.core.clock import to_micros
from codespar_cli.core.hooks import CallContext
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.memory_store import MemoryStore
from codespar_cli.plugins.policy.policy_reader import compile_policy
from codespar_cli.plugins.policy.rates import Bucket, Sliding, parse_rate
from codespar_cli.plugins.policy.store_address import StoreAddress

MICROSECOND = timedelta(microseconds=1)


class Play:
    def __init__(self, policy, start, store=None):
        self.now = start
        self.store = store or MemoryStore()
        self.engine = PolicyEngine(
            compile_policy(json.dumps(policy).encode(), "p.yaml"), StoreAddress.of(self.store), clock=lambda: self.now
        )

    def run(self, history):
        answers = []
        for wait, act in history:
            self.now += wait
            if isinstance(act, dict):
                answers.append(self.ask(act))
        return answers

    def ask(self, call, method="evaluate"):
        context = CallContext(project=call["project"], args=call["args"])
        return getattr(self.engine, method)(call["agent"], call["tool"], call["cost"], context=context)


def state(store):
    contents = store.contents
    counters = {key: (each.value, each.held, each.entries, each.parts) for key, each in contents.counters.items()}
    return deepcopy((counters, contents.holds, contents.parts))


@given(policies(), st.sampled_from(STARTS), steps, st.randoms())
def test_the_order_of_rules_never_matters(policy, start, history, random):
    shuffled = {**policy, "rules": random.sample(policy["rules"], len(policy["rules"]))}
    ours, theirs = Play(policy, start).run(history), Play(shuffled, start).run(history)
    for one, other in zip(ours, theirs, strict=True):
        assert (one.allowed, one.code, one.rule_id, one.reason, one.retry_after, one.trace) == (
            (other.allowed, other.code, other.rule_id, other.reason, other.retry_after, other.trace)
        )


@given(policies(), st.sampled_from(STARTS), steps, calls, st.sampled_from([None, {"args.n": 1}]))
def test_another_deny_never_allows_and_another_allow_never_beats_a_deny(policy, start, history, call, when):
    play = Play(policy, start)
    play.run(history)
    before = play.ask(call, "preview")
    extra = {"id": "extra", "tools": [call["tool"]], **({"when": when} if when else {})}
    denying = Play({**policy, "rules": [*policy["rules"], {**extra, "effect": "deny"}]}, play.now, play.store)
    assert not (denying.ask(call, "preview").allowed and not before.allowed)
    allowing = Play({**policy, "rules": [*policy["rules"], {**extra, "effect": "allow"}]}, play.now, play.store)
    after = allowing.ask(call, "preview")
    if before.code not in (None, "no_rule_allows"):
        assert after.code == before.code


@given(policies(), st.sampled_from(STARTS), steps, calls)
def test_a_call_that_is_not_allowed_changes_nothing_but_the_record(policy, start, history, call):
    play = Play(policy, start)
    play.run(history)
    before, records = state(play.store), len(play.store.contents.records)
    decision = play.ask(call)
    assert len(play.store.contents.records) == records + 1
    if not decision.allowed:
        assert state(play.store) == before
        assert decision.reservation_id is None


@given(policies(), st.sampled_from(STARTS), steps)
def test_no_budget_is_ever_held_beyond_its_limit(policy, start, history):
    play = Play(policy, start)
    for step in history:
        play.run([step])
        for budget in play.engine.budgets():
            assert budget.left >= 0


@settings(max_examples=400)
@given(st.one_of(policies(timed=True), policies(timed=True), policies()), st.sampled_from(STARTS), steps, calls)
def test_a_retry_is_the_least_moment_that_would_do(policy, start, history, call):
    play = Play(policy, start)
    play.run(history)
    for _ in range(8):
        decision = play.ask(call)
        if not decision.allowed:
            break
    in_time = decision.code in ("budget_exceeded", "rate_limited", "outside_window")
    if decision.retry_after is None:
        if decision.never:
            for days in (1, 8, 32, 400):
                play.now += timedelta(days=days)
                assert not play.ask(call, "preview").allowed
        elif in_time:
            failed = {step.stage for step in decision.trace if step.outcome in ("fail", "approve")}
            assert failed - {"budget", "rate", "window"} or "cost unknown" in str(decision.trace)
        return
    assert in_time
    asked_at = play.now
    play.now = asked_at + timedelta(seconds=decision.retry_after)
    assert play.ask(call, "preview").allowed
    between = (play.now - asked_at) // MICROSECOND
    for moment in {
        play.now - MICROSECOND,
        asked_at,
        *(asked_at + MICROSECOND * (between * part // 7) for part in range(7)),
    }:
        play.now = moment
        assert not play.ask(call, "preview").allowed


@given(st.integers(1, 50), st.sampled_from("smhd"), st.integers(1, 20), st.lists(st.integers(0, 10**9), max_size=60))
def test_a_bucket_never_lets_through_more_than_burst_and_rate(count, unit, burst, waits):
    bucket = parse_rate(f"{count}/{unit} burst {burst}")
    assert isinstance(bucket, Bucket)
    passed, arrival, now = [], 0, to_micros(STARTS[0])
    for wait in waits:
        now += wait
        if bucket.passes_at(arrival) <= now:
            assert bucket.passes_at(arrival) - 1 < now
            arrival = bucket.after_call(arrival, now)
            passed.append(now)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            span = (passed[last] - passed[first]) * 1000
            assert last - first + 1 <= burst + span // bucket.interval


@given(st.integers(1, 5), st.integers(1, 120), st.lists(st.integers(0, 10**8), max_size=40))
def test_a_sliding_window_lets_through_exactly_what_fits(count, length, waits):
    limit = parse_rate(f"{count} per {length}s")
    assert isinstance(limit, Sliding)
    play = Play(
        {"rules": [{"id": "r", "effect": "rate", "limit": f"{count} per {length}s"}], "default": "allow"}, STARTS[0]
    )
    passed = []
    for wait in waits:
        play.now += timedelta(microseconds=wait)
        now = to_micros(play.now)
        inside = [at for at in passed if at + limit.length > now]
        allowed = play.engine.evaluate("a", "t").allowed
        assert allowed is (len(inside) < count)
        if allowed:
            passed.append(now)
