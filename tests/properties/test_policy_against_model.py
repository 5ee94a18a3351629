"""The engine, in memory and on SQLite, against a naive model: every answer and every counter, over whole histories.

One case is a policy, a history of calls, settlements and votes, and a clock that goes forward and back; it is made from
one number, which a failure names: `play(case(NUMBER), MemoryStore())`.
"""

import json
import multiprocessing
import os
import random
import tempfile
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import psycopg
import pytest
from naive_approvals import NaiveApprovals
from naive_names import counted
from naive_policy import Naive
from policy_generators import Case, case

from codespar_cli.core.hooks import CallContext
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.stores.memory_store import MemoryStore
from codespar_cli.plugins.policy.stores.postgres_store import PostgresStore
from codespar_cli.plugins.policy.stores.sqlite_store import SqliteStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

MANY = 100_000
SEED = int(os.environ.get("CODESPAR_POLICY_SEED", "0")) or random.SystemRandom().randrange(1, 10**12)


class Play:
    """One case, played on the engine and the model side by side."""

    def __init__(self, case: Case, store):
        self.case, self.now = case, case.start
        self.model, self.desk = Naive(case.policy), NaiveApprovals()
        self.engine = PolicyEngine(
            compile_policy(json.dumps(case.policy).encode(), "p.yaml"), StoreAddress.of(store), clock=lambda: self.now
        )
        self.holds: list[dict] = []
        self.tokens: list[str] = []
        self.calls = 0
        self.seen: dict[str | None, int] = {}

    def run(self):
        for wait, (kind, *details) in self.case.history:
            self.now += wait
            if kind == "call":
                for _ in range(details[1]):
                    self.ask(details[0])
            elif kind == "usage":
                self.use(details[0])
            elif kind == "vote" and self.tokens:
                self.vote(*details)
            elif kind in ("settle", "release", "again") and self.holds:
                self.close(kind, self.holds[details[0] % len(self.holds)], details[1])
        self.compare_budgets()

    def ask(self, call):
        model, at = self.model, self.now
        self.calls += 1
        call = {**call, "number": self.calls}
        context = context_of(call)
        preview = self.engine.preview(call["agent"], call["tool"], call["cost"], context=context)
        pure = self.engine.decide(call["agent"], call["tool"], call["cost"], context=context)
        decision = self.engine.evaluate(call["agent"], call["tool"], call["cost"], context=context)
        rules = [rule for rule in model.rules if rule["effect"] == "approve" and model.about(rule, call)]
        now, cost = max(at, model.last), model.cost(call)
        call["standing"] = self.desk.standing(call, cost, rules, now) if rules else ""
        expected = self.desk.in_time(call, cost, at, model.ask(at, call))
        self.desk.answered(call, cost, rules, now, expected)

        retry = None if decision.retry_after is None else Fraction(round(decision.retry_after * 10**6), 10**6)
        assert (decision.allowed, decision.code, decision.rule_id, retry, decision.never) == expected
        assert (preview.allowed, preview.code, preview.rule_id, preview.reason, preview.retry_after, preview.never) == (
            (decision.allowed, decision.code, decision.rule_id, decision.reason, decision.retry_after, decision.never)
        )
        assert decision.requires_approval is (decision.code == "approval_required")
        budgets = [event for event in model.spent if event["call"] == self.calls and event["state"] == "held"]
        assert (decision.reservation_id is not None) is bool(budgets)
        counted = any(rule["effect"] in ("budget", "rate") and model.about(rule, call) for rule in model.rules)
        if not counted and not rules:
            assert (pure.allowed, pure.code, pure.rule_id, pure.retry_after) == (
                (decision.allowed, decision.code, decision.rule_id, decision.retry_after)
            )
        if budgets:
            hold = {"id": decision.reservation_id, "number": self.calls, "call": call, "cost": cost, "state": "open"}
            self.holds.append(hold | {"at": now, "expires": budgets[0]["expires"]})
        if decision.code == "approval_required" and decision.approval_id not in self.tokens:
            self.tokens.append(decision.approval_id)
            assert len(self.tokens) == len(self.desk.requests)
        self.seen[decision.code] = self.seen.get(decision.code, 0) + 1

    def close(self, kind, hold, cost):
        if kind == "release":
            assert self.engine.release(hold["id"]) is (hold["state"] == "open")
            if hold["state"] == "open":
                hold["state"] = "released"
                self.model.close(hold["number"], None, self.now)
            return
        call = hold["call"]
        settled = self.engine.record_usage(
            call["agent"], call["tool"], cost, reservation_id=hold["id"], context=context_of(call)
        )
        self.settle(hold, hold["cost"] if cost is None else Fraction(cost), settled)

    def settle(self, hold, cost, settled):
        assert settled.repeated is (hold["state"] == "settled")
        if not settled.repeated:
            assert Fraction(settled.cost) == cost
            hold["state"] = "settled"
            self.model.close(hold["number"], cost, self.now)

    def use(self, call):
        """Usage without a reservation: the oldest open hold of this call, else every budget that is about it."""
        call = {**call, "cost": call["cost"] or "1"}
        settled = self.engine.record_usage(call["agent"], call["tool"], call["cost"], context=context_of(call))
        now = max(self.now, self.model.last)
        mine = [hold for hold in self.holds if whose(hold["call"]) == whose(call)]
        who = [hold for hold in mine if hold["state"] == "open"]
        oldest = min(((hold["expires"] <= now, hold["at"]) for hold in who), default=None)
        first = {hold["id"]: hold for hold in who if (hold["expires"] <= now, hold["at"]) == oldest}
        if first:
            self.settle(first[settled.reservation_id], Fraction(call["cost"]), settled)
            return
        assert settled.unreserved
        budgets = [rule for rule in self.model.rules if rule["effect"] == "budget"]
        counted = [rule["id"] for rule in budgets if self.model.about(rule, call)]
        assert list(settled.rules) == counted
        if counted:
            self.model.count(call, self.now)

    def vote(self, number, name, yes):
        index = number % len(self.tokens)
        now = max(self.now, self.model.last)
        ours = self.desk.requests[index]["tenant"] == "default"  # whose engine this is
        expected = ours and self.desk.vote(index, name, yes, now)
        try:
            self.engine.vote(self.tokens[index], name, approves=yes)
        except CodesparError:
            assert not expected
        else:
            assert expected
            self.model.last = now

    def compare_budgets(self):
        now, used = max(self.now, self.model.last), {}
        for state in self.engine.budgets():
            used[state.rule_id] = used.get(state.rule_id, 0) + state.spent + state.held
        for rule in self.model.rules:
            if rule["effect"] == "budget":
                scopes = {event["scope"] for event in self.model.spent if event["rule"] == rule["id"]}
                scopes = {scope for scope in scopes if scope[0] == "default"}
                assert used[rule["id"]] == sum(self.model.used(rule, scope, now) for scope in scopes)


