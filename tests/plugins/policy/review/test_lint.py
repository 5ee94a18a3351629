import json
from pathlib import Path

import pytest
from policy_world import EVERYTHING, World, budget, rate

from codespar_cli.cli.app import run
from codespar_cli.errors import ConfigError
from codespar_cli.workbench import lint_file


def found(*rules, tools=None, **top):
    return [(finding.rule_id, finding.code) for finding in World(*rules, **top).engine.lint(tools)]


def message(*rules, tools=None, **top):
    (finding,) = World(*rules, **top).engine.lint(tools)
    return finding.message


def allow(*tools, **more):
    return {"id": "yes", "effect": "allow", "tools": list(tools), **more}


def deny(*tools, **more):
    return {"id": "no", "effect": "deny", "tools": list(tools), **more}


def approve(**more):
    return {"id": "ask", "effect": "approve", **more}


# ── rules that a deny covers ──


def test_an_allow_that_a_deny_covers_is_unreachable():
    unreachable = [("yes", "unreachable_allow")]
    assert found(allow("a/b"), deny("a/*")) == unreachable
    assert found(allow("a/b", "a/c"), deny("a/**")) == unreachable
    assert found(allow("a/*/c"), deny("a/**")) == unreachable
    assert found(allow("a/b"), {"id": "no", "effect": "deny"}) == unreachable
    assert found(allow("a/b", agents=["x"]), deny("a/b", agents=["x*"])) == unreachable


def test_several_denies_cover_together():
    rules = (allow("a/b", "c/d"), deny("a/*"), deny("c/*", id="no-c"))
    assert found(*rules) == [("yes", "unreachable_allow")]
    assert message(*rules) == "nothing is ever allowed by it: rules `no` (line 1), `no-c` (line 1) deny all of it"
    assert found(allow("a/b", "c/d", "e/f"), deny("a/*"), deny("c/*", id="no-c")) == []
    # Each is about other agents: together they are not about all.
    assert found(allow("a/b", agents=["x"]), deny("a/b", agents=["y"]), deny("a/*", agents=["z"], id="n")) == []


def test_a_deny_of_a_tool_covers_every_name_of_it():
    assert found(allow("Bash"), deny("shell")) == [("yes", "unreachable_allow")]
    assert found(allow("mcp__github__delete_repo"), deny("github/*")) == [("yes", "unreachable_allow")]
    assert found(allow("shell"), deny("Bash")) == [("yes", "unreachable_allow")]
    assert found(allow("github/x"), deny("mcp__github__*")) == [("yes", "unreachable_allow")]
    # `mcp_a_b_c` may be `a/b_c` or `a_b/c`: a deny of the one leaves the other.
    assert found(approve(tools=["mcp_a_b_c"]), deny("a_b/c"), EVERYTHING) == []
    assert found(allow("fs/read"), deny("*/read")) == []


def test_an_allow_of_which_something_is_left_is_fine():
    assert found(allow("a/b", "b/c"), deny("a/*")) == []
    assert found(allow("a/**"), deny("a/*")) == []
    assert found(allow("a/b"), deny("a/b", when={"args.x": 1})) == []
    assert found(allow("a/b"), deny("a/b", agents=["x"])) == []
    assert found(EVERYTHING, deny("a/b")) == []


@pytest.mark.parametrize(
    "rule",
    [
        approve(tools=["a/b"], quorum=1),
        budget("5", id="x", tools=["a/b"]),
        rate("1 per 1h", id="x", tools=["a/b"]),
        {"id": "x", "effect": "window", "tools": ["a/b"], "open": ["Mon"]},
    ],
    ids=lambda rule: rule["effect"],
)
def test_any_rule_that_a_deny_covers_never_matters(rule):
    assert found(rule, deny("a/*"), EVERYTHING) == [(rule["id"], "unreachable_rule")]
    assert message(rule, deny("a/*"), EVERYTHING) == (
        "it can never matter: rule `no` (line 1) denies every call it is about"
    )
    assert found(rule, deny("a/*", when={"args.x": 1}), EVERYTHING) == []


