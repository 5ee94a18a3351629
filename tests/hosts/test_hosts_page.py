"""What docs/hosts.md gives to copy is run as it stands there, by a shell as hosts do it."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hook_world import World, shell
from host_golden import BEFORE, HOSTS, denies

from codespar_cli.hosts.install.command import TAIL_BLOCK, TAIL_COPILOT
from codespar_cli.hosts.install.layouts import LAYOUTS
from codespar_cli.hosts.install.readings import Ended, reading_of

PAGE = (Path(__file__).parents[2] / "docs" / "hosts.md").read_text()
TITLES = {
    "claude": "Claude Code",
    "codex": "Codex CLI",
    "cursor": "Cursor",
    "gemini": "Gemini CLI",
    "copilot": "Copilot",
}
INSTALLED = "/usr/local/bin/codespar"


def block(host):
    kind, text = re.search(
        rf"^## {TITLES[host]}\n.*?^```(json|toml)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL
    ).groups()
    return json.loads(text) if kind == "json" else tomllib.loads(text)


def commands(value, event=None):
    """Every (event, shell command) of a configuration."""
    if isinstance(value, list):
        return [found for item in value for found in commands(item, event)]
    if not isinstance(value, dict):
        return []
    line = value.get("command", value.get("bash"))
    if isinstance(line, str):
        return [(event, shlex.join([line, *value["args"]]) if "args" in value else line)]
    return [found for key, item in value.items() for found in commands(item, event if key == "hooks" else key)]


@pytest.mark.parametrize("host", HOSTS)
def test_the_copyable_block_of_each_host_denies_and_allows(tmp_path, host):
    world = World(tmp_path)
    found = commands(block(host)["hooks"])
    before = BEFORE[host] or "preToolUse"
    assert before in dict(found)
    for _, line in found:
        assert line.startswith(f"{INSTALLED} hook {host}")
    line = dict(found)[before].replace(INSTALLED, f"{shlex.quote(sys.executable)} -P -m codespar_cli")
    for command, denied in (("ls", False), ("rm -rf build", True)):
        done = subprocess.run(
            ["sh", "-c", line], input=json.dumps(shell(host, command)).encode(), capture_output=True, timeout=30,
            cwd=world.project, env=world.env, check=False,
        )  # fmt: skip
        assert denies(host, done.stdout, done.returncode) is denied


def judged_handler(host):
    """What stands in the block for the event that a call waits for."""
    layout = LAYOUTS[host]
    (entry,) = block(host)["hooks"][layout.judged]
    return entry["hooks"][0] if layout.grouped else entry


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("program", ["/nowhere/codespar", "false", "kill -9 $$ #", "starved"])
def test_a_hook_of_the_block_that_cannot_start_is_a_denial(tmp_path, host, program):
    """`starved` is the interpreter with too few file descriptors: it ends before anything of ours runs."""
    world, handler = World(tmp_path), judged_handler(host)
    command = tmp_path / "codespar"
    run = f"ulimit -n 4; exec {shlex.quote(sys.executable)} -P -m codespar_cli" if program == "starved" else program
    command.write_text(f'#!/bin/sh\n{run} "$@"\n')
    command.chmod(0o755)
    (line,) = [line for event, line in commands(block(host)["hooks"]) if event == LAYOUTS[host].judged]
    done = subprocess.run(
        ["sh", "-c", line.replace(INSTALLED, shlex.quote(str(command)))], input=json.dumps(shell(host, "rm -rf build")).encode(),
        capture_output=True, timeout=30, cwd=world.project, env=world.env, check=False,
    )  # fmt: skip
    ended = Ended(done.returncode, done.stdout, done.stderr, 0.0)
    assert reading_of(host, handler, ended).verdict == "deny", ended


@pytest.mark.parametrize("host", HOSTS)
def test_a_switch_that_closes_a_crash_is_in_the_block_of_every_host_that_has_one(host):
    (written,) = [entry for event, entry in LAYOUTS[host].entries() if event == LAYOUTS[host].judged]
    written = written["hooks"][0] if LAYOUTS[host].grouped else written
    handler = judged_handler(host)
    for key in ("onFailure", "failClosed"):
        assert handler.get(key) == written.get(key)
    ends = {"claude": "", "copilot": TAIL_COPILOT}
    assert str(handler[LAYOUTS[host].command_key]).endswith(ends.get(host, TAIL_BLOCK))
