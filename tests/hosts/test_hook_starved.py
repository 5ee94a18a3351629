"""A hook that may open only so many files: wherever it can open no more, a call that is denied stays denied."""

import json
import resource
import subprocess
import sys

import pytest
from hook_world import HOOK, World, shell
from host_golden import HOSTS, denies

FEWEST = (
    4  # with less, the system does not even start Python: what the configured command line is followed by says no then
)
MOST = 14


def asked(world, command, event, files):
    return subprocess.run(
        command,
        input=json.dumps(event).encode(),
        capture_output=True,
        timeout=30,
        cwd=world.project,
        env=world.env,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),
    )


@pytest.mark.parametrize("started", ["module", "file"])
@pytest.mark.parametrize("host", HOSTS)
def test_a_denied_call_is_denied_with_any_number_of_files(tmp_path, host, started):
    world = World(tmp_path)
    file = [sys.executable, "-I", "-S", f"{world.env['PYTHONPATH']}/codespar_cli/hook_main.py", host]
    command = [*HOOK, host] if started == "module" else file
    event = shell(host, "rm -rf build")
    for files in range(FEWEST, MOST):
        done = asked(world, command, event, files)
        if (started, done.returncode) == ("module", 1):  # Python's own end, before anything of ours: see FEWEST
            assert done.stdout == b"", (files, done)
            continue
        assert denies(host, done.stdout, done.returncode), (files, done)
        assert host != "copilot" or done.returncode == 0, (files, done)  # an exit code may be a permission to it
    done = asked(world, command, event, 64)
    assert b"nothing is removed here" in done.stdout + done.stderr
