"""`codespar policy simulate` as a user runs it."""

import json

import apsw
import pytest

from codespar_cli.cli.app import run

RULES = """\
version: 1
rules:
  - {id: no-force-push, effect: deny, tools: [git/push], when: {args.force: true}}
  - {id: day, effect: budget, tools: ["paid/**"], limit: "LIMIT", per: agent, window: total}
  - {id: all, effect: allow}
"""


@pytest.fixture
def project(newcomer, capsys):
    (newcomer / "plugins.toml").write_text(
        'version = 1\nstate_dir = "state"\n[policy]\nbackend = "engine"\ndurability = "normal"\n'
    )
    (newcomer / "policy.yaml").write_text(RULES.replace("LIMIT", "50.00"))
    (newcomer / "new.yaml").write_text(RULES.replace("LIMIT", "45.00"))
    return newcomer


@pytest.fixture
def policy(project, capsys):
    def call(*words):
        code = run(["policy", *words])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def recorded(policy):
    for agent, cost in (("ann", "30"), ("ann", "20"), ("ann", "20"), ("bob", "46")):
        policy("check", "paid/x", "--agent", agent, "--cost", cost, "--reserve")
    policy("check", "git/push", "--args", '{"force": true}', "--reserve")


def test_the_flips_in_json(policy, recorded):
    code, out, err = policy("simulate", "--policy", "new.yaml", "-o", "json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["replayed"], found["reproduced"], found["counted"]) == (4, 4, 4)
    assert found["not_replayable"] == {
        "decisions": 1,
        "rules": ["no-force-push"],
        "reasons": {"arguments not recorded": 1},
    }
    assert [{key: flip[key] for key in ("agent", "tool", "from", "to", "code", "cost")} for flip in found["flips"]] == [
        {"agent": name, "tool": "paid/x", "from": "allow", "to": "deny", "code": "budget_exceeded", "cost": cost}
        for name, cost in (("ann", "20.00"), ("bob", "46.00"))
    ]
    one = {"flips": 1, "now_allowed": 0, "no_longer_allowed": 1}
    assert found["by_agent"] == {"ann": {**one, "money": "20.00"}, "bob": {**one, "money": "46.00"}}
    assert found["by_tool"]["paid/x"] == {"flips": 2, "now_allowed": 0, "no_longer_allowed": 2, "money": "66.00"}
    assert found["money"] == {
        "currency": "USD",
        "now_allowed": "0.00",
        "no_longer_allowed": "66.00",
        "flips_without_cost": 0,
    }


def test_the_same_policy_has_no_flips(policy, recorded):
    code, out, _ = policy("simulate", "--policy", "policy.yaml")
    assert code == 0
    assert out == (
        "4 decisions replayed, 4 as recorded\n"
        "1 decision not replayable: arguments not recorded (1); rules that cannot be asked: no-force-push\n"
        "0 flips among 4: 0.00 USD now allowed, 0.00 USD no longer allowed\n"
    )


def test_the_table(policy, recorded):
    code, out, _ = policy("simulate", "--policy", "new.yaml", "--since", "1h")
    lines = out.splitlines()
    assert code == 0
    assert lines[2].startswith("2 flips among 4 since ")
    assert lines[4].split() == ["BY", "NAME", "FLIPS", "NOW", "ALLOWED", "NO", "LONGER", "ALLOWED", "MONEY"]
    assert lines[-1].split()[1:] == ["bob", "paid/x", "46.00", "allow", "deny", "budget_exceeded", "by", "rule", "day"]


def test_since_counts_from_then_on(policy, recorded):
    code, out, _ = policy("simulate", "--policy", "new.yaml", "--since", "2099-01-01", "-o", "json")
    found = json.loads(out)
    assert (code, found["replayed"], found["counted"], found["flips"]) == (0, 4, 0, [])
    assert found["since"] == "2099-01-01T00:00:00.000000Z"


def test_a_store_that_is_not_there_is_not_made(policy, project):
    assert policy("simulate", "--policy", "new.yaml")[:2] == (
        0,
        ("0 decisions replayed, 0 as recorded\n0 flips among 0: 0.00 USD now allowed, 0.00 USD no longer allowed\n"),
    )
    assert not (project / "state").exists()


def test_errors(policy, recorded, project):
    assert policy("simulate", "--policy", "none.yaml")[0] == 2
    assert policy("simulate")[0] == 2
    assert policy("simulate", "--policy", "new.yaml", "--since", "soon")[0] == 2
    connection = apsw.Connection(str(project / "state" / "policy.db"))
    connection.execute("UPDATE chain SET actor = 'eve' WHERE seq = 3")
    connection.close()
    code, out, err = policy("simulate", "--policy", "new.yaml", "-o", "json")
    assert (code, out) == (5, "")
    assert json.loads(err)["error"]["code"] == "chain_broken"


def test_what_is_not_reproduced_fails(policy, recorded, project):
    connection = apsw.Connection(str(project / "state" / "policy.db"))
    connection.execute("DELETE FROM source")
    connection.close()
    code, out, err = policy("simulate", "--policy", "new.yaml")
    assert (code, out) == (1, "")
    assert "whose text the store does not have" in err
