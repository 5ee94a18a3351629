"""What an adversary can put into a call: it is decided within a millisecond, it raises nothing, and it opens nothing.

Times are of this thread's own work, the least of several runs, so that a busy machine does not fail them.
"""

import time
from collections.abc import Mapping
from decimal import Decimal

import pytest
from policy_world import EVERYTHING, World, budget

from codespar_cli.core.hooks import CallContext
from codespar_cli.plugins.policy.language.conditions import LARGEST_TEXT

TEN_KB = 10_240
GLOBS = [
    "*a*a*a*a*a*b",
    "**/a/**/a/**",
    "**/*a*b/**/*c",
    "**/*b*/**",
    "**/a/a/a/b/**",
    "*",
    "*/*",
    "**",
]
TEXTS = {
    "letters": "a" * TEN_KB,
    "slashes": "/" * TEN_KB,
    "segments": "a/" * (TEN_KB // 2),
    "near": "a/a/a/" * (TEN_KB // 6),
    "pairs": "ab/" * (TEN_KB // 3),
    "unicode": "é𝒂\u0301" * (TEN_KB // 3),
    "zero": "\x00" * TEN_KB,
    "surrogates": "\ud800" * TEN_KB,
}


def fastest(ask, times=7):
    taken = []
    for _ in range(times):
        started = time.thread_time()
        ask()
        taken.append(time.thread_time() - started)
    return min(taken)


def world_of_globs(pattern):
    return World({"id": "g", "effect": "deny", "when": {"args.x": {"glob": pattern}}}, EVERYTHING)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("pattern", GLOBS)
def test_ten_kilobytes_against_a_glob(pattern, text):
    engine = world_of_globs(pattern).engine
    context = CallContext(args={"x": text})
    assert fastest(lambda: engine.decide("a", "t", context=context)) < 0.001
    assert fastest(lambda: engine.preview("a", "t", context=context)) < 0.001
    assert engine.decide("a", "t", context=context).code in (None, "denied_by_rule")


NAMES = [
    "a" * TEN_KB,
    "a/" * (TEN_KB // 2),
    "mcp_" + "a_" * (TEN_KB // 2),
    "é" * TEN_KB,
    "\x00" * TEN_KB,
    "a" * 128,
    "a/" * 64,
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("place", ["tool", "agent", "project", "tenant", "session", "environment", "approval_id"])
def test_names_of_ten_kilobytes(place, name):
    engine = World(
        {"id": "g", "effect": "deny", "tools": ["*a*a*a*b", "**/a/**/b/**"], "agents": ["*a*a*a*b", "**/a/**/b/**"]},
        EVERYTHING,
    ).engine

    def ask(method):
        agent, tool = (name if place == "agent" else "a"), (name if place == "tool" else "t")
        context = CallContext() if place in ("agent", "tool") else CallContext(**{place: name})
        return getattr(engine, method)(agent, tool, context=context)

    assert fastest(lambda: ask("decide")) < 0.001
    assert fastest(lambda: ask("preview")) < 0.001
    if len(name) > 256:
        assert ask("decide").code == "invalid_request"


def nested(depth):
    value: dict = {}
    for _ in range(depth):
        value = {"x": value}
    return value


ARGS = {
    "ten thousand keys": {f"k{n}": n for n in range(10_000)},
    "deep": nested(100_000),
    "a long list": {"x": ["a"] * 10_000},
    "a huge whole number": {"x": 1 << 4_000_000, "n": -(1 << 4_000_000)},
    "a huge decimal": {"x": Decimal("1e999999999"), "n": Decimal("-1e-999999999")},
    "many digits": {"x": Decimal("1." + "1" * TEN_KB), "n": 1e308},
    "no number": {"x": float("nan"), "n": Decimal("sNaN")},
    "a megabyte": {"x": 1, "s": "m" * (1 << 20)},
    "bytes": {"x": b"\xff" * TEN_KB, "s": bytearray(TEN_KB)},
}


@pytest.mark.parametrize("args", ARGS.values(), ids=ARGS.keys())
def test_arguments_of_every_size(args):
    engine = World(
        {"id": "a", "effect": "deny", "when": {"args.x": {"gt": 10, "not": [11, "y"]}}},
        {"id": "b", "effect": "deny", "when": {"args.n": {"lt": "0.5", "gte": "0"}}},
        {"id": "c", "effect": "deny", "when": {"args.s": ["x", "y"], "args.x.x.x": "deep"}},
        {"id": "d", "effect": "deny", "when": {"args.s": {"gt": "a", "lt": "b"}}},
        EVERYTHING,
    ).engine
    context = CallContext(args=args)
    assert fastest(lambda: engine.decide("a", "t", context=context)) < 0.001
    assert engine.decide("a", "t", context=context).code in (None, "denied_by_rule")


def test_huge_numbers_compare_as_what_they_are():
    def denied(when, value):
        engine = World({"id": "d", "effect": "deny", "when": {"args.n": when}}, EVERYTHING).engine
        return not engine.decide("a", "t", context=CallContext(args={"n": value})).allowed

    huge = 1 << 4_000_000
    assert denied({"gt": 5}, huge)
    assert not denied({"gt": 5}, -huge)
    assert denied({"lt": 5}, -huge)
    assert denied({"gt": 5}, Decimal("1e999999999"))
    assert not denied(10**29, huge)
    assert denied({"not": 5}, huge)


# ── texts that are too long for a glob ──


def test_a_deny_is_not_escaped_by_padding():
    world = world_of_globs("rm *")
    for size in (LARGEST_TEXT, LARGEST_TEXT + 1, 1 << 20, 1 << 24):
        args = {"x": "rm " + "x" * (size - 3)}
        for decision in (world.ask(args=args), world.look(args=args)):
            assert not decision.allowed
            assert decision.code == ("denied_by_rule" if size <= LARGEST_TEXT else "invalid_request")
        pure = world.engine.decide("a", "t", context=CallContext(args=args))
        assert (pure.code, pure.allowed) == (decision.code, False)
    assert "args.x is longer than 32768 characters" in pure.reason
    assert [record.body["code"] for record in world.store.contents.records[1:]] == ["invalid_request"] * 3


def test_a_text_too_long_costs_no_more_than_one_that_is_not():
    engine = world_of_globs("**/*b*/**").engine
    for text in ("/" * (1 << 20), "a" * (1 << 24)):
        context = CallContext(args={"x": text})
        assert fastest(lambda context=context: engine.decide("a", "t", context=context)) < 0.001


@pytest.mark.parametrize("order", [1, -1])
def test_a_rule_that_is_not_about_the_call_need_not_judge_the_text(order):
    when = dict([("args.x", {"glob": "a*"}), ("args.force", True)][::order])
    world = World({"id": "d", "effect": "deny", "when": when}, EVERYTHING)
    long = "y" * (LARGEST_TEXT + 1)
    assert world.ask(args={"x": long, "force": False}).allowed
    assert world.ask(args={"x": long}).allowed
    assert world.ask(args={"x": long, "force": True}).code == "invalid_request"
    operators = dict([("glob", "a*"), ("lt", "b")][::order])
    world.use({"id": "d", "effect": "deny", "when": {"args.x": operators}}, EVERYTHING)
    assert world.ask(args={"x": long}).allowed
    assert world.ask(args={"x": "a" * (LARGEST_TEXT + 1)}).code == "invalid_request"


def test_a_text_too_long_is_no_request_to_an_allow_either():
    world = World({"id": "m", "effect": "allow", "when": {"args.x": {"glob": "a*"}}}, EVERYTHING)
    assert world.ask(args={"x": "a" * (LARGEST_TEXT + 1)}).code == "invalid_request"


def test_observe_mode_allows_what_cannot_be_judged_and_what_breaks():
    world = World({"id": "d", "effect": "deny", "when": {"args.x": {"glob": "a*"}}}, EVERYTHING, observe=True)
    decision = world.ask(args={"x": "a" * (LARGEST_TEXT + 1)})
    assert (decision.allowed, decision.code) == (True, "invalid_request")
    decision = world.ask(args=Raising())
    assert (decision.allowed, decision.code) == (True, "policy_error")
    assert [record.body["allowed"] for record in world.store.contents.records] == [True, True]


# ── values that lie ──


class LyingText(str):
    __slots__ = ()

    def __eq__(self, other):
        return False

    def __ne__(self, other):
        return True

    def __lt__(self, other):
        return False

    __gt__ = __le__ = __ge__ = __lt__

    def __hash__(self):
        return 7

    def __len__(self):
        return 0

    def __str__(self):
        return "harmless"

    def startswith(self, *_):
        return False

    def split(self, *_):
        return ["harmless"]


class LyingWhole(int):
    def __int__(self):
        return 0

    def __index__(self):
        return 0

    def __eq__(self, other):
        return False

    def __gt__(self, other):
        return False

    __lt__ = __ge__ = __le__ = __gt__

    def __hash__(self):
        return 7


class LyingFloat(float):
    def __repr__(self):
        return "np.float64(0)"

    def __float__(self):
        return 0.0


class LyingDecimal(Decimal):
    def is_finite(self):
        return False

    def __gt__(self, other):
        return False

    __lt__ = __ge__ = __le__ = __gt__


@pytest.mark.parametrize(
    ("when", "value"),
    [
        ("rm", LyingText("rm")),
        (["x", "rm"], LyingText("rm")),
        ({"glob": "r*"}, LyingText("rm")),
        ({"glob": "**/rm"}, LyingText("a/rm")),
        ({"gt": "a"}, LyingText("rm")),
        (5, LyingWhole(5)),
        ({"gt": 4}, LyingWhole(5)),
        ({"gt": 4}, LyingFloat(5.5)),
        (5.5, LyingFloat(5.5)),
        ({"gt": 4}, LyingDecimal("5")),
        (5, LyingDecimal("5")),
    ],
    ids=range(11),
)
def test_a_value_of_a_derived_class_is_what_it_holds(when, value):
    world = World({"id": "d", "effect": "deny", "when": {"args.x": when}}, EVERYTHING)
    assert world.ask(args={"x": value}).code == "denied_by_rule"
    assert world.engine.decide("a", "t", context=CallContext(args={"x": value})).code == "denied_by_rule"


@pytest.mark.parametrize("cost", [LyingWhole(11), LyingFloat(11.0), LyingDecimal("11"), LyingText("11")], ids=range(4))
def test_a_cost_of_a_derived_class_is_what_it_holds(cost):
    world = World(budget("10"), EVERYTHING)
    assert world.ask(cost=cost).code == "budget_exceeded"


COSTS = ["1e999999999", "1e-999999999", 1 << 4_000_000, Decimal("1e999999999"), "9" * TEN_KB]


@pytest.mark.parametrize("cost", COSTS, ids=range(len(COSTS)))
def test_a_huge_cost_is_no_request_and_a_tiny_one_is_held(cost):
    world = World(budget("10"), EVERYTHING)
    assert fastest(lambda: world.engine.decide("a", "t", cost)) < 0.001
    decision = world.ask(cost=cost)
    if cost == "1e-999999999":
        assert decision.allowed
        assert world.engine.budgets()[0].held == Decimal("0.000001")
    else:
        assert decision.code == "invalid_request"


def test_a_cost_of_many_digits_is_never_held_at_less():
    world = World(budget("10"), EVERYTHING)
    assert world.ask(cost=Decimal("1." + "0" * 80 + "1")).allowed
    assert world.engine.budgets()[0].held == Decimal("1.000001")


# ── objects that break ──


class Raising(Mapping):
    def __getitem__(self, key):
        raise RuntimeError("secret")

    __iter__ = __len__ = __contains__ = get = __getitem__


class Untellable:
    def __repr__(self):
        raise RuntimeError("secret")

    __str__ = __eq__ = __bool__ = __len__ = __repr__

    def __hash__(self):
        raise RuntimeError("secret")


class Pretender:
    __class__ = str


WEIRD = [
    Raising(),
    Untellable(),
    Pretender(),
    {"x": Raising()},
    {"x": Untellable()},
    {"x": Pretender()},
    [1],
    7,
    "x",
    object(),
]


@pytest.mark.parametrize("value", WEIRD, ids=range(len(WEIRD)))
@pytest.mark.parametrize("place", ["args", "attributes"])
def test_nothing_a_value_does_gets_out(place, value):
    rules = [
        {"id": "d", "effect": "deny", "when": {"args.x": {"glob": "a*"}, "args.y": 1}},
        {"id": "e", "effect": "deny", "when": {"context.x": ["a", 1], "context.y": {"gt": 1}}},
    ]
    world = World(*rules, budget("10", when={"args.x": 1}), EVERYTHING)
    context = CallContext(**{place: value})
    for method in ("evaluate", "decide", "preview"):
        decision = getattr(world.engine, method)("a", "t", 1, context=context)
        assert decision.allowed or decision.code == "policy_error"
        assert "secret" not in decision.reason
    assert len(world.store.contents.records) == 1


NO_NAMES = [Raising(), Untellable(), Pretender(), LyingText("a"), LyingText("t\n")]


@pytest.mark.parametrize("value", NO_NAMES, ids=range(len(NO_NAMES)))
@pytest.mark.parametrize(
    "place", ["agent", "tool", "cost", "context", "tenant", "project", "environment", "approval_id"]
)
def test_names_are_plain_text_or_no_request(place, value):
    world = World(EVERYTHING)
    asked = {"agent": "a", "tool": "t", "cost": None, "context": None}
    if place in asked:
        asked[place] = value
    else:
        asked["context"] = CallContext(**{place: value})
    for method in ("evaluate", "decide", "preview"):
        ask = getattr(world.engine, method)
        decision = ask(asked["agent"], asked["tool"], asked["cost"], context=asked["context"])
        assert (decision.allowed, decision.code) == (False, "invalid_request")


def test_many_agents_and_tools_neither_fill_the_memory_nor_make_one_call_pay():
    world = World(*({"id": f"r{n}", "effect": "deny", "tools": [f"**/x{n}/**"]} for n in range(300)), EVERYTHING)
    engine, taken = world.engine, []
    for n in range(6000):
        started = time.thread_time()
        engine.decide(f"a{n}", f"t{n % 7}")
        taken.append(time.thread_time() - started)
    assert len(engine._policy.plans) <= 4096
    assert sorted(taken)[len(taken) * 99 // 100] < 0.001
