"""Simulation against what it stands for: an unchanged policy gives what was recorded, a changed one what an engine with it says."""

import json
import os
from datetime import timedelta

import pytest
from policy_generators import case

from codespar_cli.core.clock import to_micros
from codespar_cli.core.hooks import CallContext
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.replay.simulation import simulate
from codespar_cli.plugins.policy.stores.memory_store import MemoryStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

SEED = int(os.environ.get("CODESPAR_POLICY_SEED", "1"))
CASES = range(SEED, SEED + 500)
OTHER = 1_000_003  # the number of the case whose policy is the other one


def compiled(policy):
    return compile_policy(json.dumps(policy).encode(), "p.yaml")


class Side:
    """One engine, and what it answered."""

    def __init__(self, clock, policy, *, observe=False, record_args=True):
        self.store, self.clock = MemoryStore(), clock
        self.more = {"observe": observe, "record_args": record_args}
        self.holds, self.tokens, self.verdicts = {}, {}, []
        self.use(policy)

    def use(self, policy):
        self.engine = PolicyEngine(compiled(policy), StoreAddress.of(self.store), clock=self.clock, **self.more)

    def ask(self, number, call):
        decision = self.engine.evaluate(call["agent"], call["tool"], call["cost"], context=context_of(call))
        assert decision.code != "policy_error", decision.reason
        if decision.reservation_id is not None:
            self.holds[number] = decision.reservation_id
        if decision.approval_id is not None:
            self.tokens[repr(call)] = decision.approval_id
        if call["tenant"] == "default":
            self.verdicts.append((self.store.contents.records[-1].body["verdict"], decision.code))
        return decision

    def close(self, number, cost):
        if number not in self.holds:
            return
        if cost is None:
            self.engine.release(self.holds[number])
        else:
            self.engine.record_usage("bot", "a/x", cost, reservation_id=self.holds[number])

    def vote(self, call, name, approves):
        try:
            self.engine.vote(self.tokens[repr(call)], name, approves=approves)
        except CodesparError:
            return False
        return True


def context_of(call):
    names = {"tenant": call["tenant"], "project": call["project"], "environment": call["environment"]}
    return CallContext(**names, args=call["args"], attributes=call["context"])


class Play:
    """The recorded side, and beside it another engine that is told only what the record tells."""

    def __init__(self, start, old, new, **more):
        self.now = start
        self.old = Side(lambda: self.now, old, **more)
        self.new = Side(lambda: self.now, new, **more)
        self.number, self.open, self.asked = 0, [], []

    def steps(self, history, *, unreserved=False):
        for wait, act in history:
            self.now += wait
            kind, first, *rest = act
            if kind == "call":
                for _ in range(rest[0]):
                    self.call(first)
            elif kind == "vote":
                self.vote(first, *rest)
            elif kind == "usage" and unreserved:
                self.old.engine.record_usage(first["agent"], first["tool"], "1", context=context_of(first))
            elif kind in ("settle", "release", "again") and self.open:
                number = self.open[first % len(self.open)]
                cost = None if kind == "release" else rest[0] or "2.25"
                self.old.close(number, cost)
                self.new.close(number, cost)

    def call(self, call):
        self.number += 1
        before, after = self.old.ask(self.number, call), self.new.ask(self.number, call)
        if before.reservation_id is not None:
            self.open.append(self.number)
        elif after.reservation_id is not None:
            # Nobody settled it: it counts at its estimate.
            self.new.engine.record_usage("bot", "a/x", None, reservation_id=after.reservation_id)
        if before.requires_approval:
            self.asked.append(call)

    def vote(self, pick, name, yes):
        if self.asked:
            call = self.asked[pick % len(self.asked)]
            if self.old.vote(call, name, yes) and repr(call) in self.new.tokens:
                self.new.vote(call, name, yes)

    @property
    def decisions(self):
        return len(self.old.verdicts)

    def simulated(self, policy, since=None):
        return simulate(self.old.store, "default", compiled(policy), since, None)


@pytest.mark.parametrize("record_args", [True, False])
@pytest.mark.parametrize("observe", [True, False])
def test_an_unchanged_policy_gives_what_was_recorded(record_args, observe):
    lost = 0
    for number in CASES:
        drawn = case(number, longest=30)
        play = Play(drawn.start, drawn.policy, drawn.policy, record_args=record_args, observe=observe)
        play.steps(drawn.history, unreserved=True)
        found = play.simulated(drawn.policy)
        # What was observed was let through: what this policy says of it is all there is to show.
        flips = [("allow", *said) for said in play.old.verdicts if observe and said[0] != "allow"]
        assert found.reproduced == found.replayed, number
        assert [(flip.before, flip.after, flip.code) for flip in found.flips] == flips, number
        assert found.replayed + found.as_judged + found.not_replayable.decisions == play.decisions, number
        assert found.observed == (play.decisions if observe else 0), number
        assert (found.as_judged if not observe else found.not_replayable.decisions) == 0, number
        lost += found.not_replayable.decisions + found.as_judged
    assert (lost > 0) is not record_args


def test_several_policies_in_one_record_are_each_replayed():
    for number in CASES:
        early, late = case(number), case(number + OTHER)
        play = Play(early.start, early.policy, early.policy)
        play.steps(early.history, unreserved=True)
        play.old.use(late.policy)
        play.steps(late.history, unreserved=True)
        found = play.simulated(late.policy)
        assert found.replayed == found.reproduced == play.decisions, number


@pytest.mark.parametrize("observe", [True, False])
def test_the_flips_are_those_of_two_engines_side_by_side(observe):
    kinds = set()
    for number in CASES:
        drawn, other = case(number, longest=30), case(number + OTHER).policy
        play = Play(drawn.start, drawn.policy, other, observe=observe)
        play.steps(drawn.history)
        found = play.simulated(other)
        assert found.replayed == found.reproduced == play.decisions, number
        pairs = zip(play.old.verdicts, play.new.verdicts, strict=True)
        answers = [("allow" if observe else was, *said) for (was, _), said in pairs]
        expected = [(was, now, code) for was, now, code in answers if was != now]
        assert [(flip.before, flip.after, flip.code) for flip in found.flips] == expected, number
        kinds |= {(was, now) for was, now, _ in expected}
    verdicts = ("allow", "deny", "approve")
    before = ("allow",) if observe else verdicts
    assert kinds == {(was, now) for was in before for now in verdicts if was != now}


def test_since_leaves_out_flips_and_nothing_else():
    for number in range(SEED, SEED + 100):
        drawn, other = case(number, longest=30), case(number + OTHER).policy
        play = Play(drawn.start, drawn.policy, other)
        play.steps(drawn.history)
        since = drawn.start + timedelta(hours=number % 40)
        whole, part = play.simulated(other), play.simulated(other, since)
        at = {record.body.get("decision"): record.at for record in play.old.store.contents.records}
        assert part.flips == tuple(flip for flip in whole.flips if at[flip.decision_id] >= to_micros(since)), number
        assert part.replayed == whole.replayed