def test_a_deny_within_a_deny_has_its_own_reason_to_give():
    assert found(deny("a/*"), deny("a/b", id="other", reason="because"), EVERYTHING) == []


# ── allows ──


def test_an_allow_under_a_default_of_allow_is_pointless():
    assert found(allow("a"), default="allow") == [("yes", "pointless_allow")]


def test_a_policy_that_allows_nothing():
    assert found(deny("a")) == [(None, "nothing_allowed")]
    assert found(default="allow") == []
    assert found(deny("a"), default="allow") == []


def test_a_rule_about_what_nothing_allows():
    assert found(approve(tools=["pay/out"]), allow("pay/in", "x/**")) == [("ask", "never_allowed")]
    assert message(approve(tools=["pay/out"]), allow("pay/in")) == (
        "no rule allows any call it is about: an approval does not stand in for an allow rule"
    )
    assert found(budget("5", tools=["pay/**"]), allow("fs/*")) == [("money", "never_allowed")]
    # A deny beside a default of deny is a second lock.
    assert found(deny("pay/out"), allow("pay/in")) == []


def test_what_might_be_allowed_under_another_name_is_not_told_of():
    assert found(approve(tools=["shell"]), allow("Bash")) == []
    assert found(approve(tools=["Bash"]), allow("shell")) == []
    assert found(approve(tools=["github/create_issue"]), allow("mcp__github__*")) == []
    assert found(approve(tools=["github/*"]), allow("mcp__github__create_issue")) == []
    assert found(approve(tools=["shell"]), allow("B*")) == []
    assert found(approve(tools=["a_b/c"]), allow("a/*")) == []
    assert found(approve(tools=["a_b/*"]), allow("a/*")) == []
    assert found(approve(tools=["fs/*"]), allow("Re*")) == []
    assert found(approve(tools=["pay/*"]), allow("pay/*_out")) == []
    assert found(approve(tools=["pay/out"]), allow("**")) == []
    assert found(approve(), allow("pay/in")) == []
    assert found(approve(tools=["pay/out"]), default="allow") == []


# ── windows, limits ──


def test_windows_that_never_open():
    def window(name, tools=("t",), **spans):
        return {"id": name, "effect": "window", "tools": list(tools), **spans}

    assert found(window("w", open=["Mon 08:00-09:00"], closed=["Mon"]), EVERYTHING) == [("w", "window_never_opens")]
    assert found(window("w", open=["2020-01-01"]), EVERYTHING) == [("w", "window_never_opens")]
    assert found(window("w", open=["Mon"]), window("x", open=["Tue"]), EVERYTHING) == [("w", "window_never_opens")]
    assert found(window("w", open=["Mon"]), window("x", tools=["u"], open=["Tue"]), EVERYTHING) == []
    assert found(window("w", open=["Mon"]), window("x", open=["Mon 08:00-09:00"]), EVERYTHING) == []


def test_a_limit_under_the_smallest_cost():
    assert found(budget("1", tools=["p/**"]), EVERYTHING, costs={"p/x": "2", "p/y": "1.5", "q": "0"}) == [
        ("money", "limit_below_cost")
    ]
    assert found(budget("1.5", tools=["p/**"]), EVERYTHING, costs={"p/x": "2", "p/y": "1.5"}) == []


IDLE = [("money", "limit_never_reached")]


