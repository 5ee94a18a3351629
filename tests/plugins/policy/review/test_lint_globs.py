"""Globs within globs, against the matcher itself, and what lint makes of them."""

import itertools
import random

import pytest
from policy_world import EVERYTHING, World, budget
from test_lint import allow, deny, found, message

from codespar_cli.core.globs import compile_glob
from codespar_cli.plugins.policy.review.globs_within import is_within


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("github/*", "github/get_*"),
        ("a/*", "a/get_*"),
        ("a/*_x", "a/get_*_x"),
        ("a/*b*", "a/*abc"),
        ("a/**", "a/*/c"),
        ("a/**/c", "a/b/**/c"),
        ("a/**/c", "a/c"),
        ("**/*x*", "a/b/*xx"),
        ("**", "**/a"),
        ("*/*", "a*/b"),
    ],
)
def test_a_deny_of_a_wider_glob_makes_an_allow_unreachable(wide, narrow):
    assert is_within(narrow, wide)
    if not wide.startswith("*"):  # those are about no other spelling of a tool
        assert found(allow(narrow), deny(wide)) == [("yes", "unreachable_allow")]


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("a/get_*", "a/*"),
        ("a/*", "a/**"),
        ("a/*", "a/*/b"),
        ("a/*b", "a/b*"),
        ("a/*b*c", "a/c*b"),
        ("a/**/b", "a/b*"),
        ("**/a", "*a"),
        ("a/**", "a*"),
        ("a/*/**", "a/**"),
    ],
)
def test_what_reaches_beyond_is_not_within(wide, narrow):
    assert not is_within(narrow, wide)
    assert found(allow(narrow), deny(wide)) == []


def test_the_answer_is_that_of_the_matcher_for_every_short_name():
    chance = random.Random(4)
    names = ["".join(name) for length in range(8) for name in itertools.product("ax/", repeat=length)]
    segments = ("a", "*", "**", "a*", "*a", "*a*", "")
    globs = ["/".join(chance.choices(segments, k=chance.randint(1, 3))) for _ in range(60)]
    matched = {glob: {name for name in names if compile_glob(glob)(name)} for glob in globs}
    answers = {True: 0, False: 0}
    for narrow, wide in itertools.product(globs, repeat=2):
        within = is_within(narrow, wide)
        answers[within] += 1
        assert within == (matched[narrow] <= matched[wide]), (narrow, wide)
    assert min(answers.values()) > 400


def test_hostile_globs_end_soon():
    stars = "*a" * 120
    assert not is_within(f"x{stars}*", f"x{stars}b")
    # What cannot be found out in time is not claimed.
    assert not is_within(f"x{stars}b", f"x*{stars}*b")
    assert found(allow(f"x{stars}b"), deny(f"x{stars}b")) == [("yes", "unreachable_allow")]


@pytest.mark.parametrize(
    ("tools", "costs", "limit", "certain"),
    [
        (["openai/chat"], {"openai/**": "5.00"}, "4.00", True),
        (["openai/chat"], {"openai/**": "5.00", "**": "0"}, "4.00", True),
        (["openai/chat*"], {"openai/*": "5.00", "**": "0"}, "4.00", True),
        (["openai/chat"], {"openai/**": "5.00"}, "5.00", False),
        (["openai/chat"], {"openai/**": "5.00", "openai/chat": "1"}, "4.00", False),
        (["openai/*"], {"openai/**": "5.00", "openai/chat": "1"}, "4.00", False),
        (["openai/chat", "x/y"], {"openai/**": "5.00", "x/*": "1"}, "4.00", False),
        (["p/x", "q/r"], {"p/x": "9", "q/**": "1"}, "4.00", False),
        # `mcp_a_b_c` is one of its calls, and its price is that of `a/b_c`.
        (["a_b/c"], {"a_b/**": "5.00", "a/**": "1"}, "4.00", False),
        (["mcp__a__b"], {"mcp__**": "5.00", "a/**": "1"}, "4.00", False),
        (["other/x"], {"openai/**": "5.00"}, "4.00", False),
    ],
)
def test_a_limit_under_the_price_of_a_wider_pattern(tools, costs, limit, certain):
    costs = {pattern.replace("mcp__**", "mcp__*"): price for pattern, price in costs.items()}
    expected = [("money", "limit_below_cost")] if certain else []
    assert found(budget(limit, tools=tools), EVERYTHING, costs=costs) == expected


def test_a_limit_below_cost_really_denies_every_call():
    world = World(budget("4.00", tools=["openai/chat"]), EVERYTHING, costs={"openai/**": "5.00", "**": "0"})
    assert world.engine.evaluate("a", "mcp__openai__chat", None).code == "budget_exceeded"


def test_a_glob_on_an_argument_that_stops_at_a_slash():
    rule = deny("shell", when={"args.command": {"glob": "*git push*"}})
    assert found(rule, EVERYTHING) == [("no", "glob_stops_at_slash")]
    assert message(rule, EVERYTHING) == (
        "args.command: in `*git push*` the `*` stops at a `/`; write `**/*git push*` beside it"
    )
    world = World(rule, EVERYTHING)
    assert world.engine.evaluate("a", "shell", None, context=_call("git push https://h/x")).allowed


@pytest.mark.parametrize(
    ("globs", "missing"),
    [
        (["*.pem"], "**/*.pem"),
        (["/etc/*"], "/etc/*/**"),
        (["**/*x*"], "**/*x*/**"),
        (["*x*", "**/*x*"], "**/*x*/**"),
    ],
)
def test_what_is_missing_is_told(globs, missing):
    told = [finding.message for finding in _engine({"glob": globs}).lint()]
    assert told
    assert all(f"write `{missing}`" in each or "write `*x*/**`" in each for each in told)


@pytest.mark.parametrize(
    "globs",
    [["**/*x*", "**/*x*/**"], ["*x*", "**/*x*", "**/*x*/**"], ["**/.env"], ["**"], ["/a/**"], ["a*b"], ["re2:.*x"]],
)
def test_globs_that_reach_over_slashes_are_fine(globs):
    assert _engine({"glob": globs}).lint() == []


def test_only_rules_that_restrict_and_arguments_are_looked_at():
    glob = {"glob": "*x*"}
    assert found(allow("a", when={"args.command": glob})) == []
    assert found(deny("a", when={"context.team": glob}), EVERYTHING) == []
    assert found({"id": "ask", "effect": "approve", "when": {"args.q": glob}}, EVERYTHING) == [
        ("ask", "glob_stops_at_slash")
    ]


def _engine(condition):
    return World(deny("shell", when={"args.command": condition}), EVERYTHING).engine


def _call(command):
    from codespar_cli.core.hooks import CallContext

    return CallContext(args={"command": command})
