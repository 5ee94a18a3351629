"""Whatever happens to a hook process while a call waits for its answer: never an allow, never longer than 3 s."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hook_world import ALLOW_ALL, HOOK, World, shell
from host_golden import HOSTS, denies

LONGEST_S = 3.0
PACKAGE = Path(__file__).parents[2] / "codespar_cli"
STOPPING = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGXCPU", "SIGUSR1", "SIGUSR2", "SIGALRM")
HOLDER = """
import os, signal, sys
from pathlib import Path
import apsw
for path in sys.argv[1:]:
    connection = apsw.Connection(path)
    connection.execute("BEGIN IMMEDIATE")
    globals()[path] = connection
print("held", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, rules=ALLOW_ALL)


def finish(process, began, event=None):
    """(stdout, stderr, exit code) of a process that ended in time."""
    try:
        stdout, stderr = process.communicate(event, timeout=20)
    finally:
        process.kill()
    assert time.monotonic() - began < LONGEST_S + 1  # its own start on a busy machine included
    return stdout, stderr, process.returncode


def until_it_listens(process):
    """Wait until the process catches SIGTERM, told by the system."""
    wanted = 1 << (signal.SIGTERM - 1)
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
        if int(caught, 16) & wanted:
            return
        time.sleep(0.001)  # nothing tells when a handler is in place; this is how often we look
    pytest.fail("ended before it listened")


@pytest.mark.parametrize("host", HOSTS)
def test_an_event_that_never_ends_is_a_deny_at_the_deadline(world, host):
    began = time.monotonic()
    process = world.start(host)
    process.stdin.write(json.dumps(shell(host, "ls")).encode()[:-1])
    process.stdin.flush()
    process.wait(20)
    stdout, _, code = finish(process, began)
    assert denies(host, stdout, code)


@pytest.mark.parametrize("name", STOPPING)
@pytest.mark.parametrize("host", ["claude", "copilot"])
def test_a_signal_is_a_deny(world, host, name):
    process = world.start(host)
    until_it_listens(process)
    process.send_signal(getattr(signal, name))
    stdout, _, code = finish(process, time.monotonic())
    assert denies(host, stdout, code)


