"""`codespar secrets run`: the command is itself, but for what it is given and what is shown of it."""

import os
import select
import signal
import subprocess
import sys
import time

import pytest
from secrets_kit import CANARY, KEY, Project, done
from terminal_kit import Person

from codespar_cli.cli.running.child import replace_us
from codespar_cli.errors import CodesparError

MASKED = b"********"


def test_a_command_that_cannot_be_become_leaves_our_signals_as_they_were(tmp_path):
    """Whoever goes on with SIGPIPE's default would be ended by the next sender that is gone."""
    signals = (signal.SIGPIPE, signal.SIGXFSZ)
    before = [signal.getsignal(number) for number in signals]
    for command in (["no-such-command-here"], [str(tmp_path)], ["a\0b"]):
        with pytest.raises(CodesparError, match=r"no such command|permission denied|cannot be run|null"):
            replace_us(command, {"PATH": "/usr/bin:/bin"})
        assert [signal.getsignal(number) for number in signals] == before
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        os.write(writer, b"x")
    os.close(writer)


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


@pytest.fixture
def vault(project):
    project.keep(TOKEN=CANARY, OTHER="other-value-123")
    return project


@pytest.fixture
def person(vault):
    people = []

    def at_a_terminal(*command, options=("--only", "TOKEN"), size=(24, 80)):
        arguments = vault.command("run", *options, "--", *command)
        people.append(Person(arguments, cwd=vault.directory, env=vault.environ, size=size))
        return people[-1]

    yield at_a_terminal
    for each in people:
        each.close()


def sh(project, script, *options, **more):
    return project.run("run", *options, "--", "sh", "-c", script, **more)


# ── what it is given ──


def test_secrets_are_in_its_environment_and_masked_in_its_output(vault):
    ran = done(sh(vault, 'test "$TOKEN" = canary-9b1e77 && echo "same: $TOKEN"; echo "err: $OTHER" >&2'))
    assert ran.stdout == b"same: " + MASKED + b"\n"
    assert ran.stderr == b"err: " + MASKED + b"\n"


def test_only_what_is_asked_for_and_under_other_names(vault):
    ran = done(sh(vault, 'echo "${TOKEN-none}" "${OTHER-none}" "${X-none}"', "--only", "OTHER,X=TOKEN"))
    assert ran.stdout == b"none " + MASKED + b" " + MASKED + b"\n"
    assert done(sh(vault, "true", "--only", "NOT_THERE"), 6).stdout == b""


def test_each_secret_read_is_on_record(vault):
    done(sh(vault, "true", "--only", "TOKEN"))
    reads = vault.records("secret.read")
    assert [record["actor"].startswith("cli:") for record in reads] == [True]
    assert "TOKEN" in str(reads[0])
    assert CANARY not in str(reads)


def test_keys_are_not_in_its_environment(vault):
    named = {"VAULT_MASTER_KEY_PREVIOUS": KEY, "CODESPAR_SECRET__acme__K": "another-tenant"}
    ran = done(sh(vault, "env", **named))
    for absent in (b"VAULT_MASTER_KEY", b"CODESPAR_SECRET__", KEY.encode(), b"another-tenant"):
        assert absent not in ran.stdout
    vault.configure('[secrets]\nbackend = "vault"\nmaster_key = "env:MY_KEY"\n')
    ran = done(sh(vault, "env", MY_KEY=KEY, MY_KEY_PREVIOUS=KEY))
    assert b"MY_KEY" not in ran.stdout
    assert KEY.encode() not in ran.stdout
    ran = done(sh(vault, "env", "--no-masking", MY_KEY=KEY))
    assert b"MY_KEY" not in ran.stdout
    assert f"TOKEN={CANARY}".encode() in ran.stdout


