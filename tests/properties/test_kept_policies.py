"""decision(kept) == decision(fresh): whole histories on policies that were kept and taken out again, against the model too."""

import json
import marshal
import os
import random
from random import Random

import pytest
from policy_generators import AGENTS, PATTERNS, TOOLS, call, case
from test_policy_against_model import Play, context_of

from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.language.kept_policy import plain_of, policy_of
from codespar_cli.plugins.policy.language.policy_reader import compile_with_nodes
from codespar_cli.plugins.policy.stores.memory_store import MemoryStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

SEED = int(os.environ.get("CODESPAR_POLICY_SEED", "0")) or random.SystemRandom().randrange(1, 10**12)
CASES = 400


def kept(document):
    """Fresh, and as another process finds it."""
    fresh, root = compile_with_nodes(json.dumps(document).encode(), "p.yaml")
    return fresh, policy_of(marshal.loads(marshal.dumps(plain_of(fresh, root))))


class KeptPlay(Play):
    def __init__(self, case, store):
        super().__init__(case, store)
        self.engine = PolicyEngine(kept(case.policy)[1], StoreAddress.of(store), clock=lambda: self.now)


def test_a_kept_policy_answers_as_the_model_does():
    answers = {}
    for number in range(CASES):
        play = KeptPlay(case(SEED + number), MemoryStore())
        try:
            play.run()
        except Exception as error:
            error.add_note(f"case({SEED + number})")
            raise
        for code, count in play.seen.items():
            answers[code] = answers.get(code, 0) + count
    assert len(answers) > 5, answers  # or it has shown little


def told(decision):
    return (
        decision.allowed, decision.reason, decision.requires_approval, decision.code, decision.rule_id, decision.stage,
        decision.retry_after, decision.never, decision.policy_hash, decision.trace,
    )  # fmt: skip


def test_a_kept_policy_says_word_for_word_what_the_fresh_one_says():
    for number in range(CASES):
        drawn, draw = case(SEED + number), Random(SEED + number)
        engines = [
            PolicyEngine(policy, StoreAddress.of(MemoryStore()), clock=lambda drawn=drawn: drawn.start)
            for policy in kept(drawn.policy)
        ]
        for _ in range(6):
            asked = call(draw)
            one, other = [
                engine.evaluate(
                    asked["agent"], asked["tool"], asked["cost"], context=context_of({**asked, "number": 1})
                )
                for engine in engines
            ]
            assert told(one) == told(other), f"case({SEED + number})"


@pytest.mark.parametrize("seed", range(20))
def test_a_kept_index_finds_the_same_rules(seed):
    draw = Random(seed)
    rules = [
        {
            "id": f"r{number}",
            "effect": draw.choice(["allow", "deny"]),
            "tools": draw.sample(PATTERNS, draw.randint(1, 3)),
            **({"agents": draw.sample(["bot", "team/*", "**/two", "b*"], 2)} if draw.random() < 0.5 else {}),
        }
        for number in range(40)
    ]
    fresh, again = kept({"version": 1, "rules": rules, "costs": {"a/**": "2", "a/x": 0.5}})
    for tool in TOOLS:
        for agent in AGENTS:
            one, other = fresh.plan(agent, tool), again.plan(agent, tool)
            assert [rule.id for rule in one.denies + one.allows] == [rule.id for rule in other.denies + other.allows]
            assert (one.price, one.names, one.counted) == (other.price, other.names, other.counted)
    assert [(rule.id, rule.line) for rule in again.rules] == [(rule.id, rule.line) for rule in fresh.rules]
    assert len(again.rules) == 40