def test_a_killed_process_leaves_nothing_that_could_pass_for_an_allow_with_the_installed_line(world):
    line = f"{' '.join(HOOK)} codex || exit 2"
    process = subprocess.Popen(
        ["sh", "-c", line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=world.project, env=world.env,
    )  # fmt: skip
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not (child := children.read_text().split()):
        assert process.poll() is None
        time.sleep(0.001)
    os.kill(int(child[0]), signal.SIGKILL)
    stdout, _, code = finish(process, time.monotonic())
    assert (stdout, code) == (b"", 2)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(world, host, closed):
    done = subprocess.run(
        ["sh", "-c", f"exec {' '.join(HOOK)} {host} {closed}"],
        input=json.dumps(shell(host, "ls")).encode(), capture_output=True, timeout=20, cwd=world.project, env=world.env, check=False,
    )  # fmt: skip
    if closed == "2>&-":  # nothing is missing that an answer needs
        assert (done.returncode, denies(host, done.stdout, 0)) == (0, False)
    else:
        assert denies(host, done.stdout, done.returncode)
    assert (done.returncode == 2) == (">&- " in f"{closed} " and closed != "2>&-")


@pytest.mark.parametrize("host", HOSTS)
def test_nobody_left_to_read_is_exit_2_and_gives_back_what_was_held(tmp_path, host):
    world = World(tmp_path)
    world.hook(host, shell(host, "ls"))
    reading, writing = os.pipe()
    os.close(reading)
    done = world.hook(host, shell(host, "ls", "use-2"), capture_output=False, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert done.returncode == 2
    assert b"nobody reads the answer" in done.stderr
    assert world.budget(host) == (("1.00", "0.00") if host == "codex" else ("0.00", "1.00"))


def test_a_full_device_for_an_answer_is_exit_2(world):
    with open("/dev/full", "wb") as full:
        done = world.hook("gemini", shell("gemini", "ls"), capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.startswith(b"codespar: ")


def test_a_reader_that_does_not_read_is_not_waited_for(world):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"\n" * 4096)
    except BlockingIOError:
        os.set_blocking(writing, True)
    began = time.monotonic()
    done = world.hook("gemini", shell("gemini", "ls"), capture_output=False, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    os.close(reading)
    assert done.returncode == 2
    assert time.monotonic() - began < LONGEST_S + 1


@pytest.mark.parametrize("host", HOSTS)
def test_a_store_that_a_stopped_process_holds_is_a_deny_in_time(tmp_path, host):
    world = World(tmp_path)
    world.hook(host, shell(host, "ls"))
    stores = [str(path) for path in world.state.glob("*.db")]
    assert stores
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, *stores], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        began = time.monotonic()
        done = world.hook(host, shell(host, "ls", "use-2"))
        took = time.monotonic() - began
        ended = (
            world.hook(host, shell(host, "ls", hook_event_name="PostToolUse", tool_response={}))
            if host == "claude"
            else done
        )
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert denies(host, done.stdout, done.returncode)
    assert took < LONGEST_S + 1
    assert host != "claude" or (ended.returncode, ended.stdout) == (0, b"")


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("state", ["a file", "below a file", "full", "damaged", "open to others", "a link to nowhere"])
def test_a_state_that_cannot_be_used_is_a_deny(tmp_path, host, state):
    world = World(tmp_path)
    process = {}
    if state == "damaged":
        world.hook(host, shell(host, "ls"))
        for path in world.state.glob("policy.db-*"):
            path.unlink()
        (world.state / "policy.db").write_bytes(b"not a database, and long enough to be taken for one" * 100)
    elif state == "open to others":
        world.state.mkdir()
        world.state.chmod(0o777)
    elif state == "full":
        process["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        process["stdout"], process["stderr"], process["capture_output"] = subprocess.PIPE, subprocess.PIPE, False
    elif state == "a link to nowhere":
        world.state.symlink_to(tmp_path / "nowhere")
    else:
        world.state.write_text("in the way")
        if state == "below a file":
            world.env["CODESPAR_STATE_DIR"] = str(world.state / "deeper")
    done = world.hook(host, shell(host, "ls"), **process)
    assert denies(host, done.stdout, done.returncode)


BROKEN = {
    "nonsense": "this is not python",
    "an import that is not there": "import no_such_module_anywhere\n",
    "leaving with 0": "import sys\nsys.exit(0)\n",
    "an interrupt": "raise KeyboardInterrupt\n",
    "not enough memory": "raise MemoryError\n",
}
OWN_MODULES = (
    "cli/hook_line.py",
    "cli/hook_door.py",
    "cli/hook_verdict.py",
    "cli/hook_gate.py",
    "hosts/answer.py",
    "hosts/dialects/__init__.py",
    "hosts/dialects/{host}.py",
    "hosts/strict_event.py",
    "hosts/referee.py",
    "core/gate.py",
    "core/light_json.py",
    "cold_gate.py",
    "plugins/policy/engine.py",
)


@pytest.mark.parametrize("module", OWN_MODULES)
def test_a_module_of_our_own_that_cannot_be_imported_is_a_deny(world, tmp_path, module):
    copy = tmp_path / "copy" / "codespar_cli"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    world.env["PYTHONPATH"] = str(copy.parent)
    for host, (label, source) in zip(HOSTS, BROKEN.items(), strict=True):
        broken = copy / module.format(host=host)
        kept = broken.read_text()
        broken.write_text(source)
        done = world.hook(host, shell(host, "ls"))
        broken.write_text(kept)
        assert denies(host, done.stdout, done.returncode), (host, label, done)


@pytest.mark.parametrize(
    "module", ["__init__.py", "__main__.py", "cli/__init__.py", "cli/hook_door.py", "core/light_typing.py"]
)
def test_the_isolated_line_denies_whatever_of_ours_is_broken(world, tmp_path, module):
    copy = tmp_path / "copy" / "codespar_cli"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / module).write_text("import no_such_module_anywhere\n")
    for host in HOSTS:
        done = subprocess.run(
            [sys.executable, "-I", "-S", copy / "hook_main.py", host], input=json.dumps(shell(host, "ls")).encode(),
            capture_output=True, timeout=30, cwd=world.project, env=world.env, check=False,
        )  # fmt: skip
        assert denies(host, done.stdout, done.returncode)
        assert b"Traceback" not in done.stderr


PLUGINS = {
    "talks": (
        "print('{}', flush=True); import os; os.write(1, b'null'); return PolicyDecision(allowed=False, reason='no')",
        "no",
    ),
    "raises": ("raise RuntimeError('secret-value')", "RuntimeError"),
    "leaves": ("raise SystemExit(0)", "SystemExit"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "sleeps": ("import time; time.sleep(60)", "no answer within"),
    "answers nonsense": ("return True", "nonsense"),
    "loses stdout": (
        "import os, sys; sys.stdout.close(); os.close(1); return PolicyDecision(allowed=False, reason='no')",
        "no",
    ),
}


def plugin(tmp_path, body):
    """An installed distribution whose policy does this when it is asked."""
    site = tmp_path / "site"
    facts = site / "odd-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[codespar.policy]\nodd = odd_policy:make\n")
    (site / "odd_policy.py").write_text(
        "from codespar_cli.core.hooks import PolicyDecision\n"
        "class Odd:\n"
        "    def evaluate(self, agent_id, tool_name, estimated_cost=None, *, context=None):\n"
        f"        {body}\n"
        "def make(options, services):\n"
        "    return Odd()\n"
    )
    return site


@pytest.mark.parametrize("what", PLUGINS)
def test_whatever_somebodys_policy_does_the_answer_is_ours(tmp_path, what):
    body, words = PLUGINS[what]
    world = World(tmp_path, plugins='version = 1\n[policy]\nbackend = "odd"\n')
    world.env["PYTHONPATH"] += os.pathsep + str(plugin(tmp_path, body))
    for host in ("claude", "cursor"):
        began = time.monotonic()
        done = world.hook(host, shell(host, "ls"))
        assert denies(host, done.stdout, done.returncode)
        assert words in (done.stdout + done.stderr).decode()
        assert b"secret-value" not in done.stdout + done.stderr
        assert time.monotonic() - began < LONGEST_S + 1


def test_what_never_lets_go_of_the_interpreter_is_ended_by_the_system(tmp_path):
    body = "import re; re.match('(a+)+$', 'a' * 40 + 'b')"
    world = World(tmp_path, plugins='version = 1\n[policy]\nbackend = "odd"\n')
    world.env["PYTHONPATH"] += os.pathsep + str(plugin(tmp_path, body))
    done = world.hook("codex", shell("codex", "ls"))
    assert (done.returncode, done.stdout) in {(-signal.SIGVTALRM, b"")} or denies("codex", done.stdout, done.returncode)
