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


@pytest.mark.parametrize("host", HOSTS)
def test_a_switch_that_closes_a_crash_is_in_the_block_of_every_host_that_has_one(host):
    text = json.dumps(block(host))
    switch = {
        "claude": '"onFailure": "block"',
        "cursor": '"failClosed": true',
        "codex": "|| exit 2",
        "gemini": "|| exit 2",
    }
    assert switch.get(host, "") in text