def whose(call):
    return call["tenant"], call["agent"], counted(call["tool"])


def context_of(call):
    return CallContext(
        tenant=call["tenant"],
        project=call["project"],
        args=call["args"],
        environment=call["environment"],
        attributes=call["context"],
    )


def play(case, store):
    """How many answers of each code there were."""
    played = Play(case, store)
    played.run()
    return played.seen


def play_many(first_and_count):
    first, count = first_and_count
    seen = {}
    for number in range(first, first + count):
        try:
            for code, times in play(case(number), MemoryStore()).items():
                seen[code] = seen.get(code, 0) + times
        except Exception as error:
            raise AssertionError(f"case {number}: {type(error).__name__}: {error}") from error
    return seen


CODES = {
    None, "denied_by_rule", "approval_required", "approval_invalid", "budget_exceeded", "cost_unknown", "rate_limited",
    "outside_window", "no_rule_allows",
}  # fmt: skip


def test_the_engine_answers_as_the_model_does():
    assert set(play_many((SEED, 2000))) == CODES


def test_the_engine_on_sqlite_answers_as_the_model_does():
    for number in range(SEED, SEED + 150):
        with tempfile.TemporaryDirectory() as scratch:
            store = SqliteStore(Path(scratch) / "s", "normal")
            try:
                play(case(number), store)
            except Exception as error:
                raise AssertionError(f"case {number}") from error
            finally:
                store.database.close()


@pytest.mark.parametrize("count", [25, pytest.param(400, marks=pytest.mark.slow)])
def test_the_engine_on_postgres_answers_as_the_model_does(postgres, count):
    url = postgres.new_database()
    for number in range(SEED, SEED + count):
        with psycopg.connect(url) as connection:
            connection.execute("DROP SCHEMA IF EXISTS codespar_policy CASCADE")
        with closing(PostgresStore(url, server_clock=False)) as store:
            try:
                play(case(number), store)
            except Exception as error:
                raise AssertionError(f"case {number}") from error


@pytest.mark.slow
def test_the_engine_answers_as_the_model_does_a_hundred_thousand_times():
    """Again with these very cases: CODESPAR_POLICY_SEED=<the first case's number>."""
    print(f"cases {SEED} to {SEED + MANY - 1}")
    share = MANY // 100
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        parts = pool.imap_unordered(play_many, [(SEED + share * part, share) for part in range(100)])
        assert {code for seen in parts for code in seen} == CODES