def test_what_decides_which_code_runs_never_comes_from_the_vault(project):
    steering = ["PATH", "LD_PRELOAD", "BASH_ENV", "PYTHONPATH", "NODE_OPTIONS", "VAULT_MASTER_KEY"]
    project.keep_all({**dict.fromkeys(steering, "/evil/value"), "a/b": "nameless", "NUL": "a\0b", "GOOD": "fine-value"})
    ran = done(sh(project, 'env; test "$GOOD" = fine-value'))
    assert b"GOOD=" + MASKED in ran.stdout
    assert b"evil" not in ran.stdout
    for name in (*steering[:5], "a/b", "NUL"):
        assert f"`{name}`".encode() in ran.stderr
    for name in (*steering, "a/b", "NUL"):
        refused = done(sh(project, "echo ran", "--only", name), 2)
        assert refused.stdout == b""
    assert done(sh(project, 'echo "$X"', "--only", "X=a/b")).stdout == MASKED + b"\n"


def test_short_values_are_told_of(project):
    project.keep(PIN="123", EMPTY="", TOKEN=CANARY)
    ran = done(sh(project, 'echo "$PIN$EMPTY"'))
    assert ran.stdout == b"123\n"
    assert b"`PIN`" in ran.stderr
    assert b"EMPTY" not in ran.stderr


def test_a_secret_past_its_date_is_told_of(project):
    done(project.run("set", "OLD", "--expires", "1s", stdin=b"some-value"))
    until(lambda: b"expired" in project.run("list").stdout)
    ran = done(sh(project, "true"))
    assert b"`OLD` expired" in ran.stderr


def test_the_vault_wins_over_what_was_set_before(vault):
    ran = done(sh(vault, f'test "$TOKEN" = {CANARY}', TOKEN="stale"))
    assert ran.stdout == b""


# ── what it is ──


def test_exit_codes_are_kept(vault):
    for code in (0, 1, 3, 77, 255):
        done(sh(vault, f"exit {code}"), code)
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV):
        done(sh(vault, f"kill -{int(number)} $$"), 128 + number)
    missing = done(vault.run("run", "--", "no-such-command-here"), 127)
    assert b"no such command" in missing.stderr
    done(vault.run("run", "--no-masking", "--", "no-such-command-here"), 127)
    done(vault.run("run", "--", str(vault.directory)), 126)
    done(vault.run("run"), 2)
    done(sh(vault, "exit 9", "--no-masking"), 9)


def test_arguments_and_stdin_pass_through(vault):
    script = "import sys; sys.stdout.buffer.write(repr(sys.argv[1:]).encode() + sys.stdin.buffer.read())"
    odd = ["--tenant", "-o", "json", "a b", "", "--", "é"]
    ran = done(vault.run("run", "--", sys.executable, "-c", script, *odd, stdin=b"in\x00\xff\r\n"))
    assert ran.stdout == repr(odd).encode() + b"in\x00\xff\r\n"


def test_any_bytes_pass_unchanged(vault):
    data = bytes(range(256)) * 4000
    ran = done(vault.run("run", "--", "cat", stdin=data))
    assert ran.stdout == data


def test_a_value_written_byte_by_byte_is_masked(vault):
    script = (
        "import os, time\n"
        "for letter in ('x ' + os.environ['TOKEN'] + ' y').encode():\n"
        "    os.write(1, bytes([letter])); time.sleep(0.002)\n"
    )
    ran = done(vault.run("run", "--", sys.executable, "-c", script))
    assert ran.stdout == b"x " + MASKED + b" y"


