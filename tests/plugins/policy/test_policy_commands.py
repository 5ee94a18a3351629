"""`codespar policy …` as a user runs it."""

import json

import pytest

from codespar_cli.cli.app import run

RULES = """\
version: 1
timezone: America/Sao_Paulo
costs: {"paid/**": "30"}
rules:
  - {id: no-force-push, effect: deny, tools: [git/push], when: {args.force: true}, reason: force pushes rewrite history}
  - {id: ask, effect: approve, tools: ["deploy/**"], quorum: 2, approvers: [ann, bob]}
  - {id: novices, effect: deny, agents: ["deploy-*"], tools: [fs/write], when: {context.autonomy: {lt: 4}}}
  - {id: day, effect: budget, tools: ["paid/**"], limit: "50.00", per: agent, window: calendar day}
  - {id: night, effect: window, tools: ["late/**"], open: ["Mon-Fri 08:00-18:00"]}
  - {id: production, effect: deny, tools: [fs/write], when: {environment: production}}
  - {id: all, effect: allow}
"""
AT = ("--at", "2026-11-16T15:00:00Z")


@pytest.fixture
def project(newcomer):
    (newcomer / "plugins.toml").write_text(
        'version = 1\nstate_dir = "state"\n[policy]\nbackend = "engine"\n[agents."deploy-*"]\nautonomy = 3\n'
    )
    (newcomer / "policy.yaml").write_text(RULES)
    return newcomer


