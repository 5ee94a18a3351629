"""What must hold of every policy and every call, whatever they are, on a store in memory and on one on disk."""

import json
import tempfile
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_generators import WHENS, call, case

from codespar_cli.core.clock import from_micros, to_micros
from codespar_cli.core.hooks import CallContext
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.language.rates import Bucket, Sliding, parse_rate
from codespar_cli.plugins.policy.stores.memory_store import MemoryStore
from codespar_cli.plugins.policy.stores.sqlite_store import SqliteStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

seeds = st.integers(0, 10**12)
cases = seeds.map(case)
calls = seeds.map(lambda seed: call(Random(seed)))
stores = pytest.mark.parametrize("kind", ["memory", "sqlite"])


class Play:
    def __init__(self, policy, start, store=None, *, observe=False):
        self.now, self.policy, self.observe = start, policy, observe
        self.store = store or MemoryStore()
        self.use(policy)

    def use(self, policy):
        text = json.dumps(policy).encode()
        self.engine = PolicyEngine(
            compile_policy(text, "p.yaml"), StoreAddress.of(self.store), clock=lambda: self.now, observe=self.observe
        )

    def run(self, history):
        answers, holds = [], []
        for wait, (kind, *details) in history:
            self.now += wait
            if kind == "call":
                answers += [self.ask(details[0]) for _ in range(details[1])]
                holds += [each.reservation_id for each in answers[-details[1] :] if each.reservation_id]
            elif kind == "usage":
                self.engine.record_usage(details[0]["agent"], details[0]["tool"], details[0]["cost"] or 1)
            elif kind in ("settle", "again") and holds:
                self.engine.record_usage("bot", "c", details[1], reservation_id=holds[details[0] % len(holds)])
            elif kind == "release" and holds:
                self.engine.release(holds[details[0] % len(holds)])
            elif kind == "vote":
                self.vote(*details)
        return answers

    def vote(self, number, name, yes):
        waiting = self.engine.approvals()
        if waiting:
            try:
                self.engine.vote(waiting[number % len(waiting)].token, name, approves=yes)
            except CodesparError:
                return

    def ask(self, call, method="evaluate"):
        context = CallContext(
            tenant=call["tenant"],
            project=call["project"],
            args=call["args"],
            environment=call["environment"],
            attributes=call["context"],
        )
        return getattr(self.engine, method)(call["agent"], call["tool"], call["cost"], context=context)


@contextmanager
def world(kind, case):
    """A play whose history has been, on a fresh store of a kind."""
    with tempfile.TemporaryDirectory() as scratch:
        store = MemoryStore() if kind == "memory" else SqliteStore(Path(scratch) / "s", "normal")
        play = Play(case.policy, case.start, store)
        try:
            play.run(case.history)
            yield play
        finally:
            if kind == "sqlite":
                store.database.close()


