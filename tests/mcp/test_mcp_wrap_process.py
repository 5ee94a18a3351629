"""`codespar mcp wrap` as a process: exit codes, signals, ends of either side, secrets, names, command lines."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from wrapped_kit import TIMEOUT, Wrapping

KEY = "hex:" + "ab" * 32
CANARY = "canary-51fe0c"


@pytest.fixture
def wrapping(tmp_path):
    return Wrapping(tmp_path)


def server_pid(session):
    """The server that a wrapped session started."""
    return child_of(session.process.pid)


def child_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as listed:
        (child,) = [int(text) for text in listed.read().split()]
    return child


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as facts:
            return facts.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until(condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("code", [0, 1, 2, 7, 127, 255])
def test_the_exit_code_is_the_servers(wrapping, code):
    with wrapping.wrapped() as wrapped:
        wrapped.send(
            {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "die", "arguments": {"code": code}}}
        )
        assert wrapped.wait() == code
    (row,) = wrapping.metrics()
    assert (row["tool"], row["error_type"]) == ("small/die", "server_gone")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGABRT, signal.SIGHUP])
def test_it_dies_of_the_servers_signal(wrapping, number):
    with wrapping.wrapped() as wrapped:
        arguments = {"signal": int(number)}
        wrapped.send(
            {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "die", "arguments": arguments}}
        )
        assert wrapped.wait() == -number
    assert [row["error_type"] for row in wrapping.metrics()] == ["server_gone"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_passed_on_to_the_server(wrapping, number):
    program = (
        "import signal, sys, threading\n"
        f"signal.signal({int(number)}, lambda *_: (sys.stdout.write('got it\\n'), sys.stdout.flush(), sys.exit(9)))\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()\n"
    )
    with wrapping.wrapped(sys.executable, "-S", "-c", program) as wrapped:
        assert wrapped.line() == b"ready\n"
        wrapped.process.send_signal(number)
        assert wrapped.line() == b"got it\n"
        assert wrapped.wait() == 9


def test_the_server_is_told_when_the_client_closes_and_ends_by_itself(wrapping):
    with wrapping.wrapped(sys.executable, "-S", "-c", "import sys; sys.stdin.read(); print('bye')") as wrapped:
        assert wrapped.end() == 0
        assert wrapped.line() == b"bye\n"


def test_a_server_that_does_not_end_is_ended_when_nobody_reads_it(wrapping):
    program = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(600)\n"
    command = wrapping.command(sys.executable, "-S", "-c", program)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=wrapping.environ, cwd=wrapping.directory, **pipes) as process:
        assert process.stdout.readline() == b"ready\n"
        pid = child_of(process.pid)
        process.stdout.close()
        process.stdin.close()
        assert process.wait(TIMEOUT) == -signal.SIGKILL
        assert is_gone(pid)


def test_killing_the_server_ends_the_wrapper_and_kills_no_answer(wrapping):
    with wrapping.wrapped() as wrapped:
        assert wrapped.call("echo")["result"]
        os.kill(server_pid(wrapped), signal.SIGKILL)
        assert wrapped.line() == b""
        assert wrapped.wait() == -signal.SIGKILL


def test_killing_the_wrapper_ends_the_server(wrapping):
    with wrapping.wrapped() as wrapped:
        assert wrapped.call("echo")["result"]
        pid = server_pid(wrapped)
        wrapped.process.kill()
        assert wrapped.line() == b""
        wait_until(lambda: is_gone(pid))


def test_killing_the_client_ends_both(wrapping):
    client = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen({wrapping.command()!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        'p.stdin.write(b\'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow"}}\\n\')\n'
        "p.stdin.flush()\n"
        "print(p.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", client], env=wrapping.environ, stdout=subprocess.PIPE)
    with process:
        wrapper = int(process.stdout.readline())
        wait_until(lambda: b"slow" in wrapping.seen_by_server())
        server = child_of(wrapper)
        process.kill()
    wait_until(lambda: is_gone(server) and is_gone(wrapper))
    assert (is_gone(server), is_gone(wrapper)) == (True, True)


def test_output_without_a_newline_and_what_is_no_json_pass(wrapping):
    data = b'log line\r\n\xff\xfe\x00\n\n{"half":'
    program = f"import sys; sys.stdout.buffer.write({data!r}); sys.stdout.flush()"
    with wrapping.wrapped(sys.executable, "-S", "-c", program) as wrapped:
        got = b"".join(iter(wrapped.line, b""))
        assert wrapped.wait() == 0
    assert got == data


def test_a_grandchild_that_holds_the_pipe_does_not_keep_it_alive(wrapping):
    program = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])\n"
        "sys.stderr.write(str(p.pid)); sys.stderr.flush()\nprint('last words', flush=True)\n"
    )
    with wrapping.wrapped(sys.executable, "-S", "-c", program) as wrapped:
        assert wrapped.line() == b"last words\n"
        code = wrapped.process.wait(TIMEOUT)
        os.killpg(wrapped.process.pid, signal.SIGKILL)
        assert code == 0


def test_stderr_of_the_server_passes(wrapping):
    with wrapping.wrapped(sys.executable, "-S", "-c", "import sys; sys.stderr.write('a word\\n')") as wrapped:
        assert wrapped.wait() == 0
        assert wrapped.stderr == "a word\n"


# ── secrets ──


@pytest.fixture
def vault(tmp_path):
    wrapping = Wrapping(tmp_path, config='[secrets]\nbackend = "vault"\n')
    wrapping.environ["VAULT_MASTER_KEY"] = KEY
    kept = wrapping.codespar("secrets", "set", "github/token", stdin=CANARY.encode())
    assert kept.returncode == 0, kept.stderr
    return wrapping


def test_a_reference_is_its_value_for_the_server_alone(vault):
    names = ["GITHUB_TOKEN", "OTHER", "PLAIN", "URL", "VAULT_MASTER_KEY", "CODESPAR_STATE_DIR"]
    given = {"GITHUB_TOKEN": "secret:github/token", "OTHER": "env:PLAIN", "PLAIN": "as it is", "URL": "secret://x/y"}
    with vault.wrapped(**given) as wrapped:
        found = json.loads(wrapped.call("env", {"names": names})["result"]["content"][0]["text"])
        with open(f"/proc/{server_pid(wrapped)}/cmdline", "rb") as argv:
            assert CANARY.encode() not in argv.read()
        assert wrapped.end() == 0
        assert CANARY not in wrapped.stderr
    assert found == {
        **given,
        "GITHUB_TOKEN": CANARY,
        "VAULT_MASTER_KEY": None,
        "CODESPAR_STATE_DIR": vault.environ["CODESPAR_STATE_DIR"],
    }
    for path in vault.directory.joinpath("state").rglob("*"):
        assert CANARY.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("TOKEN", "secret:not/there", "environment.TOKEN: `secret:not/there` has no value"),
        ("NODE_OPTIONS", "secret:github/token", "`NODE_OPTIONS` decides which code runs"),
        ("VAULT_MASTER_KEY", "secret:github/token", "VAULT_MASTER_KEY"),
    ],
)
def test_without_its_value_the_server_does_not_start(vault, variable, value, words):
    with vault.wrapped(**{variable: value}) as wrapped:
        assert wrapped.wait() == 2
        assert words in wrapped.stderr
        assert "hint: " in wrapped.stderr
        assert wrapped.line() == b""
    assert vault.seen_by_server() == b""


# ── command lines ──


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["no-such-server"], 127, "`no-such-server`: no such command"),
        (["/etc"], 126, "cannot be run"),
        ([sys.executable, "-c", "pass"], 2, "no name for the server can be told"),
    ],
)
def test_what_cannot_be_started_is_said(wrapping, command, code, words):
    with wrapping.wrapped(*command, options=()) as wrapped:
        assert wrapped.wait() == code
        assert words in wrapped.stderr
        assert "Traceback" not in wrapped.stderr


def test_typer_runs_what_the_light_door_leaves_over(wrapping):
    found = wrapping.codespar("mcp", "wrap", "--name", "x", sys.executable, "-c", "print(1)")
    assert (found.returncode, found.stdout) == (0, b"1\n"), found.stderr
    for arguments in (["mcp", "wrap", "--help", "--", "x"], ["mcp", "--help"]):
        assert b"wrap" in wrapping.codespar(*arguments).stdout
    assert wrapping.codespar("mcp", "wrap", "--nonsense", "--", "x").returncode == 2
    assert wrapping.codespar("mcp", "wrap", "--name", "a b", "--", "x").returncode == 2
    assert wrapping.codespar("mcp", "wrap", "--").returncode == 2


def test_the_path_of_a_call_is_free_of_what_is_heavy(wrapping):
    """Nothing of Typer, rich or asyncio is ever imported, and nothing of the policy before the server is started."""
    program = "import sys; sys.stdin.read()"
    code = (
        "import sys\nsys.argv = ['codespar', 'mcp', 'wrap', '--name', 'x', '--', sys.executable, '-S', '-c', "
        f"{program!r}]\n"
        "import codespar_cli.mcp.server_process as started\n"
        "class Noting(started.ServerProcess):\n"
        "    def __init__(self, *arguments):\n"
        "        sys.stderr.write('AT START ' + ' '.join(sys.modules) + '\\n')\n"
        "        super().__init__(*arguments)\n"
        "started.ServerProcess = Noting\n"
        "from codespar_cli.__main__ import main\n"
        "try: main()\n"
        "finally: sys.stderr.write('AT END ' + ' '.join(sys.modules) + '\\n')\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=wrapping.environ,
        cwd=wrapping.directory,
        input=b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}\n',
        capture_output=True,
        timeout=TIMEOUT,
    )
    start, end = (set(line.split()[2:]) for line in found.stderr.decode().splitlines() if line.startswith("AT "))
    assert not end & {"typer", "rich", "asyncio", "mcp", "pydantic"}
    assert not start & {"yaml", "apsw", "tomllib", "codespar_cli.startup", "codespar_cli.core.gate", "cryptography"}


def test_what_a_plugin_prints_or_reads_is_not_part_of_the_conversation(wrapping):
    code = (
        "import os, sys\nfrom codespar_cli.cli import live_gate\n"
        "prepare = live_gate.LiveGate.prepare\n"
        "def noisy(self):\n"
        "    print('noise', flush=True); os.write(1, b'more noise\\n'); assert sys.stdin.read() == ''\n"
        "    prepare(self)\n"
        "live_gate.LiveGate.prepare = noisy\n"
        f"sys.argv = ['codespar', *{wrapping.command()[4:]!r}]\n"
        "from codespar_cli.__main__ import main\nmain()\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=wrapping.environ,
        cwd=wrapping.directory,
        input=b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hi"}}}\n',
        capture_output=True,
        timeout=TIMEOUT,
    )
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["result"]["content"][0]["text"] == "hi"
    assert found.stderr == b"noise\nmore noise\n"


@pytest.mark.parametrize("how", ["removed", "a directory", "cut off"])
def test_a_configuration_that_was_found_and_is_gone_stops_all_calls(tmp_path, how):
    project = tmp_path / "project"
    below = project / "one" / "two"
    below.mkdir(parents=True)
    wrapping = Wrapping(project)
    del wrapping.environ["CODESPAR_CONFIG"]
    wrapping.directory = below
    with wrapping.wrapped() as session:
        assert "isError" not in session.call("echo")["result"]
        if how == "cut off":
            (project / "one" / ".git").mkdir()
            wrapping.rules.write_text(wrapping.rules.read_text() + "# changed\n")
        else:
            wrapping.config.unlink()
        if how == "a directory":
            wrapping.config.mkdir()
        result = session.call("echo", id_=2)["result"]
        assert result["isError"] is True
        assert "config" in json.dumps(result)
    with wrapping.wrapped() as session:
        assert session.call("echo")["result"]["isError"] is True