@pytest.mark.parametrize(
    ("stricter", "idle"),
    [
        ({"window": "total"}, {"window": "calendar day"}),
        ({"window": "calendar month"}, {"window": "calendar day", "per": "agent"}),
        ({"window": "rolling 48h"}, {"window": "rolling 24h"}),
        ({"window": "calendar week"}, {"window": "calendar day", "tools": ["pay/**"]}),
        ({"window": "total", "tools": ["pay/**"]}, {"window": "total", "tools": ["pay/out"], "when": {"args.x": 1}}),
    ],
)
def test_a_budget_that_a_stricter_one_never_lets_be_reached(stricter, idle):
    other = {**budget("10"), "id": "tight", **stricter}
    assert found(other, {**budget("10"), **idle}, EVERYTHING) == IDLE
    assert found(other, {**budget("100"), **idle}, EVERYTHING) == IDLE
    assert found(other, {**budget("9.99"), **idle}, EVERYTHING) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"window": "calendar month"}, {"window": "calendar week"}),
        ({"window": "rolling 24h"}, {"window": "calendar day"}),
        ({"per": "agent"}, {"per": "project"}),
        ({"per": "agent"}, {}),
        ({"when": {"args.x": 1}}, {"tools": ["pay/out"]}),
        ({"tools": ["pay/in"]}, {"tools": ["pay/out"]}),
        ({"agents": ["a"]}, {}),
    ],
)
def test_budgets_of_which_either_may_deny_first(one, other):
    def without_windows(rule):
        return {"window": "total", **rule}

    rules = ({**budget("1"), "id": "one", **without_windows(one)}, {**budget("5"), **without_windows(other)})
    assert found(*rules, EVERYTHING) == []


def test_of_two_limits_alike_the_later_id_is_idle():
    assert found(budget("5"), {**budget("5"), "id": "b"}, EVERYTHING) == IDLE


@pytest.mark.parametrize(
    ("tight", "loose"),
    [
        ("5 per 1h", "5 per 1h"),
        ("5 per 1h", "6 per 30m"),
        ("1/m burst 2", "1/m burst 3"),
        ("1/h burst 2", "1/s burst 2"),
    ],
)
def test_a_rate_that_a_stricter_one_never_lets_be_reached(tight, loose):
    rules = (rate(tight, id="a-tight"), rate(loose, per="agent"), EVERYTHING)
    assert found(*rules) == [("pace", "limit_never_reached")]


@pytest.mark.parametrize(
    ("one", "other"), [("5 per 1h", "10 per 24h"), ("5 per 1h", "1/s burst 2"), ("1/s burst 2", "1/m burst 5")]
)
def test_rates_of_which_either_may_deny_first(one, other):
    assert found(rate(one, id="one"), rate(other), EVERYTHING) == []


def test_an_idle_limit_really_never_denies():
    world = World(rate("2 per 1h", id="a-tight"), rate("3 per 30m", per="agent"), EVERYTHING)
    reasons = set()
    for _ in range(40):
        decision = world.ask()
        reasons.add(decision.rule_id)
        assert decision.allowed or decision.rule_id == "a-tight"
        world.wait(minutes=7)
    assert reasons == {"a-tight", "zz-all"}


# ── quorums ──


def test_a_quorum_that_the_requester_cannot_meet():
    rule = approve(agents=["release-*"], approvers=["release-lead", "cto"], quorum=2)
    assert found(rule, EVERYTHING) == [("ask", "quorum_unreachable")]
    assert message(rule, EVERYTHING) == (
        "when `release-lead` asks, only cto of its approvers may vote, and it needs 2: nobody approves their own call"
    )
    assert found({**rule, "quorum": 1}, EVERYTHING) == []
    assert found({**rule, "allow_self": True}, EVERYTHING) == []
    assert found({**rule, "agents": ["deploy-*"]}, EVERYTHING) == []
    assert found({**rule, "agents": ["*"]}, EVERYTHING) == []


def test_what_the_quorum_finding_says_is_so():
    world = World(approve(agents=["release-*"], approvers=["release-lead", "cto"], quorum=2), EVERYTHING)
    token = world.ask(agent="release-lead").approval_id
    assert world.engine.vote(token, "cto", approves=True).status == "pending"
    with pytest.raises(Exception, match="cannot vote"):
        world.engine.vote(token, "release-lead", approves=True)


