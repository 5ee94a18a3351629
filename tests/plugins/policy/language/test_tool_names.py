"""One tool under many names: a rule that limits bites under each of them, and an allow under none but its own."""

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from policy_world import EVERYTHING, World, budget

from codespar_cli.plugins.policy.language.tool_names import (
    MOST_READINGS,
    canonical_name,
    counted_name,
    every_name,
    names_of,
)

# What hosts send, as docs and design name it, by the name that rules and counters know.
HOSTS = {
    "shell": ["Bash", "shell", "run_shell_command", "run_terminal_cmd", "bash", "local_shell"],
    "fs/read": ["Read", "read_file"],
    "fs/write": ["Write", "write_file"],
    "fs/edit": ["Edit", "MultiEdit", "apply_patch", "search_replace", "edit_file"],
    "web/fetch": ["WebFetch", "web_fetch"],
    "web/search": ["WebSearch", "google_web_search", "web_search"],
    "github/create_issue": ["mcp__github__create_issue", "MCP:github:create_issue", "mcp_github_create_issue"],
}
PAIRS = [(canonical, spelling) for canonical, spellings in HOSTS.items() for spelling in spellings]
LIMITS = [
    {"effect": "deny"},
    {"effect": "approve"},
    {"effect": "budget", "limit": "0", "window": "total"},
    {"effect": "window", "closed": ["00:00-24:00"]},
]


def answer(rule, tool):
    return World({"id": "r", **rule}, EVERYTHING).look(tool, cost=1)


@pytest.mark.parametrize(("canonical", "spelling"), PAIRS)
def test_a_limit_on_any_name_bites_under_every_other(canonical, spelling):
    everyone = [canonical, *HOSTS[canonical]]
    for limit in LIMITS:
        for tool in everyone:
            assert not answer({**limit, "tools": [spelling]}, tool).allowed
            assert not answer({**limit, "tools": [canonical]}, spelling).allowed


@pytest.mark.parametrize(("canonical", "spelling"), PAIRS)
def test_an_allow_is_for_the_name_as_it_came_or_the_canonical_one(canonical, spelling):
    def allowed(pattern, tool):
        return World({"id": "r", "effect": "allow", "tools": [pattern]}).look(tool).allowed

    assert allowed(spelling, spelling)
    assert allowed(canonical, spelling)
    assert canonical_name(spelling) == canonical


@pytest.mark.parametrize(("canonical", "spellings"), HOSTS.items())
def test_a_budget_for_each_tool_is_one_for_all_its_names(canonical, spellings):
    world = World(budget("3", per="tool"), EVERYTHING)
    for tool in [canonical, *spellings][:3]:
        assert world.ask(tool, cost=1).allowed
    for tool in [canonical, *spellings]:
        assert world.ask(tool, cost=1).code == "budget_exceeded"
    assert world.ask("another", cost=1).allowed


@pytest.mark.parametrize(
    ("tool", "denied", "safe"),
    [
        # which part is the server cannot be told from the name
        ("mcp_a_b_c", ["a/b_c", "a_b/c", "mcp__a_b__c", "MCP:a_b:c", "a_b/*"], ["a", "a/b/c", "b/c"]),
        ("mcp__a__b__c", ["a/b__c", "a__b/c", "mcp_a__b_c", "a__b/**"], ["a/b/c", "b/c"]),
        ("MCP:a:b:c", ["a/b:c", "a:b/c"], ["c"]),
        # an empty server or tool
        ("mcp__github__", ["github/", "github/*", "mcp__github__*", "github/**"], ["github", "github/x"]),
        ("mcp____drop", ["/drop", "mcp____*"], ["drop/x", "**/drop"]),
        ("MCP::", ["/", "mcp____"], ["x"]),
        # a host's own names in any case; what servers call things keeps its case
        ("BASH", ["Bash", "shell"], ["SHELL"]),
        ("READ_FILE", ["Read", "fs/read", "fs/*"], []),
        ("MCP__a__b", ["a/b", "mcp__a__b"], ["a/B"]),
        ("mcp__GitHub__x", ["GitHub/x"], ["github/x"]),
        # a glob for one spelling means the others, one that begins with `*` means names as they are
        ("github/drop", ["mcp__github__*", "*__drop", "m*"], ["*_drop", "*"]),
        ("Bash", ["run_*", "sh*", "*"], ["b*/x"]),
        ("mcp__fs__read", ["Read", "fs/*"], ["mcp__fs__write"]),
        ("Read", ["fs/read"], ["mcp__fs__read"]),
    ],
)
def test_a_deny_errs_to_match(tool, denied, safe):
    for pattern in denied:
        assert answer({"effect": "deny", "tools": [pattern]}, tool).code == "denied_by_rule", pattern
    for pattern in safe:
        assert answer({"effect": "deny", "tools": [pattern]}, tool).allowed, pattern


@pytest.mark.parametrize(
    ("tool", "pattern"),
    [
        ("mcp_a_b_c", "a_b/c"),
        ("mcp__a__b__c", "a__b/c"),
        ("mcp__github__", "github/*"),
        ("mcp____drop", "**/drop"),
        ("BASH", "shell"),
        ("MCP__a__b", "a/b"),
        ("github/drop", "mcp__github__*"),
        ("mcp__fs__read", "Read"),
    ],
)
def test_an_allow_does_not(tool, pattern):
    assert World({"id": "r", "effect": "allow", "tools": [pattern]}).look(tool).code == "no_rule_allows"


