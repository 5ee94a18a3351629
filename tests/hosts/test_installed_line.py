"""The installed command line in trouble: never an allow, never longer than 3 s, for every host."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from host_golden import HOSTS
from installed_line import InstalledLine

LONGEST_S = 3.0
START_S = 1.0
"""What a process may take to start on a machine that others keep busy."""
HOLDER = """
import os, signal, sys
import apsw
kept = [apsw.Connection(path) for path in sys.argv[1:]]
for connection in kept:
    connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""
PACKAGE = Path(__file__).parents[2] / "codespar_cli"


FAST = ("claude", "copilot")  # the one line without a shell, and the one whose end is an answer


@pytest.fixture(params=[pytest.param(host, marks=() if host in FAST else pytest.mark.slow) for host in HOSTS])
def line(request, tmp_path):
    return InstalledLine(tmp_path, request.param)


def wrong_with(line, run=None):
    """Asked twice, as what the first one leaves behind must not let the second one through: what is wrong with them."""
    for _ in range(2):
        began = time.monotonic()
        done = (run or line.run)()
        took = time.monotonic() - began
        if not line.runs_no_tool(done):
            return "the call is made", done
        if took >= LONGEST_S + START_S:
            return "it took too long", took
        if b"Traceback" in done.stderr:
            return "a traceback", done.stderr
    return None


def no_file(path):
    path.unlink()


def a_directory(path):
    path.unlink()
    path.mkdir()


def a_loop_of_links(path):
    path.unlink()
    path.symlink_to(path.name)


def a_link_to_nowhere(path):
    path.unlink()
    path.symlink_to("nowhere")


def a_pipe_that_nobody_writes(path):
    path.unlink()
    os.mkfifo(path)


def nothing_in_it(path):
    path.write_bytes(b"")


def half_of_it(path):
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) // 2])


def no_text(path):
    path.write_bytes(b"\xff\xfe\0" + path.read_bytes())


def far_too_much(path):
    path.write_bytes(path.read_bytes() + b"\n#" + b"x" * (8 << 20))


BREAKS = [
    no_file,
    a_directory,
    a_loop_of_links,
    a_link_to_nowhere,
    a_pipe_that_nobody_writes,
    nothing_in_it,
    half_of_it,
    no_text,
    far_too_much,
]


@pytest.mark.parametrize("file", ["plugins.toml", "policy.yaml"])
def test_a_configuration_that_is_gone_or_broken(line, file):
    path = line.world.project / file
    whole = path.read_bytes()
    for happens in BREAKS:
        if (file, happens) == ("plugins.toml", nothing_in_it):
            continue  # a valid one: whoever owns it may take the policy away
        happens(path)
        assert wrong_with(line) is None
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        path.write_bytes(whole)
        assert not line.runs_no_tool(line.run()), happens  # mended, it allows: it was this that was denied


@pytest.mark.parametrize("what", ["plugins.toml", "policy.yaml", "."])
def test_a_configuration_that_may_not_be_read(line, what):
    place = line.world.project / what
    mode = place.stat().st_mode
    place.chmod(0)
    try:
        assert wrong_with(line, line.run_with_modes) is None
    finally:
        place.chmod(mode)


@pytest.mark.parametrize("what", ["directory", "stores", "everything"])
def test_a_state_that_may_not_be_written(line, what):
    state = line.world.state
    inside = sorted(state.rglob("*"))
    stores = [path for path in inside if path.name.startswith("policy.db")]
    assert stores
    if what == "directory":  # with the stores in it there is nothing that needs to be written there
        shutil.rmtree(state)
        state.mkdir(mode=0o700)
    places = {"directory": [state], "stores": stores, "everything": [*inside, state]}[what]
    modes = {path: path.stat().st_mode for path in places}
    for path in places:
        path.chmod(modes[path] & 0o500)
    try:
        assert wrong_with(line, line.run_with_modes) is None
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def mounted(line, *commands):
    """The line in a mount namespace of its own, after these."""
    script = " && ".join((*commands, 'exec "$@"'))
    return lambda: line.run("unshare", "-Urm", "/bin/sh", "-c", script, "sh")


def needs_mounts():
    tried = subprocess.run(
        ["unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/tmp"], capture_output=True, check=False
    )
    if tried.returncode != 0:
        pytest.skip("this system lets nobody mount")


def test_a_state_on_a_file_system_that_is_read_only(line):
    needs_mounts()
    state = line.world.state
    assert wrong_with(line, mounted(line, f"mount --bind {state} {state}", f"mount -o remount,bind,ro {state}")) is None


@pytest.mark.parametrize("first", [True, False])
def test_a_state_on_a_file_system_that_is_full(line, first, tmp_path):
    """For the first call as for a later one: ENOSPC from the system itself."""
    needs_mounts()
    state, kept = line.world.state, tmp_path / "kept"
    shutil.copytree(state, kept)
    commands = [f"mount -t tmpfs -o size=4m,mode=0700 none {state}"]
    if not first:
        commands.append(f"cp -a {kept}/. {state}/")
    commands.append(f"{{ dd if=/dev/zero of={state}/filler bs=4k 2>/dev/null; true; }}")
    assert wrong_with(line, mounted(line, *commands)) is None


def test_stores_that_a_stopped_process_holds(line):
    stores = sorted(str(path) for path in line.world.state.rglob("*.db"))
    assert stores
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, *stores], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        assert wrong_with(line) is None
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_an_interpreter_that_is_not_there(line, tmp_path):
    line.lose(sys.executable, str(tmp_path / "gone" / "bin" / "python"))
    assert wrong_with(line) is None


@pytest.mark.parametrize("mode", [0o600, 0o700])
def test_an_interpreter_that_cannot_be_started(line, tmp_path, mode):
    broken = tmp_path / "python"
    broken.write_bytes(b"\x7fELF and nothing behind it")
    broken.chmod(mode)
    line.lose(sys.executable, str(broken))
    assert wrong_with(line) is None


@pytest.mark.parametrize("there", [False, True])
def test_a_package_that_is_not_there_or_has_lost_all_but_its_entry(line, tmp_path, there):
    entry = tmp_path / "copy" / "codespar_cli" / "hook_main.py"
    if there:
        entry.parent.mkdir(parents=True)
        shutil.copy(PACKAGE / "hook_main.py", entry)
    line.lose(str(PACKAGE / "hook_main.py"), str(entry))
    assert wrong_with(line) is None
