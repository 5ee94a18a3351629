"""Whatever a project's file says, and however it changes: no deny above becomes an allow, and no budget above is fuller."""

import json
import os
import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_generators import call, case

from codespar_cli.core.hooks import CallContext, ToolCall
from codespar_cli.core.layered_policy import Layer, LayeredPolicy
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.stores.memory_store import MemoryStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress
from codespar_cli.startup import build_gate, build_registry, read_config

seeds = st.integers(0, 10**12)


class Mirrored:
    """An upper policy, and its twin that hears only what this one is really asked: alone, with nobody below."""

    bounded = reserves = True

    def __init__(self, engine, twin):
        self.engine, self.twin, self.holds = engine, twin, {}

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def evaluate(self, *asked, context):
        decision, alone = self.engine.evaluate(*asked, context=context), self.twin.evaluate(*asked, context=context)
        assert (decision.allowed, decision.code, decision.rule_id) == (alone.allowed, alone.code, alone.rule_id)
        if decision.reservation_id:
            self.holds[decision.reservation_id] = alone.reservation_id
        return decision


class Play:
    def __init__(self, above, below, start):
        self.now = start
        self.upper = Mirrored(self.engine(above, MemoryStore()), self.engine(above, MemoryStore()))
        self.projects_store = MemoryStore()
        self.holds = []
        self.put(below)

    def engine(self, policy, store, **more):
        text = json.dumps(policy).encode()
        return PolicyEngine(compile_policy(text, "p.yaml"), StoreAddress.of(store), clock=lambda: self.now, **more)

    def put(self, below, **more):
        """A project's file, or another one in its place."""
        layers = [Layer("user", self.upper)]
        if below is not None:
            layers.append(Layer("project", self.engine(below, self.projects_store, **more)))
        self.policy = LayeredPolicy(layers)

    def run(self, history):
        for wait, (kind, *details) in history:
            self.now += wait
            if kind == "call":
                for _ in range(details[1]):
                    self.ask(details[0])
            elif kind in ("settle", "again", "release") and self.holds:
                self.close(kind, *self.holds[details[0] % len(self.holds)], details[1])
            elif kind == "vote":
                self.vote(*details)
            self.compare()

    def ask(self, asked):
        context = context_of(asked)
        before = self.left()
        alone = self.upper.twin.preview(asked["agent"], asked["tool"], asked["cost"], context=context)
        looked = self.policy.preview(asked["agent"], asked["tool"], asked["cost"], context=context)
        assert self.left() == before
        decision = self.policy.evaluate(asked["agent"], asked["tool"], asked["cost"], context=context)
        assert looked.allowed == decision.allowed
        assert alone.allowed or not decision.allowed
        if decision.reservation_id:
            self.holds.append((decision.reservation_id, asked))

    def close(self, kind, hold, asked, cost):
        ours = dict(part.split(":") for part in hold.split("+")).get("user")
        theirs = None if ours is None else self.upper.holds[ours]
        if kind == "release":
            self.policy.release(hold)
            if theirs is not None:
                self.upper.twin.release(theirs)
            return
        self.policy.record_usage(asked["agent"], asked["tool"], cost, reservation_id=hold)
        if theirs is not None:
            self.upper.twin.record_usage(asked["agent"], asked["tool"], cost, reservation_id=theirs)

    def vote(self, place, name, approves):
        states = self.policy.approvals()
        if not states:
            return
        chosen = states[place % len(states)]
        results = []
        twins = [
            one.token
            for one in self.upper.twin.approvals()
            if (one.digest, one.created_at) == (chosen.digest, chosen.created_at)
        ]
        is_upper = chosen.token in {one.token for one in self.upper.engine.approvals()}
        for policy, token in [(self.policy, chosen.token), *([(self.upper.twin, twins[0])] if is_upper else [])]:
            try:
                results.append(policy.vote(token, name, approves=approves).status)
            except CodesparError as error:
                results.append(error.code)
        assert len(set(results)) == 1

    def left(self):
        return [(one.rule_id, one.scope, one.left, one.spent, one.held) for one in self.upper.engine.budgets()]

    def compare(self):
        assert self.upper.engine.budgets() == self.upper.twin.budgets()


