"""The cold gate of a hook, where several files speak: as the full one, from what was kept, and never from what is old."""

import json
import os
import tomllib

import pytest

from codespar_cli import cold_reading
from codespar_cli.cold_gate import open_gate
from codespar_cli.core.calls import CallContext, ToolCall
from codespar_cli.core.trust_pin import pin_of
from codespar_cli.plugins.policy import kept_engine
from codespar_cli.startup import build_gate, build_registry, read_config
from codespar_cli.storage.trust_record import TrustRecord

ALL = {"id": "zz", "effect": "allow", "tools": ["**"]}
NO_PUSH = {"id": "no", "effect": "deny", "tools": ["git/**"]}
NO_WEB = {"id": "web", "effect": "deny", "tools": ["web/**"], "when": {"context.team": "a"}}
MONEY = {"id": "money", "effect": "budget", "limit": "2.00", "window": "total"}
TOOLS = ("git/push", "web/get", "fs/read")


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("CODESPAR_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(cold_reading, "is_settled", lambda facts: True)
    monkeypatch.setattr(kept_engine, "is_settled", lambda facts: True)
    (tmp_path / "project").mkdir()
    (tmp_path / ".config/codespar").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


def put(directory, *rules, text=""):
    (directory / "plugins.toml").write_text(f'version = 1\n{text}[policy]\nbackend = "engine"\n')
    (directory / "policy.yaml").write_text(json.dumps({"version": 1, "rules": [*rules, ALL]}))


def asked(gate, cost=None, **args):
    return [gate.check(ToolCall("bot", tool, cost, CallContext(args=args))).allowed for tool in TOOLS]


def full():
    config = read_config()
    return build_gate(config, build_registry(config))


@pytest.fixture
def reads(monkeypatch):
    counted, real = [], cold_reading.read
    monkeypatch.setattr(cold_reading, "read", lambda *given: counted.append(given) or real(*given))
    return counted


def test_it_answers_as_the_full_one_and_reads_once(home, reads):
    put(home / ".config/codespar", NO_PUSH, text='[agents."bot"]\nteam = "a"\n')
    put(home / "project", NO_WEB, text='[agents."bot"]\nteam = "b"\n')
    for _ in range(3):
        assert asked(open_gate()) == asked(full()) == [False, False, True]
    assert len(reads) == 1


def test_a_budget_of_the_users_is_one_for_both(home):
    put(home / ".config/codespar", MONEY)
    put(home / "project", text='tenant = "fresh"\n')
    gates = [open_gate(), full(), open_gate()]
    assert [gate.check(ToolCall("bot", "fs/read", "1.00")).allowed for gate in gates] == [True, True, False]


def test_what_appears_or_changes_counts_with_the_next_call(home):
    put(home / "project")
    assert asked(open_gate()) == [True, True, True]
    put(home / ".config/codespar", NO_PUSH)
    assert asked(open_gate()) == [False, True, True]
    path = home / "project/plugins.toml"
    data = path.read_bytes()
    record = TrustRecord(home / ".local/state/codespar")
    record.grant(pin_of(path, data, tomllib.loads(data.decode())))
    assert asked(open_gate()) == [True, True, True]
    rules = home / "project/policy.yaml"
    rules.write_text(rules.read_text() + "\n")
    assert asked(open_gate()) == [False, True, True]
    rules.write_text(rules.read_text()[:-1])
    assert asked(open_gate()) == [True, True, True]
    record.revoke(path)
    assert asked(open_gate()) == [False, True, True]


def test_a_host_is_protected_whoever_wrote_the_configuration(home):
    def writes(path):
        return open_gate().check(ToolCall("bot", "Write", None, CallContext(args={"file_path": path}))).allowed

    for _ in range(3):  # without any file, then with a project's, then from what was kept
        assert not writes("~/.claude/settings.json")
        put(home / "project")
    assert writes("src/main.py")
    assert not writes("policy.yaml")


def test_what_governs_is_what_a_hook_remembers(home):
    put(home / ".config/codespar", NO_PUSH)
    put(home / "project")
    expected = (str(home / ".config/codespar/plugins.toml"), str(home / "project/plugins.toml"))
    assert sorted(open_gate().governing) == sorted(full().governing) == sorted(expected)


def test_a_long_lived_door_follows_every_layer_and_protects(home):
    from codespar_cli.cli.io import Terminal
    from codespar_cli.cli.live_gate import LiveGate
    from codespar_cli.cli.session import Session

    live = LiveGate(lambda: Session(Terminal.of_process(os.environ)))
    put(home / "project")
    assert asked(live.gate()) == [True, True, True]
    assert asked(live.gate(), path="../.claude/settings.json")[0] is False
    put(home / ".config/codespar", NO_PUSH)
    assert asked(live.gate()) == [False, True, True]
    put(home / "project", NO_WEB, text='[agents."bot"]\nteam = "a"\n')
    assert asked(live.gate()) == [False, False, True]
    path = home / "project/plugins.toml"
    TrustRecord(home / ".local/state/codespar").grant(pin_of(path, path.read_bytes(), tomllib.loads(path.read_text())))
    assert asked(live.gate()) == [True, False, True]