@pytest.mark.parametrize(
    ("agents", "approvers", "quorum", "told"),
    [
        (["ann"], ["ann"], 1, "when `ann` asks, none of its approvers may vote, and a quorum of 1 cannot be met"),
        (["Ann"], ["ann", "bob"], 2, "when `Ann` asks, only bob may vote, and a quorum of 2 cannot be met"),
        (["x", "bob"], ["ann", "bob"], 2, "when `bob` asks, only ann may vote, and a quorum of 2 cannot be met"),
    ],
)
def test_agents_by_name_that_cannot_be_approved_are_refused(agents, approvers, quorum, told):
    with pytest.raises(ConfigError, match=told) as raised:
        World(approve(agents=agents, approvers=approvers, quorum=quorum))
    assert (raised.value.file, raised.value.line) == ("policy.yaml", 1)
    World(approve(agents=agents, approvers=approvers, quorum=quorum, allow_self=True))
    World(approve(agents=agents, approvers=[*approvers, "eve"], quorum=quorum))


@pytest.mark.parametrize("other", ["ANN", "ａｎｎ"])
def test_one_person_is_not_two_approvers(other):
    with pytest.raises(ConfigError, match="are the same person, who has one vote"):
        World(approve(approvers=["ann", other]))


# ── tools ──


def test_a_rule_that_no_known_tool_matches():
    rules = (allow("fs/**", "github/*"), deny("git/pusch"))
    assert found(*rules, tools=["fs/read", "git/push"]) == [("no", "matches_no_tool")]
    assert message(*rules, tools=["fs/read", "git/push"]) == "`git/pusch` matches none of the 2 known tools"
    assert found(*rules, tools=["mcp__github__list_issues", "git/pusch"]) == []
    assert found(allow("shell"), tools=["Bash"]) == []
    assert found(allow("Bash"), tools=["shell"]) == [("yes", "matches_no_tool")]
    assert found(deny("Bash"), EVERYTHING, tools=["run_shell_command"]) == []
    assert found(EVERYTHING, tools=["x"]) == []


RULES = """\
version: 1
rules:
  - {id: yes-1, effect: allow, tools: ["fs/*"]}
  - {id: no-1, effect: deny, tools: [git/pusch]}
"""


