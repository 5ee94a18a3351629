"""`codespar trust`, `untrust` and `config show`: a person at a terminal, and everybody else."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from terminal_kit import Person

ROOT = Path(__file__).parents[2]
CODESPAR = [sys.executable, "-P", "-m", "codespar_cli"]
RULES = "version: 1\ndefault: {default}\nrules:\n  - {{id: push, effect: {effect}, tools: [git/push]}}\n  - {{id: zz, effect: allow}}\n"
SIGNS = ("CLAUDE", "CODEX", "CURSOR", "GEMINI", "COPILOT", "AGENT", "AI_AGENT", "VSCODE", "CODESPAR_", "XDG_")


class World:
    def __init__(self, root):
        self.home, self.project = root / "home", root / "home/project"
        self.user = self.home / ".config/codespar"
        for directory, effect in ((self.user, "deny"), (self.project, "allow")):
            directory.mkdir(parents=True)
            (directory / "plugins.toml").write_text('version = 1\n[policy]\nbackend = "engine"\n')
            (directory / "policy.yaml").write_text(RULES.format(default="deny", effect=effect))
        self.config = self.project / "plugins.toml"
        self.config.write_text('version = 1\ntenant = "acme"\n[policy]\nbackend = "engine"\n')
        kept = {name: value for name, value in os.environ.items() if not name.startswith(SIGNS)}
        self.env = {**kept, "HOME": str(self.home), "PYTHONPATH": str(ROOT), "TERM": "xterm"}

    def run(self, *arguments, **more):
        given = {"capture_output": True, "text": True, "timeout": 60, "cwd": self.project, "env": self.env} | more
        return subprocess.run([*CODESPAR, *arguments], check=False, **given)

    def person(self, *arguments, **environ):
        return Person([*CODESPAR, *arguments], cwd=self.project, env={**self.env, **environ})

    def push(self):
        return self.run("policy", "check", "git/push").returncode


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_a_person_trusts_what_was_shown_and_a_change_takes_it_back(world):
    assert world.push() == 3
    person = world.person("trust")
    shown = person.sees(b"type `trust` to go on: ")
    for words in (b"the policy of", b"line 2: tenant", b"loosens: rule push", b"pinned: plugins.toml, policy.yaml"):
        assert words in shown
    person.type(b"trust\n")
    assert person.leaves() == 0
    (record,) = (world.home / ".local/state/codespar/trust").iterdir()
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert stat.S_IMODE(record.parent.stat().st_mode) == 0o700
    assert world.push() == 0
    again = world.person("trust")
    assert again.leaves() == 0
    assert b"trusted already" in again.seen
    world.config.write_text(world.config.read_text() + "\n")
    assert world.push() == 3


@pytest.mark.parametrize("keys", [b"\n", b"y\n", b"yes\n", b"\x04"])
def test_one_key_is_not_enough(world, keys):
    person = world.person("trust", ".")
    person.sees(b"type `trust` to go on: ")
    person.type(keys)
    assert person.leaves() == 1
    assert not (world.home / ".local/state/codespar/trust").exists()


def test_what_was_shown_is_what_is_pinned(world):
    person = world.person("trust")
    person.sees(b"type `trust` to go on: ")
    world.config.write_text(world.config.read_text() + "# changed meanwhile\n")
    person.type(b"trust\n")
    assert person.leaves() == 0
    assert world.push() == 3


def test_nobody_trusts_without_a_terminal(world):
    done = world.run("trust", "-h")
    assert done.returncode == 0
    done = world.run("trust", input="trust\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no terminal" in done.stderr
    assert "hint: run codespar trust in a terminal of your own" in done.stderr


@pytest.mark.parametrize(
    "sign",
    ["CLAUDECODE", "CODEX_SANDBOX", "CODEX_THREAD_ID", "CURSOR_AGENT", "CURSOR_TRACE_ID", "GEMINI_CLI", "AI_AGENT"],
)
def test_an_agent_does_not_trust_even_with_a_terminal(world, sign):
    person = world.person("trust", **{sign: "1"})
    assert person.leaves() == 2
    assert sign.encode() in person.seen
    assert not (world.home / ".local/state/codespar/trust").exists()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the system does not show it")
def test_an_agent_that_takes_its_own_sign_away_is_seen_above(world):
    env = {**world.env, "CLAUDECODE": "1"}
    inner = f"env -u CLAUDECODE {' '.join(CODESPAR)} trust; true"
    person = Person(["/bin/sh", "-c", f"{inner}"], cwd=world.project, env=env)
    assert person.leaves() == 0
    assert b"CLAUDECODE says that an agent may be running it" in person.seen


def test_a_persons_own_settings_are_no_sign(world):
    person = world.person("trust", CODEX_HOME=str(world.home / ".codex"), CURSOR_API_KEY="x")
    person.sees(b"type `trust` to go on: ")
    person.type(b"trust\n")
    assert person.leaves() == 0


def test_untrust_needs_nobody_and_says_what_it_found(world):
    assert world.run("untrust").returncode == 6
    person = world.person("trust")
    person.sees(b"to go on: ")
    person.type(b"trust\n")
    assert person.leaves() == 0
    assert world.run("untrust", str(world.project)).returncode == 0
    assert world.push() == 3
    assert world.run("untrust", "nowhere").returncode == 6


def test_what_is_ignored_is_said_once_on_stderr(world):
    done = world.run("policy", "check", "git/pull", "-o", "json")
    assert json.loads(done.stdout)["allowed"] is True
    assert done.stderr.count("a project may only tighten") == 1
    assert "tenant (line 2)" in done.stderr


def test_config_show_says_whose_word_each_value_is(world):
    rows = json.loads(world.run("config", "show", "--origin", "-o", "json").stdout)
    told = {(row["origin"], row["key"]): (row["value"], row["line"], row["effect"]) for row in rows}
    assert told["project", "tenant"] == ("acme", 2, "ignored")
    assert told["user", "policy.backend"] == ("engine", 3, "in effect")
    assert told["project", "policy.backend"] == ("engine", 4, "in effect")
    assert told["default", "tenant"] == ("default", None, "in effect")
    env = {**world.env, "CODESPAR_TENANT": "other", "CODESPAR_STATE_DIR": str(world.home / "s")}
    rows = json.loads(world.run("config", "show", "--origin", "-o", "json", env=env).stdout)
    told = {(row["origin"], row["key"]): row["value"] for row in rows}
    assert told["environment", "tenant"] == "other"
    assert told["environment", "state_dir"] == str(world.home / "s")
    assert "ignored" not in world.run("config", "show").stdout


def test_config_show_shows_no_secret(world):
    text = '[policy]\nbackend = "engine"\nstore = "postgresql://me:hunter2@db.example/x"\n[secrets]\nbackend = "vault"\nmaster_key = "env:KEY"\n'
    (world.user / "plugins.toml").write_text("version = 1\n" + text)
    for arguments in (("--origin",), (), ("-o", "json")):
        done = world.run("config", "show", *arguments)
        assert done.returncode == 0, done.stderr
        assert "hunter2" not in done.stdout + done.stderr
        assert "env:KEY" in done.stdout