def context_of(asked):
    return CallContext(
        tenant=asked["tenant"], project=asked["project"], args=asked["args"], environment=asked["environment"],
        attributes=asked["context"],
    )  # fmt: skip


@given(seeds, seeds, seeds, st.booleans())
@settings(max_examples=120, deadline=None)
def test_a_project_only_tightens_and_changing_it_only_tightens(above, below, other, observes):
    upper = case(above)
    play = Play(upper.policy, case(below).policy, upper.start)
    half = len(upper.history) // 2
    play.run(upper.history[:half])
    play.put(case(other).policy, observe=observes)
    play.run(upper.history[half:])
    play.put(None)
    play.run(upper.history[:3])


@given(seeds, seeds)
@settings(max_examples=60, deadline=None)
def test_what_the_layers_deny_together_is_what_one_of_them_denies(above, below):
    upper = case(above)
    play = Play(upper.policy, case(below).policy, upper.start)
    project = play.policy.layers[1].policy
    for asked in (call(Random(above + number)) for number in range(6)):
        alone = [
            engine.preview(asked["agent"], asked["tool"], asked["cost"], context=context_of(asked)).allowed
            for engine in (play.upper.twin, project)
        ]
        decision = play.policy.evaluate(asked["agent"], asked["tool"], asked["cost"], context=context_of(asked))
        assert decision.allowed is all(alone)


# ── through the files ──

SAID = {
    "tenant": ['tenant = "fresh"\n'],
    "state": ['state_dir = "./elsewhere"\n'],
    "agents": ['[agents."**"]\nlevel = 9\nteam = "payments"\nenvironment = "dev"\n'],
    "metrics": ['[observability]\nbackend = "none"\n', '[observability]\nbackend = "observer"\nstore = "sqlite"\n'],
    "secrets": ['[secrets]\nbackend = "none"\n'],
    "policy": [
        '[policy]\nbackend = "none"\n',
        '[policy]\nbackend = "engine"\nmode = "observe"\n',
        '[policy]\nbackend = "engine"\ndurability = "normal"\n',
        '[policy]\nbackend = "engine"\n[policy.tenants.default]\nrules = "policy.yaml"\n',
    ],
}  # fmt: skip


@pytest.mark.slow
@given(seeds, seeds)
@settings(max_examples=60, deadline=None)
def test_no_file_that_a_project_can_write_lets_through_what_the_users_denies(above, below):
    draw = Random(below)
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        alone, both = home / "alone", home / "both"
        here = os.getcwd()
        answers = []
        for root in (alone, both):
            config, project = root / ".config/codespar", root / "project"
            config.mkdir(parents=True)
            project.mkdir()
            write(config, '[policy]\nbackend = "engine"\n', case(above).policy)
            if root is both:
                top = [text for name, texts in SAID.items() if draw.random() < 0.5 for text in [draw.choice(texts)]]
                write(project, "".join(top), case(below).policy)
            try:
                os.chdir(project)
                config_now = read_config(environ={"HOME": str(root)}, administrators=root / "nobody")
                gate = build_gate(config_now, build_registry(config_now, environ={"HOME": str(root)}))
                answers.append([gate.check(asked).allowed for asked in asked_of(below)])
                budgets = gate.registry.policy.budgets()
            finally:
                os.chdir(here)
            answers.append({(one.rule_id, one.scope): one.left for one in reversed(budgets)})
        before, left_before, after, left_after = answers
        # Counters move by what was allowed: up to the first difference nothing may be looser.
        for was, now in zip(before, after, strict=True):
            assert was or not now
            if was is not now:
                return
        assert all(left_after[key] <= left for key, left in left_before.items())


def asked_of(seed):
    return [
        ToolCall(one["agent"], one["tool"], one["cost"], context_of({**one, "tenant": "default"}))
        for one in (call(Random(seed + number)) for number in range(5))
    ]


def write(directory, text, policy):
    (directory / "plugins.toml").write_text("version = 1\n" + text)
    (directory / "policy.yaml").write_text(json.dumps({"version": 1, **policy}))
