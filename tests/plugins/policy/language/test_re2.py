import random
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_world import EVERYTHING, NOON, World, budget

from codespar_cli.errors import ConfigError, MissingExtra
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.language.patterns import name_pattern, tool_pattern
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.review.lint import findings_in
from codespar_cli.plugins.policy.stores.memory_store import MemoryStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress


def engine(text):
    return PolicyEngine(compile_policy(text.encode(), "p.yaml"), StoreAddress.of(MemoryStore()), clock=lambda: NOON)


@pytest.mark.parametrize("text", ["re2:read", "re2:read$", "re2:^read$", "re2:(?m)^read$", "re2:r.*", "re2:(?i)READ"])
def test_a_pattern_matches_the_whole_name_or_nothing(text):
    matches = name_pattern(text).matches
    assert matches("read")
    for other in ("read\n", "\nread", " read", "read ", "xread", "read\nx", ""):
        assert not matches(other) or (text == "re2:r.*" and other == "read "), other


def test_alternatives_are_whole_names_too():
    matches = tool_pattern("re2:a|bc").matches
    assert [name for name in ("a", "bc", "ab", "ac", "abc", "b") if matches(name)] == ["a", "bc"]


def test_tools_agents_globs_and_costs_take_them():
    world = World(
        {"id": "tool", "effect": "deny", "tools": [r"re2:deploy/(eu|us)-\d+"]},
        {"id": "who", "effect": "deny", "agents": ["re2:tmp-[0-9a-f]{4}"]},
        {"id": "arg", "effect": "deny", "when": {"args.sql": {"glob": r"re2:(?is).*\b(drop|truncate)\b.*"}}},
        {"id": "attribute", "effect": "deny", "when": {"context.team": {"glob": "re2:x+"}}},
        budget("10"),
        EVERYTHING,
        costs={r"re2:paid/\d+": "9", "**": "1"},
    )
    assert world.ask("deploy/eu-12").rule_id == "tool"
    assert world.ask("deploy/eu-").allowed
    assert world.ask(agent="tmp-00ff").rule_id == "who"
    assert world.ask(agent="tmp-00ffx").allowed
    assert world.ask(args={"sql": "select 1;\nDROP table x"}).rule_id == "arg"
    assert world.ask(args={"sql": "select dropped"}).allowed
    assert world.ask(attributes={"team": "xxx"}).rule_id == "attribute"
    assert world.ask("paid/1").code == "budget_exceeded"


def test_a_mapped_name_of_a_tool_is_matched_too():
    world = World({"id": "no", "effect": "deny", "tools": ["re2:sh(ell)?"]}, EVERYTHING)
    assert world.ask("Bash").rule_id == "no"


@pytest.mark.parametrize(
    "pattern",
    ["(", "a{1001}", "(?=x)", r"\1", "[[:word:]", "((a{1,100}){1,100}){1,100}", r"(\pL{1,500}){1,2}", "", r"\q", "a**"],
)
@pytest.mark.parametrize("place", ["tools", "agents", "when", "costs"])
def test_an_invalid_pattern_is_refused_with_its_line_and_no_noise(pattern, place, capfd):
    quoted = "'re2:" + pattern + "'"
    rule = {
        "tools": f"rules:\n- id: x\n  effect: deny\n  tools: [{quoted}]\n",
        "agents": f"rules:\n- id: x\n  effect: deny\n  agents: [{quoted}]\n",
        "when": f"rules:\n- id: x\n  effect: deny\n  when: {{args.x: {{glob: {quoted}}}}}\n",
        "costs": f"rules: []\n\ncosts:\n  {quoted}: 1\n",
    }[place]
    with pytest.raises(ConfigError) as caught:
        engine(rule)
    assert (caught.value.file, caught.value.line) == ("p.yaml", 4)
    assert "RE2 expression" in caught.value.message
    assert "b'" not in caught.value.message
    assert capfd.readouterr() == ("", "")