def tables(store):
    """Everything a store holds, by table."""
    if isinstance(store, MemoryStore):
        contents = store.contents
        counters = {key: (each.value, each.held, each.entries, each.parts) for key, each in contents.counters.items()}
        found = {"counter": counters, "hold": contents.holds, "part": contents.parts, "approval": contents.requests}
        return deepcopy(found)
    with store.database.read() as connection:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
        ]
        return {name: list(connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2")) for name in names}


def facts(decision):
    return decision.allowed, decision.code, decision.rule_id, decision.reason, decision.retry_after, decision.trace


def changes(before, after):
    """The tables that differ, apart from the chained record and the time last seen."""
    return {
        name
        for name in after
        if name not in ("chain", "chain_head", "ledger", "source") and before[name] != after[name]
    }


@stores
def test_no_order_in_the_file_matters(kind):
    @settings(max_examples=40)
    @given(cases, st.randoms(use_true_random=False))
    def check(case, random):
        rules = []
        for rule in random.sample(case.policy["rules"], len(case.policy["rules"])):
            keys = random.sample(sorted(rule), len(rule))
            mixed = {key: rule[key] for key in keys}
            for key in ("tools", "per", "open", "closed", "approvers"):
                if isinstance(mixed.get(key), list):
                    mixed[key] = random.sample(mixed[key], len(mixed[key]))
            if "when" in mixed:
                mixed["when"] = dict(random.sample(list(mixed["when"].items()), len(mixed["when"])))
            rules.append(mixed)
        shuffled = {**case.policy, "rules": rules}
        if "costs" in shuffled:
            shuffled["costs"] = dict(random.sample(list(shuffled["costs"].items()), len(shuffled["costs"])))
        calls = [step for step in case.history if step[1][0] == "call"]
        with world(kind, case._replace(history=[])) as ours, world(kind, case._replace(history=[])) as theirs:
            theirs.use(shuffled)
            for one, other in zip(ours.run(calls), theirs.run(calls), strict=True):
                assert (facts(one)[:3], one.retry_after) == (facts(other)[:3], other.retry_after)
                assert {step[:3] for step in one.trace} == {step[:3] for step in other.trace}

    check()


@stores
def test_another_deny_never_allows_and_another_allow_never_beats_a_deny(kind):
    @settings(max_examples=60)
    @given(cases, calls, st.sampled_from([None, *WHENS]))
    def check(case, call, when):
        with world(kind, case) as play:
            before = play.ask(call, "preview")
            extra = {"id": "extra", "tools": [call["tool"]], **({"when": when} if when else {})}
            play.use({**case.policy, "rules": [*case.policy["rules"], {**extra, "effect": "deny"}]})
            assert not (play.ask(call, "preview").allowed and not before.allowed)
            play.use({**case.policy, "rules": [*case.policy["rules"], {**extra, "effect": "allow"}]})
            after = play.ask(call, "preview")
            if before.code not in (None, "no_rule_allows", "approval_required", "approval_invalid"):
                assert after.code == before.code
            elif before.code in ("approval_required", "approval_invalid"):
                assert after.code == "approval_required"  # what was approved was approved under other rules

    check()


@stores
def test_a_call_that_is_not_allowed_changes_nothing_but_the_record(kind):
    @settings(max_examples=80)
    @given(cases, calls)
    def check(case, call):
        with world(kind, case) as play:
            before, records = tables(play.store), len(list(play.store.records()))
            decision = play.ask(call)
            assert len(list(play.store.records())) == records + 1
            if not decision.allowed:
                assert changes(before, tables(play.store)) <= (
                    {"approval"} if decision.code == "approval_required" else set()
                )
                assert decision.reservation_id is None

    check()


@settings(max_examples=60)
@given(cases, calls)
def test_a_preview_and_a_pure_decision_leave_every_file_as_it_was(case, call):
    with world("sqlite", case) as play:
        play.ask(call)  # the store is there

        def files():
            folder = Path(play.store.database.path).parent
            return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}

        before = files()
        play.ask(call, "preview")
        play.ask(call, "decide")
        assert files() == before


@stores
def test_a_decision_depends_on_nothing_but_policy_state_time_and_request(kind):
    @settings(max_examples=40)
    @given(cases, calls)
    def check(case, call):
        with world(kind, case) as one, world(kind, case) as other:
            other.use(json.loads(json.dumps(case.policy)))
            one.ask(call, "decide")  # what has been asked before is not among them
            first, second = one.ask(call), other.ask(call)
            assert facts(first)[:3] == facts(second)[:3]
            assert (first.retry_after, first.never, first.policy_hash) == (
                second.retry_after,
                second.never,
                second.policy_hash,
            )

    check()


@settings(max_examples=150)
@given(cases, calls)
def test_decide_agrees_with_evaluate_where_nothing_is_counted(case, call):
    rules = [rule for rule in case.policy["rules"] if rule["effect"] not in ("budget", "rate", "approve")]
    play = Play({**case.policy, "rules": rules}, case.start)
    for wait, _ in [*case.history, (timedelta(), None)]:
        play.now += wait
        for _ in range(2):
            assert facts(play.ask(call, "decide")) == facts(play.ask(call))


@stores
def test_observing_denies_nothing_and_counts_nothing_that_is_enforced(kind):
    @settings(max_examples=40)
    @given(cases, calls)
    def check(case, call):
        with world(kind, case) as play:
            before, enforced = play.ask(call, "preview"), play.engine.budgets()
            watching = Play(case.policy, play.now, play.store, observe=True)
            history = [step for step in case.history if step[1][0] == "call" and step[0] == timedelta()]
            assert all(answer.allowed for answer in watching.run(history))
            assert all(watching.ask(call, method).allowed for method in ("evaluate", "preview", "decide"))
            play.use(case.policy)
            assert facts(play.ask(call, "preview")) == facts(before)
            assert play.engine.budgets() == enforced

    check()


@given(cases)
def test_no_budget_is_ever_held_beyond_its_limit(case):
    play = Play(case.policy, case.start)
    for step in case.history:
        if step[1][0] == "call":
            play.run([step])
            assert all(budget.left >= 0 for budget in play.engine.budgets())


@settings(max_examples=400)
@given(st.one_of(seeds.map(lambda seed: case(seed, timed=True)), cases), calls)
def test_a_retry_is_the_least_moment_that_would_do(case, call):
    play = Play(case.policy, case.start)
    play.run(case.history)
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


@given(st.integers(to_micros(START), to_micros(START) + 10**6), st.integers(1, 60 * 365 * 86400 * 10**6))
def test_seconds_as_a_float_land_on_the_very_microsecond(now, wait):
    """However far away: a rolling budget that was used up `wait` microseconds less than its length ago."""
    length = timedelta(days=60 * 366)
    rule = {"id": "r", "effect": "budget", "limit": "1", "window": f"rolling {length.days}d"}
    play = Play({"rules": [rule], "default": "allow"}, from_micros(now))
    play.engine.record_usage("a", "t", 1)
    play.now += length - timedelta(microseconds=wait)
    decision = play.engine.preview("a", "t", 1)
    assert decision.code == "budget_exceeded"
    play.now += timedelta(seconds=decision.retry_after)
    assert play.engine.preview("a", "t", 1).allowed
    play.now -= MICROSECOND
    assert not play.engine.preview("a", "t", 1).allowed


@given(st.integers(1, 50), st.sampled_from("smhd"), st.integers(1, 20), st.lists(st.integers(0, 10**9), max_size=60))
def test_a_bucket_never_lets_through_more_than_burst_and_rate(count, unit, burst, waits):
    bucket = parse_rate(f"{count}/{unit} burst {burst}")
    assert isinstance(bucket, Bucket)
    passed, arrival, now = [], 0, to_micros(START)
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
    rule = {"id": "r", "effect": "rate", "limit": f"{count} per {length}s"}
    play = Play({"rules": [rule], "default": "allow"}, START)
    passed = []
    for wait in waits:
        play.now += timedelta(microseconds=wait)
        now = to_micros(play.now)
        inside = [at for at in passed if at + limit.length > now]
        allowed = play.engine.evaluate("a", "t").allowed
        assert allowed is (len(inside) < count)
        if allowed:
            passed.append(now)
