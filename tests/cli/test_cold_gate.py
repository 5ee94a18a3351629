"""The cold gate is the gate of `startup.load()`: same file found, same answers, and nothing kept that is no longer so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from codespar_cli import cold_reading
from codespar_cli.cold_gate import open_gate
from codespar_cli.core.calls import CallContext, ToolCall
from codespar_cli.errors import ConfigError
from codespar_cli.plugins.policy import kept_engine
from codespar_cli.plugins.policy.language import policy_reader
from codespar_cli.startup import build_gate, build_registry, read_config

ROOT = Path(__file__).parents[2]
RULES = """
costs: {{"fs/**": "0.01"}}
rules:
  - {{id: {id}, effect: {effect}, tools: ["fs/**"]}}
  - {{id: money, effect: budget, limit: "1.00", window: total}}
"""
PLUGINS = 'version = 1\n[policy]\nbackend = "engine"\nrules = "{rules}"\n'
NOT_FOR_A_HOOK = {
    "typer", "rich", "yaml", "pydantic", "mcp", "asyncio", "typing", "dataclasses", "inspect", "re", "enum", "pathlib",
    "contextlib", "functools", "json", "hashlib", "tomllib", "urllib", "threading", "logging", "tempfile", "subprocess",
    "shutil", "importlib", "cryptography", "psycopg", "site", "datetime",
}  # fmt: skip


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("CODESPAR_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(cold_reading, "is_settled", lambda facts: True)
    monkeypatch.setattr(kept_engine, "is_settled", lambda facts: True)
    return tmp_path


def project(directory, *, id="one", effect="allow", more=""):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "policy.yaml").write_text(RULES.format(id=id, effect=effect))
    (directory / "plugins.toml").write_text(PLUGINS.format(rules="policy.yaml") + more)
    return directory


@pytest.fixture
def here(home, monkeypatch):
    directory = project(home / "work" / "project")
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture
def parses(monkeypatch):
    counted, real = [], policy_reader.parse
    monkeypatch.setattr(policy_reader, "parse", lambda data: counted.append("yaml") or real(data))
    really = cold_reading.read
    monkeypatch.setattr(cold_reading, "read", lambda *all: counted.append("toml") or really(*all))
    return counted


def ask(gate, tool="fs/read", **context):
    decision = gate.check(ToolCall("a", tool, None, CallContext(**context)))
    return decision.allowed, decision.code, decision.rule_id, decision.policy_hash


def warm():
    config = read_config()
    return build_gate(config, build_registry(config, kinds=("policy",)))


def agrees(**context):
    """What the kept gate says, once when it may be kept and once when it is, and the gate of every program."""
    answers = {ask(open_gate(), **context), ask(open_gate(), **context), ask(warm(), **context)}
    assert len(answers) == 1
    return answers.pop()


def test_the_second_call_reads_neither_toml_nor_yaml(here, parses):
    assert [ask(open_gate())[:3] for _ in range(3)] == [(True, None, "one")] * 3
    assert parses == ["toml", "yaml"]


def test_the_gate_takes_holds_and_records(here):
    decision = open_gate().check(ToolCall("a", "fs/read"))
    assert decision.reservation_id.startswith("rs-")
    assert open_gate().registry.policy.release(decision.reservation_id)


def test_a_changed_rules_file_is_obeyed_at_once(here):
    assert agrees()[0] is True
    project(here, id="two", effect="deny")
    assert agrees()[:3] == (False, "denied_by_rule", "two")


def test_a_nearer_file_is_found_when_it_appears_and_forgotten_when_it_goes(here, monkeypatch):
    inner = here / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    assert agrees()[0] is True
    project(inner, id="near", effect="deny")
    assert agrees()[2] == "near"
    (inner / "plugins.toml").unlink()
    assert agrees()[2] == "one"
    (inner / ".git").mkdir()
    assert agrees()[1] == "no_policy"
    project(here.parents[1] / ".config" / "codespar", id="own", effect="deny")
    assert agrees()[2] == "own"


def test_a_directory_that_others_may_write_ends_the_search(here, monkeypatch):
    inner = here / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    assert agrees()[2] == "one"
    inner.chmod(0o777)
    assert agrees()[1] == "no_policy"


def test_every_variable_that_was_asked_for_counts(here, monkeypatch):
    elsewhere = project(here.parent / "elsewhere", id="other", effect="deny")
    assert agrees()[2] == "one"
    monkeypatch.setenv("CODESPAR_CONFIG", str(elsewhere / "plugins.toml"))
    assert agrees()[2] == "other"
    monkeypatch.delenv("CODESPAR_CONFIG")
    assert agrees()[2] == "one"
    monkeypatch.setenv("CODESPAR_STATE_DIR", str(here.parent / "state"))
    assert agrees()[2] == "one"
    assert (here.parent / "state" / "policy.db").exists()
    monkeypatch.setenv("CODESPAR_TENANT", "acme")
    assert open_gate().tenant == open_gate().tenant == "acme"


def test_agents_attributes_and_modes_are_kept(here):
    project(here, more='mode = "observe"\n[agents."a*"]\nenvironment = "production"\nlevel = 3\n')
    (here / "policy.yaml").write_text(
        "rules:\n  - {id: none, effect: deny, when: {environment: production, context.level: {gte: 3}}}\n"
    )
    assert agrees()[:3] == (True, "denied_by_rule", "none")


@pytest.mark.parametrize("broken", ["rules: [", "rules:\n  - {id: x, effect: alow}\n"])
def test_a_broken_change_is_told_as_the_loader_tells_it(here, parses, broken):
    ask(open_gate())
    (here / "policy.yaml").write_text(broken)
    told = set()
    for gate in (open_gate, open_gate, open_gate, warm):
        with pytest.raises(ConfigError) as caught:
            gate()
        told.add((str(caught.value), caught.value.hint, caught.value.code))
    assert len(told) == 1
    assert parses.count("yaml") == 3  # before, once when it was broken, and by the warm gate


def test_a_plugin_that_is_asked_for_and_missing_stops_it(here):
    ask(open_gate())
    (here / "plugins.toml").write_text('version = 1\n[policy]\nbackend = "engine"\nrules = "gone.yaml"\n')
    for gate in (open_gate, open_gate, warm):
        with pytest.raises(ConfigError, match=r"plugins\.toml:4: policy\.rules: there is no rules file"):
            gate()
    (here / "plugins.toml").write_text('version = 1\n[policy]\nbackend = "engin"\n')
    for gate in (open_gate, open_gate):
        with pytest.raises(ConfigError, match=r"unknown backend"):
            gate()


def test_what_needs_more_than_files_is_loaded_in_full_and_parses_no_yaml_twice(here, parses):
    notify = '[policy.notify]\nwebhook = "https://example.test/x"\nsecret = "env:HOOK_SECRET"\n'
    project(here, more=notify)
    environ = {**os.environ, "HOOK_SECRET": "whsec_" + "c2VjcmV0" * 4}
    assert [ask(open_gate(environ))[:3] for _ in range(2)] == [(True, None, "one")] * 2
    assert parses.count("yaml") == 1


def test_a_refusal_of_a_broken_store_is_journaled(here):
    state = here.parents[1] / ".local" / "state" / "codespar"
    ask(open_gate())
    (state / "policy.db").write_bytes(b"no database at all" * 500)
    (state / "policy.db-wal").unlink()
    assert ask(open_gate())[:2] == (False, "policy_error")
    assert (state / "gate.db").exists()


def test_without_a_working_directory_nothing_is_kept(home, monkeypatch):
    gone = home / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert ask(open_gate())[1] == "no_policy"


def test_what_a_call_imports(here):
    """The list that keeps the start short. What is new here costs every call of every agent."""
    code = (
        f"import sys; sys.path += {[str(ROOT), *[path for path in sys.path if path.endswith('site-packages')]]!r}\n"
        "from codespar_cli.cold_gate import open_gate\n"
        "from codespar_cli.core.calls import CallContext, ToolCall\n"
        "decision = open_gate().check(ToolCall('a', 'fs/read', None, CallContext(args={'n': 1})))\n"
        "print(decision.reservation_id, *sys.modules)"
    )
    for _ in range(2):
        ask(open_gate())
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=here
    )
    hold, *modules = done.stdout.split()
    assert hold.startswith("rs-")
    assert {name.partition(".")[0] for name in modules} & NOT_FOR_A_HOOK == set()
    assert len([name for name in modules if name.startswith("codespar_cli")]) < 75
