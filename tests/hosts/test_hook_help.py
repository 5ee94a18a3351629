"""`codespar hook HOST --help`: written into a host's configuration it must not be an allow."""

import json
import subprocess
import sys

import pytest
from hook_world import World, shell
from host_golden import HOSTS, denies


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    "words", [["hook", "{}", "--help"], ["hook", "-h", "{}"], ["--help", "hook", "{}"], ["-h", "hook", "{}"]]
)
def test_help_beside_a_host_is_a_denial_and_no_help(tmp_path, host, words):
    """Help on stdout with exit 0 is an allow to every host that takes silence, or what it cannot read, for one."""
    world = World(tmp_path)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "codespar_cli", *(word.format(host) for word in words)],
        input=json.dumps(shell(host, "ls")).encode(), capture_output=True, timeout=30, cwd=world.project,
        env=world.env, check=False,
    )  # fmt: skip
    assert denies(host, done.stdout, done.returncode)
    assert b"there is no option `-" in done.stdout + done.stderr