def test_a_prompt_without_a_newline_comes_at_once(vault):
    with vault.start(
        "run",
        "--",
        "sh",
        "-c",
        'printf "name: "; read name; echo "hello $name"',
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as running:
        seen = b""
        while seen != b"name: ":
            assert select.select([running.stdout], [], [], 30)[0], seen
            seen += os.read(running.stdout.fileno(), 100)
        running.stdin.write(b"bob\n")
        running.stdin.close()
        assert running.stdout.read() == b"hello bob\n"
    assert running.returncode == 0


def test_order_is_kept_where_both_streams_go_to_one_place(vault):
    script = "for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done"
    with vault.start("run", "--", "sh", "-c", script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        lines = running.stdout.read().split(b"\n")
    assert lines[:-1] == [word % i for i in range(1, 10) for word in (b"out %d", b"err %d")]


def test_when_nobody_reads_the_command_is_told(vault):
    script = "trap '' PIPE; while echo more 2>/dev/null; do :; done; exit 42"
    with vault.start("run", "--", "sh", "-c", script, stdout=subprocess.PIPE) as running:
        assert running.stdout.read(4) == b"more"
        running.stdout.close()
        assert running.wait(60) == 42
    with vault.start("run", "--", "yes", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.read(4)
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(60) == 128 + signal.SIGPIPE


def test_what_a_grandchild_still_says_is_waited_for(vault):
    ran = done(sh(vault, '(while [ ! -e go ]; do sleep 0.01; done; echo "late $TOKEN") & touch go; exit 5'), 5)
    assert ran.stdout == b"late " + MASKED + b"\n"


FORWARDED = ["INT", "TERM", "HUP", "QUIT", "USR1", "USR2", "WINCH", "CONT"]


@pytest.mark.parametrize("name", FORWARDED)
def test_signals_are_passed_on(vault, name):
    script = f"trap 'echo got {name}; exit 17' {name}; echo ready; while :; do sleep 0.02; done"
    with vault.start("run", "--", "sh", "-c", script, stdout=subprocess.PIPE) as running:
        assert running.stdout.readline() == b"ready\n"
        running.send_signal(getattr(signal, f"SIG{name}"))
        assert running.stdout.read() == f"got {name}\n".encode()
        assert running.wait(60) == 17


def test_a_signal_that_ends_the_command_gives_its_code(vault):
    with vault.start("run", "--", "sh", "-c", "echo ready; exec sleep 100", stdout=subprocess.PIPE) as running:
        running.stdout.readline()
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 128 + signal.SIGTERM


def test_stop_and_continue(vault):
    script = "echo $$; while :; do sleep 0.02; done"
    # A job of its own, as a shell makes one: in a job without a shell the kernel ignores a stop.
    with vault.start("run", "--", "sh", "-c", script, stdout=subprocess.PIPE, process_group=0) as running:
        try:
            child = int(running.stdout.readline())
            running.send_signal(signal.SIGTSTP)
            until(lambda: state_of(running.pid) == "T" and state_of(child) == "T")
            running.send_signal(signal.SIGCONT)
            until(lambda: state_of(running.pid) in "RS" and state_of(child) in "RS")
            running.send_signal(signal.SIGTERM)
            assert running.wait(60) == 143
        finally:
            os.killpg(running.pid, signal.SIGKILL) if running.returncode is None else None


def test_an_ignored_hangup_stays_ignored(vault):
    inner = 'kill -HUP $PPID; kill -HUP $$; echo "still here"'
    ran = subprocess.run(
        ["nohup", *vault.command("run", "--", "sh", "-c", inner)],
        capture_output=True,
        cwd=vault.directory,
        env=vault.environ,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (0, b"still here\n")


def state_of(pid):
    with open(f"/proc/{pid}/stat") as stream:
        return stream.read().rpartition(")")[2].split()[0]


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_our_memory_is_closed_to_other_processes():
    code = "import ctypes; from codespar_cli.cli.running.hiding import hide_memory; hide_memory(); print(ctypes.CDLL(None).prctl(3))"
    assert subprocess.check_output([sys.executable, "-c", code], timeout=60) == b"0\n"


# ── at a terminal ──


def test_at_a_terminal_it_has_one(person):
    script = 'test -t 0 && test -t 1 && test -t 2 && stty size; printf "name: "; read x; echo "hi $x $TOKEN" > /dev/tty; exit 9'
    user = person("sh", "-c", script, size=(33, 99))
    user.sees(b"33 99\r\n")
    user.sees(b"name: ")
    user.type(b"bob\r")
    user.sees(b"hi bob " + MASKED)
    assert user.leaves() == 9
    assert CANARY.encode() not in user.seen


def test_keys_reach_it_as_they_are_typed(person):
    code = "import os, tty; tty.setraw(0); print('raw', end='', flush=True); print(os.read(0, 10))"
    user = person(sys.executable, "-c", code)
    user.sees(b"raw")
    user.type(b"\x03")
    user.sees(b"b'\\x03'")
    assert user.leaves() == 0


def test_interrupt_from_the_keyboard_reaches_it_once(person):
    script = 'n=0; trap "n=\\$((n+1)); echo int \\$n" INT; echo ready; read line; echo "after $n"'
    user = person("sh", "-c", script)
    user.sees(b"ready")
    user.waits_for(user.is_raw)
    user.type(b"\x03")
    user.sees(b"int 1")
    user.type(b"x\r")
    assert user.leaves() in (0, 1)
    assert b"int 2" not in user.seen


def test_a_new_window_size_reaches_it(person):
    user = person("sh", "-c", 'trap "stty size; exit 3" WINCH; printf ready; while :; do sleep 0.02; done')
    user.sees(b"ready")
    user.resize(11, 22)
    user.sees(b"11 22")
    assert user.leaves() == 3


def test_the_end_of_a_prompt_is_shown_though_a_value_could_begin_so(person):
    user = person("sh", "-c", f'printf "{CANARY[:3]}"; read x; printf "{CANARY[:8]}"; read x; echo done')
    user.sees(CANARY[:3].encode())
    user.type(b"\r")
    user.sees(b"\r\n")
    user.type(b"\r")
    user.sees(b"done")
    assert user.leaves() == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, None])
def test_the_terminal_is_given_back_however_it_ends(person, number):
    user = person("sh", "-c", "printf ready; " + ("exec sleep 100" if number else "read x"))
    before = user.modes()
    user.sees(b"ready")
    user.waits_for(user.is_raw)
    if number is None:
        user.type(b"\r")
    else:
        os.kill(user.pid, number)
    code = user.leaves()
    assert code == {signal.SIGKILL: -9, None: 0}.get(number, 128 + (number or 0))
    user.waits_for(lambda: user.modes() == before)


def test_suspend_and_go_on(person):
    user = person("sh", "-c", "printf ready; read x; echo got $x; exit 4")
    before = user.modes()
    user.sees(b"ready")
    user.waits_for(user.is_raw)
    user.type(b"\x1a")
    _, status = os.waitpid(user.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert user.modes() == before
    os.kill(user.pid, signal.SIGCONT)
    user.waits_for(user.is_raw)
    user.type(b"back\r")
    user.sees(b"got back")
    assert user.leaves() == 4


def test_only_output_at_a_terminal(vault):
    """stdin is a pipe: the command stays in our job, and still sees terminals where it writes."""
    script = 'test -t 0 || echo piped; test -t 1 && stty size <&1; cat; echo "$TOKEN"; exit 6'
    line = " ".join(f"'{part}'" for part in vault.command("run", "--", "sh", "-c")) + f" '{script}'"
    user = Person(
        ["/bin/sh", "-c", f"echo from the pipe | {line}"], cwd=vault.directory, env=vault.environ, size=(12, 34)
    )
    try:
        user.sees(b"piped\r\n12 34\r\nfrom the pipe\r\n" + MASKED + b"\r\n")
        assert user.leaves() == 6
    finally:
        user.close()


def test_a_failure_before_it_starts_leaves_the_terminal_alone(person):
    user = person("true", options=("--only", "MISSING"))
    before = user.modes()
    assert user.leaves() == 6
    assert user.modes() == before
    assert b"has no secret" in user.seen
