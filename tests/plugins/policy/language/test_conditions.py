from decimal import Decimal

import pytest
from policy_world import EVERYTHING, World

from codespar_cli.core.hooks import CallContext
from codespar_cli.plugins.policy.language.conditions import compile_when
from codespar_cli.plugins.policy.language.document import parse


def holds(when: str, cost=None, **context) -> bool:
    amount = None if cost is None else Decimal(str(cost))
    return compile_when(parse(when.encode()), "rule").holds(amount, CallContext(**context))


@pytest.mark.parametrize(
    ("when", "args", "expected"),
    [
        ("{args.force: true}", {"force": True}, True),
        ("{args.force: true}", {"force": 1}, False),
        ("{args.force: true}", {"force": "true"}, False),
        ("{args.n: 1}", {"n": True}, False),
        ("{args.n: 1}", {"n": 1}, True),
        ("{args.n: 1}", {"n": 1.0}, True),
        ("{args.n: 1}", {"n": "1"}, False),
        ('{args.n: "1"}', {"n": 1}, False),
        ("{args.n: 0.1}", {"n": 0.1}, True),
        ("{args.n: {gt: 0.1}}", {"n": 0.1}, False),
        ("{args.n: {gte: 0.1, lt: 0.3}}", {"n": 0.1}, True),
        ("{args.n: {lt: 0.3}}", {"n": 0.1 + 0.2}, False),
        ("{args.n: {gt: 5}}", {"n": 10**400}, True),
        ("{args.n: {gt: 5}}", {"n": float("nan")}, False),
        ("{args.n: {gt: 5}}", {"n": float("inf")}, False),
        ("{args.n: {gt: 5}}", {"n": "6"}, False),
        ("{args.n: {gt: 5}}", {"n": True}, False),
        ("{args.s: {gt: b}}", {"s": "c"}, True),
        ("{args.s: {gt: b}}", {"s": 7}, False),
        ("{args.s: [a, b]}", {"s": "b"}, True),
        ("{args.s: [a, b]}", {"s": "c"}, False),
        ("{args.s: {not: a}}", {"s": "b"}, True),
        ("{args.s: {not: [a, b]}}", {"s": "b"}, False),
        ("{args.s: {not: a}}", {}, False),
        ("{args.s: {not: a}}", {"s": None}, False),
        ("{args.s: {glob: 'pay/*'}}", {"s": "pay/x"}, True),
        ("{args.s: {glob: 'pay/*'}}", {"s": "pay/x/y"}, False),
        ("{args.s: {glob: ['a*', 'b*']}}", {"s": "bc"}, True),
        ("{args.s: {glob: 'a*'}}", {"s": 5}, False),
        ("{args.a.b: 1}", {"a": {"b": 1}}, True),
        ("{args.a.b: 1}", {"a": 1}, False),
        ("{args.a: 1}", {"a": [1]}, False),
        ("{args.a: 1, args.b: 2}", {"a": 1}, False),
        ("{args.a: 1}", None, False),
    ],
)
def test_values_compare_exactly_and_by_kind(when, args, expected):
    assert holds(when, args=args) is expected


def test_cost_context_and_environment():
    assert holds('{cost: {gt: "0.1"}}', cost="0.11")
    assert not holds('{cost: {gt: "0.1"}}', cost="0.1")
    assert not holds("{cost: {not: 5}}")
    assert holds("{cost: [1, '2.50']}", cost="2.5")
    assert holds("{context.autonomy: {lt: 4}}", attributes={"autonomy": 3})
    assert holds("{environment: production}", environment="production")
    assert not holds("{environment: {not: production}}")


def test_a_hostile_mapping_makes_a_deny_and_no_exception():
    class Bomb(dict):
        def get(self, *_):
            raise RuntimeError("boom")

    world = World({"id": "d", "effect": "deny", "when": {"args.x": 1}}, EVERYTHING)
    decision = world.ask(args=Bomb())
    assert (decision.allowed, decision.code) == (False, "policy_error")
    assert "boom" not in decision.reason
    assert world.store.contents.records[-1].body["code"] == "policy_error"


def test_the_trace_names_what_an_allow_rule_did_not_find():
    work = {"id": "work", "effect": "allow", "tools": ["t"], "when": {"context.team": "x", "environment": "dev"}}
    world = World(work, {"id": "other", "effect": "allow", "tools": ["u"]})

    def detail(**context):
        return world.engine.evaluate("a", "t", None, context=CallContext(**context)).trace[-1].detail

    assert detail(environment="dev") == "no rule allows it; work needs context.team"
    assert detail() == "no rule allows it; work needs context.team, environment"
    assert world.engine.evaluate("a", "v", None).trace[-1].detail == "no rule allows it"