SPELLINGS = [
    ("shell", ["Bash", "BASH", "bAsh", "SHELL", "Run_Shell_Command", "run_shell_command"]),
    ("web/fetch", ["WebFetch", "WEB_FETCH", "mcp_web_fetch", "MCP__web__fetch"]),
    (
        "git_hub/pay",
        [
            "mcp_git_hub_pay",
            "Mcp:git_hub:pay",
            "MCP_git_hub_pay",
            "mcp__git_hub__pay",
            "mcp:git_hub:pay",
            "git/hub_pay",
        ],
    ),
    ("a__b/c", ["mcp__a__b__c", "MCP__a__b__c"]),
    ("/drop", ["mcp____drop", "MCP::drop"]),
]


@pytest.mark.parametrize(("tool", "spellings"), SPELLINGS)
def test_no_spelling_has_a_second_counter_or_misses_the_hold(tool, spellings):
    pace = {"id": "pace", "effect": "rate", "limit": "1 per 1d", "per": "tool"}
    world = World(pace, EVERYTHING)
    assert world.ask(tool).allowed
    assert {world.ask(spelling).code for spelling in spellings} == {"rate_limited"}
    for first, second in [(tool, each) for each in spellings] + [(each, tool) for each in spellings]:
        world = World(budget("10", per="tool"), EVERYTHING)
        held = world.ask(first, cost=2)
        assert world.engine.record_usage("a", second, 3).reservation_id == held.reservation_id
        assert [(state.spent, state.held) for state in world.engine.budgets()] == [(3, 0)]


@pytest.mark.parametrize(("tool", "spellings"), SPELLINGS)
def test_no_spelling_is_cheaper(tool, spellings):
    world = World(budget("10", tools=[tool]), EVERYTHING, costs={tool: "7", "git/*": "1", "git/hub_pay": "7"})
    for spelling in spellings:
        assert world.engine._policy.price(spelling) == 7, spelling


def test_a_name_with_several_readings_costs_what_the_dearest_does():
    for costs in ({"git_hub/pay": "9", "git/hub_pay": "2"}, {"git_hub/pay": "2", "git/hub_pay": "9"}):
        policy = World(EVERYTHING, costs=costs).engine._policy
        assert policy.price("mcp_git_hub_pay") == 9
        assert {name: str(policy.price(name)) for name in costs} == costs
    assert policy.price("mcp_other_tool") is None


def test_tools_of_one_server_are_counted_apart():
    assert len({counted_name(tool) for tool in ("a/b", "a/c", "a/b/c", "a/B", "A/b", "b", "a")}) == 7
    assert counted_name("svc/0/read") == "svc/0/read"
    assert counted_name("github/create_issue") == counted_name("mcp__github__create_issue") == "github/create_issue"


part = st.text("ab_:", max_size=4)


@given(part, part)
def test_what_one_name_can_mean_is_counted_together(server, name):
    server, name = f"a{server}b", f"b{name}a"
    names = every_name(f"{server}/{name}")
    assert {counted_name(each) for name in names for each in every_name(name)} == {counted_name(names[0])}


@given(st.sampled_from(["mcp__{}__{}", "MCP:{}:{}", "mcp:{}:{}", "mcp_{}_{}", "{}/{}"]), part, part)
def test_whatever_server_and_tool_were_meant_is_among_the_names(spelling, server, name):
    assume(server[:1] in ("a", "b"))
    assert f"{server}/{name}" in every_name(spelling.format(server, name))


@given(st.text("abmcp_:/M", min_size=1, max_size=12))
def test_a_tool_always_goes_by_its_own_name_first(tool):
    names = every_name(tool)
    assert names[: len(names_of(tool))] == names_of(tool)
    assert len(set(names)) == len(names)
    assert names_of(tool)[-1] == canonical_name(tool)


def test_a_name_that_can_mean_too_much_is_no_request():
    tool = "mcp_" + "a_" * (MOST_READINGS + 1)
    world = World(EVERYTHING)
    assert world.ask(tool).code == "invalid_request"
    assert world.engine.decide("a", tool).code == "invalid_request"
    assert world.ask("mcp_" + "a_" * MOST_READINGS).allowed


PATTERNS = {
    "in the middle": "**/x{}/**",
    "anywhere": "*x{}*",
    "at the end": "**/x{}",
    "after one beginning": "svc/*/x{}/*",
}


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS.keys())
def test_a_thousand_patterns_cost_an_unseen_call_less_than_a_millisecond(pattern):
    engine = World(*({"id": f"r{n}", "effect": "deny", "tools": [pattern.format(n)]} for n in range(1000))).engine
    for tool in ("svc/y/z", "a/" * 60, "x" * 128, "mcp__svc__y", "mcp_" + "a_" * MOST_READINGS, "x1/x2/x3"):
        taken = []
        for agent in range(20):
            started = time.thread_time()
            engine.decide(f"agent-{agent}", tool)
            taken.append(time.thread_time() - started)
        assert min(taken) < 0.001, tool
    assert engine.decide("a", pattern.format(617).replace("**/", "").replace("*", "y")).code == "denied_by_rule"


@given(
    st.lists(st.lists(st.sampled_from(["**", "*", "a", "b", "a*", "*b", "*a*b", "c"]), min_size=1, max_size=4), max_size=8),
    st.lists(st.sampled_from(["a", "b", "ab", "aab", "c", ""]), min_size=1, max_size=5).map("/".join),
)  # fmt: skip
def test_the_index_finds_what_each_pattern_matches(patterns, tool):
    assume(tool)
    texts = ["/".join(parts) for parts in patterns]
    world = World(*({"id": f"r{n}", "effect": "allow", "tools": [text]} for n, text in enumerate(texts)))
    policy = world.engine._policy
    expected = [rule.id for rule in policy.rules if any(each.matches(tool) for each in rule.tools)]
    assert [rule.id for rule in policy.plan("a", tool).allows] == expected