@pytest.fixture
def policy(project, capsys):
    def call(*words):
        code = run(["policy", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_check_says_allowed_denied_or_approval_required(policy, project):
    assert policy("check", "fs/read") == (0, "allowed  by rule all\n", "")
    assert policy("check", "git/push", "--args", '{"force": true}') == (
        3,
        "denied  denied_by_rule by rule no-force-push: force pushes rewrite history\n",
        "",
    )
    assert policy("check", "deploy/run")[:2] == (4, "approval required  by rule ask: needs 2 of ann, bob\n")
    assert policy("check", "deploy/run", "--approval", "ap-00000000")[0] == 3
    assert policy("check", "late/x", "--at", "2026-11-22T15:00:00Z")[:2] == (
        3,
        (
            "denied  outside_window by rule night: closed at Sun 12:00 America/Sao_Paulo\n"
            "passes at 2026-11-23T11:00:00Z (in 20h)\n"
        ),
    )
    assert not (project / "state").exists()


def test_check_in_json(policy):
    code, out, _ = policy("check", "paid/x", "--cost", "60", "-o", "json", *AT)
    found = json.loads(out)
    assert code == 3
    assert list(found) == [
        "allowed", "requires_approval", "reason", "code", "rule_id", "stage", "retry_after", "reservation_id",
        "approval", "never", "policy_hash", "trace",
    ]  # fmt: skip
    assert (found["allowed"], found["code"], found["never"], found["retry_after"]) == (
        False,
        "budget_exceeded",
        True,
        None,
    )
    assert [step["stage"] for step in found["trace"]] == ["deny", "approval", "budget", "rate", "window", "allow"]


def test_reserve_takes_what_record_settles_and_release_frees(policy):
    code, out, _ = policy("check", "paid/x", "--reserve", "-o", "json", *AT)
    held = json.loads(out)["reservation_id"]
    assert (code, held[:3]) == (0, "rs-")
    assert policy("check", "paid/x", *AT)[:2] == (
        3,
        (
            "denied  budget_exceeded by rule day: 0.00 of 50.00 USD spent, 30.00 held, 30.00 asked\n"
            "passes at 2026-11-16T15:10:00Z (in 10m)\n"
        ),
    )
    assert policy("check", "paid/x", "--agent", "other", *AT)[0] == 0
    assert policy("record", "paid/x", "--cost", "12.5", "--reservation", held)[:2] == (
        0,
        f"{held}: 12.50 counted by day\n",
    )
    assert policy("record", "paid/x", "--cost", "12.5", "--reservation", held)[1].endswith("nothing is counted twice\n")
    assert policy("release", held)[0] == 6
    held = json.loads(policy("check", "paid/x", "--reserve", "-o", "json", *AT)[1])["reservation_id"]
    assert policy("release", held)[:2] == (0, f"{held} released\n")
    assert policy("release", held)[0] == 6


def test_an_unknown_reservation_is_not_found(policy):
    code, out, err = policy("record", "paid/x", "--cost", "1", "--reservation", "rs-none")
    assert (code, out) == (6, "")
    assert err.startswith("error: there is no reservation `rs-none`")
    assert policy("record", "paid/x", "--cost", "-1")[0] == 2


def test_budgets_as_json_and_table(policy):
    policy("check", "paid/x", "--reserve")
    code, out, _ = policy("budgets", "-o", "json")
    (found,) = json.loads(out)
    assert code == 0
    resets = found.pop("resets_at")
    assert resets.endswith("T03:00:00Z")
    assert found == {
        "rule_id": "day",
        "scope": "agent=cli",
        "window": "calendar day",
        "limit": "50.00",
        "spent": "0.00",
        "held": "30.00",
        "left": "20.00",
    }
    assert "agent=cli" in policy("budgets")[1]


def test_lint_exits_with_one_when_there_are_findings(policy, project):
    assert policy("lint", "-o", "json")[:2] == (0, "[]\n")
    (project / "policy.yaml").write_text(RULES + "  - {id: zz, effect: deny}\n")
    code, out, _ = policy("lint", "-o", "json")
    assert code == 1
    assert [(found["rule_id"], found["code"], found["line"]) for found in json.loads(out)] == [
        ("ask", "unreachable_rule", 6),
        ("day", "unreachable_rule", 8),
        ("night", "unreachable_rule", 9),
        ("all", "unreachable_allow", 11),
    ]


def test_explain_shows_every_stage(policy):
    out = policy("check", "fs/read", "--explain")[1]
    assert [line.split()[0] for line in out.splitlines()[2:]] == [
        "STAGE",
        "deny",
        "approval",
        "budget",
        "rate",
        "window",
        "allow",
    ]


def test_attributes_come_from_the_agents_table_the_option_and_the_environment(policy):
    for more in ((), ("--reserve",)):
        assert policy("check", "fs/write", "--agent", "deploy-1", *more)[0] == 3
        assert policy("check", "fs/write", "--agent", "deploy-1", "--context", '{"autonomy": 9}', *more)[0] == 3
        assert policy("check", "fs/write", "--agent", "other", *more)[0] == 0
        assert policy("check", "fs/write", "--env", "production", *more)[0] == 3


def test_arguments_come_from_a_file_too(policy, project):
    (project / "args.json").write_text('{"force": true}')
    assert policy("check", "git/push", "--args", "@args.json")[0] == 3
    for text in ("@missing.json", "@", "{", "[1]", '{"a":1,"a":2}', '{"a": NaN}', "[" * 10_000, "@\x00"):
        code, out, err = policy("check", "git/push", "--args", text)
        assert (code, out) == (2, "")
        assert err.startswith("error: --args: ")
        assert "Traceback" not in err


@pytest.mark.parametrize(
    "words",
    [
        ("bad name",), ("t\n",), ("x" * 200,), ("",), ("t", "--cost", "-1"), ("t", "--cost", "nan"), ("t", "--cost", "1e999999999"),
        ("t", "--agent", ""), ("t", "--agent", "a\u202eb"), ("t", "--project", "\x1b[2J"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_denied(policy, words):
    for more in ((), ("--reserve",)):
        code, out, err = policy("check", *words, *more)
        assert (code, err) == (3, "")
        assert out.startswith("denied  invalid_request: ")
        assert "\u202e" not in out
        assert "\x1b" not in out


def test_no_policy_allows_and_says_so(policy, project):
    (project / "plugins.toml").write_text("version = 1\n")
    code, out, err = policy("check", "anything")
    assert (code, err) == (0, "no policy is active: every call is allowed\n")
    assert out.startswith("allowed")
    assert policy("budgets")[0] == 2


def test_a_broken_rules_file_names_its_line(policy, project):
    (project / "policy.yaml").write_text(RULES.replace("effect: window", "effect: windows"))
    code, out, err = policy("check", "t")
    assert (code, out) == (2, "")
    assert "policy.yaml:9: rule `night`: effect: expected one of" in err
    assert "hint: did you mean `window`?" in err


def test_observe_mode_allows_and_says_what_enforce_would(policy, project):
    (project / "plugins.toml").write_text(
        'version = 1\nstate_dir = "state"\n[policy]\nbackend = "engine"\nmode = "observe"\n'
    )
    code, out, _ = policy("check", "git/push", "--args", '{"force": true}', "--reserve")
    assert code == 0
    assert "enforce mode would say: force pushes rewrite history" in out


def test_a_broken_store_is_a_denial_in_words(policy, project):
    (project / "state").mkdir(mode=0o700)
    (project / "state" / "policy.db").write_text("x" * 5000)
    (project / "state" / "policy.db").chmod(0o600)
    for more in ((), ("--reserve",)):
        code, out, _ = policy("check", "paid/x", *more)
        assert code == 3
        assert out.startswith("denied  policy_error: ")
    assert policy("budgets")[0] == 5


def test_a_reservation_cannot_be_made_for_a_time_to_come(policy, project):
    code, out, err = policy("check", "paid/x", "--reserve", "--at", "2999-01-01T00:00:00Z")
    assert (code, out) == (2, "")
    assert "cannot be made in the future" in err
    assert not (project / "state").exists()
