"""`doctor` and `hosts status` say which files govern, and how much of it an agent could undo."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from codespar_cli.cli.io import Terminal
from codespar_cli.cli.protection_level import governing_layers, layer_words, level_of, level_words
from codespar_cli.cli.session import Session
from codespar_cli.hosts.governed_places import GovernedPlaces
from codespar_cli.hosts.install import protection as levels
from codespar_cli.startup import read_config

POLICY = 'version = 1\n[policy]\nbackend = "engine"\n'
RULES = "version: 1\nrules: []\n"
ROOT = Path(__file__).parents[2]


class Files:
    def __init__(self, root, monkeypatch):
        self.home, self.project, self.admin = root / "home", root / "home" / "project", root / "etc"
        self.own = self.home / ".config" / "codespar"
        for directory in (self.own, self.project, self.admin, self.home / ".claude"):
            directory.mkdir(parents=True)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "CODESPAR_STATE_DIR": str(root / "state"),
            "PYTHONPATH": str(ROOT),
        }
        monkeypatch.chdir(self.project)

    def say(self, directory, text=POLICY):
        (directory / "plugins.toml").write_text(text)
        (directory / "policy.yaml").write_text(RULES)
        return directory / "plugins.toml"

    def codespar(self, *arguments, cwd=None, **process):
        return subprocess.run(
            [sys.executable, "-P", "-m", "codespar_cli", *arguments],
            capture_output=True, text=True, timeout=120, cwd=cwd or self.project, env=self.env, check=False, **process,
        )  # fmt: skip

    def session(self):
        return Session(Terminal(sys.stdin, sys.stdout, sys.stderr, color=False), environ=self.env)


@pytest.fixture
def files(tmp_path, monkeypatch):
    return Files(tmp_path, monkeypatch)


def rows(done, check):
    return [row["message"] for row in json.loads(done.stdout) if row["check"] == check]


def test_doctor_says_nothing_of_it_where_nothing_governs(files):
    done = files.codespar("doctor", "-o", "json")
    assert (done.returncode, rows(done, "governed by"), rows(done, "protection")) == (0, [], [])


def test_doctor_names_every_file_that_governs_and_the_level_with_what_it_means(files):
    own, project = files.say(files.own), files.say(files.project)
    done = files.codespar("doctor", "-o", "json")
    assert rows(done, "governed by") == [
        f"user: {own}, bounds every call; an agent can change it",
        f"project: {project}, may only tighten; an agent can change it",
    ]
    [level] = rows(done, "protection")
    assert level.startswith(
        "L0, same user: what an agent does through a host's tools is prevented, what it does beside them is"
    )
    assert f"can be changed from here: {own}, " in level


def test_a_project_alone_and_a_file_without_a_policy_are_told_so(files):
    project = files.say(files.project)
    done = files.codespar("doctor", "-o", "json")
    assert rows(done, "governed by") == [
        f"project: {project}, governs calls made below it and no others; an agent can change it"
    ]
    own = files.say(files.own, "version = 1\n")
    assert f"user: {own}, has no policy; an agent can change it" in rows(
        files.codespar("doctor", "-o", "json"), "governed by"
    )


def test_hosts_status_says_the_same_for_people_and_programs(files):
    own = files.say(files.own)
    files.codespar("hosts", "install", "claude", "--yes")
    said = files.codespar("hosts", "status", "claude").stdout
    assert f"governed by user: {own}, bounds every call; an agent can change it\n" in said
    assert "protection L0, same user: " in said
    [row] = json.loads(files.codespar("hosts", "status", "claude", "-o", "json").stdout)
    assert row["protection"]["level"] == "L0"
    assert str(files.home / ".claude" / "settings.json") in row["protection"]["changeable"]
    assert row["governed_by"] == [
        {"layer": "user", "file": str(own), "role": "bounds every call", "has_policy": True, "changeable": True}
    ]


@pytest.mark.parametrize(
    ("own", "project", "mode"),
    [
        ('mode = "observe"\n', None, "observe"),
        ("", None, "enforce"),
        ("", 'mode = "observe"\n', "enforce"),
        (None, 'mode = "observe"\n', "observe"),
        (None, None, None),
    ],
)
def test_that_nothing_is_denied_yet_is_told_by_hosts_status(files, own, project, mode):
    for directory, line in ((files.own, own), (files.project, project)):
        if line is not None:
            files.say(directory, POLICY + line)
    said = files.codespar("hosts", "status", "claude").stdout
    assert said.count("observe mode: nothing is denied yet\n") == (mode == "observe")
    [row] = json.loads(files.codespar("hosts", "status", "claude", "-o", "json").stdout)
    assert row["mode"] == mode


def test_doctor_names_the_line_that_ends_observe_mode(files):
    own = files.say(files.own, POLICY + 'mode = "observe"\n')
    found = json.loads(files.codespar("doctor", "-o", "json").stdout)
    [policy] = [row for row in found if row["check"] == "policy"]
    assert policy["message"].endswith("observe mode denies nothing")
    assert policy["fix"] == f'mode = "enforce" under [policy] in {own}'


@pytest.mark.parametrize("loss", ["gone", "cut off"])
def test_what_governed_and_does_not_any_more_is_told_as_hooks_deny_for_it(files, loss):
    config = files.say(files.own if loss == "gone" else files.project)
    below = files.project / "below"
    below.mkdir()
    places = GovernedPlaces(files.env["CODESPAR_STATE_DIR"], str(files.own))
    places.remember(str(config))
    hint = f"take its line out of {places.path}"
    if loss == "gone":
        config.rename(config.with_name("away"))
        words, hint = f"{config}: governed the calls made here and is not there any more", f"put it back, or {hint}"
    else:
        (below / ".git").mkdir()
        words = (
            f"{config}: governed calls and is not found from here: a repository that begins in between ends the search"
        )
        hint = f"name it: --config {config}, or {hint}"
    done = files.codespar("doctor", "-o", "json", cwd=below)
    found = {row["check"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 1
    assert found["configuration"] == {
        "check": "configuration", "status": "error", "message": f"hooks deny every call made here: {words}", "fix": hint,
    }  # fmt: skip
    assert "allowed" not in found["policy"]["message"]
    told = f"warning: hooks deny every call made here: {words}; {hint}"
    for command in (("policy", "check", "Bash"), ("plugins", "status"), ("hosts", "status", "claude")):
        lines = files.codespar(*command, cwd=below).stderr.splitlines()
        assert lines.count(told) == 1
        assert not any("every call is allowed" in line or "allow every call" in line for line in lines)
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {}}}
    wrapped = files.codespar("mcp", "wrap", "--name", "s", "--", "cat", cwd=below, input=json.dumps(call) + "\n")
    result = json.loads(wrapped.stdout)["result"]
    assert (result["isError"], result["content"][0]["text"].endswith(f"{words}; hint: {hint}")) == (True, True)
    named = ("--config", str(files.say(files.project)))
    assert "hooks deny" not in files.codespar(*named, "policy", "check", "Bash", cwd=below).stderr


def test_nothing_is_missed_where_nothing_governed(files):
    assert files.codespar("policy", "check", "Bash").stderr == "no policy is active: every call is allowed\n"
    found = {row["check"]: row for row in json.loads(files.codespar("doctor", "-o", "json").stdout)}
    assert found["configuration"]["message"] == "none found, the defaults apply"


def test_an_administrators_file_is_level_1_and_named_first(files, monkeypatch):
    """In this process: where the administrator's file lies can be said by no option and no variable."""
    admin, own = files.say(files.admin), files.say(files.own)
    monkeypatch.setattr(levels.os, "access", lambda path, mode: Path(path).is_relative_to(files.home))
    config = read_config(environ=files.env, administrators=admin)
    found = governing_layers(files.session(), config, administrators=admin)
    assert [layer_words(layer) for layer in found] == [
        f"administrator: {admin}, bounds every call; it cannot be changed from here",
        f"user: {own}, bounds every call; an agent can change it",
    ]
    level = level_of(config, found, [])
    assert level_words(level) == (
        "L1, administrator: the administrator's rules bound every call and cannot be changed from here; the rest can, and "
        f"that is detected only; can be changed from here: {own}, {own.parent / 'policy.yaml'}"
    )


def test_a_configuration_that_cannot_be_read_is_told_after_the_hosts(files):
    files.say(files.own)
    files.codespar("hosts", "install", "claude", "--yes")
    files.say(files.own, "version = 1\n[polcy]\n")
    for output in ("table", "json"):
        done = files.codespar("hosts", "status", "claude", "-o", output)
        assert done.returncode == 2
        assert "claude" in done.stdout
        assert "polcy" in done.stderr