@pytest.fixture
def lint(newcomer, capsys):
    (newcomer / "rules.yaml").write_text(RULES)

    def call(*words):
        code = run(["policy", "lint", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.mark.parametrize(
    "listing",
    [
        "# what there is\nfs/read\n\ngit/push\n",
        '["fs/read", "git/push"]',
        '{"tools": [{"name": "fs/read", "description": "x"}, {"name": "git/push"}]}',
        '{"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "fs/read"}, {"name": "git/push"}]}}',
    ],
)
def test_tools_come_as_lines_or_json(lint, listing, monkeypatch):
    Path("tools.txt").write_text(listing)
    code, out, err = lint("rules.yaml", "--tools", "tools.txt", "-o", "json")
    assert (code, err) == (1, "")
    assert json.loads(out) == [
        {
            "rule_id": "no-1",
            "code": "matches_no_tool",
            "message": "`git/pusch` matches none of the 2 known tools",
            "line": 4,
            "file": "rules.yaml",
        }
    ]


@pytest.mark.parametrize(
    ("listing", "told"),
    [
        ("", "names no tool"),
        ("[]", "names no tool"),
        ('{"tools": "fs/read"}', "expected names, one a line"),
        ('{"tools": [{"title": "fs/read"}]}', "expected names, one a line"),
        ("[1]", "expected names, one a line"),
        ("[", "--tools: `tools.txt`:"),
    ],
)
def test_what_is_no_list_of_tools_is_told(lint, listing, told):
    Path("tools.txt").write_text(listing)
    code, out, err = lint("rules.yaml", "--tools", "tools.txt")
    assert (code, out) == (2, "")
    assert told in err


def test_a_list_that_is_not_there_is_told(lint):
    code, _, err = lint("rules.yaml", "--tools", "nowhere.txt")
    assert code == 2
    assert err == "error: --tools: `nowhere.txt` cannot be read: no such file or directory\n"


def test_files_by_name_need_no_plugins_toml(lint):
    assert lint("rules.yaml") == (0, "", "no findings\n")
    Path("other.yaml").write_text("version: 1\nrules:\n  - {id: x, effect: deny}\n")
    code, out, _ = lint("rules.yaml", "other.yaml")
    assert code == 1
    assert out.splitlines()[1].split()[:2] == ["other.yaml:1", "nothing_allowed"]
    assert lint()[0] == 2


def test_without_a_file_it_is_the_active_policy(lint):
    Path("plugins.toml").write_text('version = 1\n[policy]\nbackend = "engine"\nrules = "rules.yaml"\n')
    Path("tools.txt").write_text("fs/read\ngit/push\n")
    assert lint()[0] == 0
    assert lint("--tools", "tools.txt")[0] == 1


def test_a_file_that_cannot_be_read_is_an_error_with_its_line(lint):
    Path("rules.yaml").write_text(RULES.replace("deny", "denny"))
    code, _, err = lint("rules.yaml")
    assert code == 2
    assert "rules.yaml:4" in err


def test_findings_say_where(tmp_path):
    (finding,) = World(allow("a"), default="allow").engine.lint()
    assert (finding.file, finding.line) == ("policy.yaml", 1)
    file = tmp_path / "p.yaml"
    file.write_text(RULES)
    (finding,) = lint_file(file, ["fs/read"])
    assert (finding.file, finding.line) == (str(file), 4)


# ── what is no rules file, and what is not looked at ──


@pytest.mark.parametrize(("name", "language"), [("p.cedar", "Cedar"), ("p.rego", "Rego")])
@pytest.mark.parametrize("command", [["policy", "lint"], ["policy", "diff", "rules.yaml"]])
def test_a_policy_in_another_language_is_no_rules_file(lint, capsys, name, language, command):
    Path(name).write_text("permit(principal, action, resource);")
    assert run([*command, name]) == 2
    err = capsys.readouterr().err
    assert f"`{name}` is no rules file: it is written in {language}" in err
    assert f'backend = "{language.lower()}"' in err


@pytest.mark.parametrize("command", [["policy", "lint"], ["policy", "diff", "rules.yaml"]])
def test_a_file_that_is_not_there_is_no_reason_for_init(lint, capsys, command):
    assert run([*command, "nofile.yaml"]) == 2
    err = capsys.readouterr().err
    assert "there is no rules file `nofile.yaml`" in err
    assert "codespar init" not in err


def test_lint_and_test_say_that_only_the_rules_file_is_read(lint, capsys):
    Path("plugins.toml").write_text(
        'version = 1\n[policy]\nbackend = "cedar"\npolicies = "p.cedar"\nrules = "r.yaml"\n'
    )
    Path("p.cedar").write_text("permit(principal, action, resource);")
    Path("r.yaml").write_text("rules:\n  - {id: ask, effect: approve, when: {args.q: {glob: '*x*'}}}\n")
    code, out, err = lint()
    assert (code, "glob_stops_at_slash" in out) == (1, True)
    assert "lint reads the rules file alone: what p.cedar says is not looked at" in err
    Path("r_test.yaml").write_text(
        "policy: r.yaml\nscenarios:\n  - name: one\n    calls: [{at: 2026-11-23T09:00, agent: a, tool: t, expect: allow}]\n"
    )
    assert run(["policy", "test"]) == 1
    assert "scenarios play the rules file alone: what p.cedar says is not looked at" in capsys.readouterr().err