def test_half_of_a_surrogate_pair_hides_nothing():
    world = World({"id": "no", "effect": "deny", "when": {"args.x": {"glob": "re2:(?s).*rm -rf.*"}}}, EVERYTHING)
    for text in ("\ud800rm -rf /", "rm -rf \udfff", "a\ud800\ud800rm -rf\udc00"):
        assert world.ask(args={"x": text}).rule_id == "no"
    assert world.ask(args={"x": "\ud800"}).allowed
    with pytest.raises(ValueError, match="surrogate"):
        name_pattern("re2:\ud800")


@given(st.text(st.characters(), max_size=200))
def test_a_match_never_raises(text):
    assert isinstance(name_pattern(r"re2:[\pL\d ]*\s?.{0,10}").matches(text), bool)


HARD = [
    "(a+)+b",
    "(a|a)*c",
    "(a?){50}a{50}",
    "(.*)(.*)(.*)(.*)(.*)x",
    "[a-z]{0,500}x",
    ".*(secret|password).*",
    "(a.{30})*b",
]
LONG = [
    "a" * 10_240,
    "ab" * 5_120,
    "a" * 10_239 + "\n",
    "é" * 5_120,
    "".join(random.Random(7).choices("abx ", k=10_240)),
]


@pytest.mark.parametrize("pattern", HARD)
def test_hostile_texts_take_less_than_a_millisecond(pattern):
    matches = name_pattern(f"re2:{pattern}").matches
    for text in LONG:
        taken = []
        for _ in range(20):
            started = time.perf_counter()
            matches(text)
            taken.append(time.perf_counter() - started)
        assert min(taken) < 0.001


def test_a_pattern_has_a_bounded_memory():
    import re2

    generous = re2.Options()
    generous.max_mem = 64 << 20
    large = r"\pL{1,400}"
    assert re2.compile(large, options=generous).fullmatch("ab")
    with pytest.raises(ValueError, match="too large"):
        name_pattern(f"re2:{large}")
    assert name_pattern(r"re2:\pL{1,100}").matches("ab")


def test_a_match_that_runs_out_of_its_memory_is_right_and_quiet(capfd):
    matches = name_pattern("re2:.*a.{14}").matches
    source = random.Random(3)
    for _ in range(20):
        text = "".join(source.choices("ab", k=10_240))
        assert matches(text) is (text[-15] == "a")
    assert capfd.readouterr() == ("", "")


def test_lint_reads_them():
    text = """
rules:
- {id: a, effect: allow, tools: ['re2:x/.*', 'y/1']}
- {id: b, effect: allow, tools: ['re2:x/.*']}
- {id: c, effect: deny, tools: ['re2:x/.*']}
- {id: d, effect: budget, limit: "1", window: total, tools: ['re2:x/.*'], agents: ['re2:q+']}
- {id: w, effect: window, tools: ['re2:z'], open: ["Mon 08:00-09:00"]}
- {id: v, effect: window, tools: ['re2:z'], open: ["Tue 08:00-09:00"]}
costs: {'x/1': 5, 're2:x/.*': 3}
"""
    policy = compile_policy(text.encode(), "p.yaml")
    found = {(finding.rule_id, finding.code) for finding in findings_in(policy, NOON, None)}
    assert ("b", "unreachable_allow") in found
    assert ("a", "unreachable_allow") not in found
    assert ("d", "limit_below_cost") in found
    assert ("v", "window_never_opens") in found
    assert findings_in(policy, NOON, ["x/1", "z"]) is not None


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(MissingExtra) as caught:
        engine("rules:\n- {id: x, effect: deny, tools: ['re2:a']}\n")
    assert caught.value.hint == "pip install 'codespar-cli[re2]'"
    assert caught.value.file == "p.yaml"
    assert engine("rules:\n- {id: x, effect: deny, tools: ['a*']}\n").decide("a", "a").code == "denied_by_rule"
