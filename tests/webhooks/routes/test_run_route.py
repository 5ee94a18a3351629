"""A route that runs a command."""

import asyncio
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from routes_world import delivery, route, until

from codespar_cli.webhooks.known_secrets import KnownSecrets
from codespar_cli.webhooks.routes.deed import Failed
from codespar_cli.webhooks.routes.event_document import event_document
from codespar_cli.webhooks.routes.run import Run, kept_environment

DOCUMENT = event_document(delivery(), "r")


def environ():
    return kept_environment(lambda reference: os.environ.get(reference.removeprefix("env:")))


def python(source, *arguments, timeout=20.0, known=None):
    command = (sys.executable, "-c", source, *arguments)
    return Run(route(deed="run", target=command, timeout=timedelta(seconds=timeout)), environ(), known)


def failure(deed, document=DOCUMENT):
    with pytest.raises(Failed) as error:
        asyncio.run(deed.do(document))
    assert error.value.final is False
    return str(error.value)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_the_document_comes_on_standard_input_and_arguments_are_no_shell(tmp_path):
    out = tmp_path / "out.json"
    source = "import sys,json,os;json.dump([sys.argv[2:],json.load(sys.stdin),os.getcwd()],open(sys.argv[1],'w'))"
    asyncio.run(python(source, str(out), "$(id)", "; rm -rf /", "*").do(DOCUMENT))
    arguments, document, directory = json.loads(out.read_text())
    assert arguments == ["$(id)", "; rm -rf /", "*"]
    assert document == json.loads(DOCUMENT.body)
    assert document["data"]["event"]["untrusted"] is True
    assert directory == os.environ["HOME"]


def test_the_environment_holds_no_key(tmp_path, monkeypatch):
    for name in ("VAULT_MASTER_KEY", "GITHUB_TOKEN", "CODESPAR_SECRET__X", "AWS_SECRET_ACCESS_KEY", "LD_PRELOAD_X"):
        monkeypatch.setenv(name, "hush")
    monkeypatch.setenv("PATH", f"/opt/mine:{os.environ['PATH']}")
    out = tmp_path / "out.json"
    asyncio.run(python("import os,sys,json;json.dump(dict(os.environ),open(sys.argv[1],'w'))", str(out)).do(DOCUMENT))
    found = json.loads(out.read_text())
    assert "hush" not in str(found)
    assert found["PATH"].startswith("/opt/mine:")
    assert found["HOME"] == os.environ["HOME"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)", "ended with exit code 3: two"),
        (
            "import sys; sys.stdout.write('a\\x1b[31mb\\u202ec\\n\\n  \\n'); sys.exit(1)",
            "ended with exit code 1: a[31mbc",
        ),
        ("import sys; sys.exit(2)", "ended with exit code 2"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by signal 9"),
        ("import sys; print('x' * 1000); sys.exit(1)", "ended with exit code 1: " + "x" * 199 + "…"),
    ],
)
def test_a_failure_says_the_last_line_harmlessly(source, words):
    assert failure(python(source)) == f"`{os.path.basename(sys.executable)}` {words}"


SECRET = "hush-hush-" + "0123456789abcdef" * 3
LOUD = {
    "the last line": "sys.exit('refused: ' + secret)",
    "on stdout": "print('refused: ' + secret); sys.exit(1)",
    "as JSON in base64": "import base64; sys.exit('refused: ' + base64.b64encode(secret.encode()).decode())",
    "in pieces": "[(sys.stderr.write(c), sys.stderr.flush(), time.sleep(0.002)) for c in 'refused: ' + secret]; sys.exit(1)",
    "cut by what is kept of a line": "sys.exit('refused: ' + 'x' * 160 + secret)",
    "its second half begins what is kept": "sys.exit('refused: ' + secret + 'y' * (4095 - len(secret) // 2))",
    "without an end of line": "sys.stderr.write('refused: ' + secret); sys.exit(1)",
}


@pytest.mark.parametrize("source", LOUD.values(), ids=LOUD)
def test_a_known_secret_is_not_kept_with_the_last_line(source):
    known = KnownSecrets()
    known.noted(SECRET)
    words = failure(python(f"import sys, time; secret = sys.argv[1]; {source}", SECRET, known=known))
    assert "ended with exit code 1: " in words
    assert not {part for part in (SECRET[start : start + 8] for start in range(len(SECRET) - 8)) if part in words}


def test_a_flood_of_output_takes_no_memory_and_the_last_line_is_kept():
    source = "import sys\nfor _ in range(600): sys.stdout.write('x' * 65536)\nprint(); print('the end'); sys.exit(1)"
    assert failure(python(source)).endswith("exit code 1: the end")


def test_a_command_that_reads_nothing_of_a_large_document_is_fine():
    large = event_document(delivery(detail="x" * 2_000_000), "r")
    asyncio.run(python("pass").do(large))
    assert failure(python("import sys; sys.stdin.close(); sys.exit(4)"), large).endswith("exit code 4")


def test_a_large_document_arrives_whole(tmp_path):
    large = event_document(delivery(detail="x" * 2_000_000), "r")
    out = tmp_path / "size"
    asyncio.run(python("import sys;open(sys.argv[1],'w').write(str(len(sys.stdin.read())))", str(out)).do(large))
    assert int(out.read_text()) == len(large.body) + 1


def test_a_timeout_kills_the_whole_group_even_one_that_ignores_the_request(tmp_path, monkeypatch):
    monkeypatch.setattr("codespar_cli.webhooks.routes.run._GRACE_S", 0.3)
    out = tmp_path / "pids"
    source = (
        "import os,signal,sys,time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        "if child: open(sys.argv[1],'w').write(f'{os.getpid()} {child}')\n"
        "time.sleep(60)\n"
    )
    began = time.monotonic()
    assert failure(python(source, str(out), timeout=1.0)).endswith("took longer than 1 s")
    assert time.monotonic() - began < 15
    pids = [int(pid) for pid in out.read_text().split()]
    asyncio.run(until(lambda: not any(alive(pid) for pid in pids)))


def test_what_a_command_leaves_behind_is_not_waited_for():
    """It holds the other end of the pipe for a minute."""
    began = time.monotonic()
    asyncio.run(python("import subprocess;subprocess.Popen(['sleep','20'])").do(DOCUMENT))
    assert time.monotonic() - began < 10


ENDINGS = {
    "at once": "pass",
    "after closing its output": "import os, time; [os.close(n) for n in (0, 1, 2)]; time.sleep(0.05)",
    "too late, after closing its output": "import os, time; [os.close(n) for n in (0, 1, 2)]; time.sleep(30)",
    "too late": "import time; time.sleep(30)",
    "on being asked": "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); time.sleep(30)",
    "and leaves a child": "import subprocess; subprocess.Popen(['sleep', '5'])",
}


@pytest.mark.parametrize("cancelled_after_s", [None, 0.0, 0.06])
@pytest.mark.parametrize("source", ENDINGS.values(), ids=ENDINGS)
def test_a_group_is_signalled_only_while_its_leader_is_unburied(monkeypatch, source, cancelled_after_s):
    """Afterwards its number may be another's: of this very process's group, say."""
    sent, really = [], os.killpg

    def killpg(group, number):
        sent.append(number)
        assert group > 1
        assert group != os.getpgid(0)
        os.waitid(os.P_PID, group, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # ChildProcessError when it is buried
        really(group, number)

    monkeypatch.setattr(os, "killpg", killpg)

    async def go():
        task = asyncio.create_task(python(source, timeout=0.4).do(DOCUMENT))
        if cancelled_after_s is not None:
            await asyncio.wait([task], timeout=cancelled_after_s)
            task.cancel()
        return (await asyncio.gather(task, return_exceptions=True))[0]

    found = asyncio.run(go())
    assert found is None or isinstance(found, Failed | asyncio.CancelledError)
    if "30" in source:
        assert sent[-1] == signal.SIGKILL


def test_what_cannot_be_talked_to_is_ended_and_buried(monkeypatch):
    """No file is left for looking at its output."""
    begun, popen = [], subprocess.Popen

    def noted(*arguments, **named):
        begun.append(popen(*arguments, **named))
        return begun[-1]

    def none_left():
        raise OSError(24, "too many open files")

    monkeypatch.setattr(subprocess, "Popen", noted)
    monkeypatch.setattr(selectors, "DefaultSelector", none_left)
    deed = python("import time; time.sleep(30)")
    with pytest.raises(OSError, match="too many"):
        deed._ran(b"{}", threading.Event())
    (process,) = begun
    assert process.returncode == -signal.SIGKILL
    for stream in (process.stdin, process.stdout, process.stderr):
        stream.close()


def test_cancelled_it_kills_what_runs(tmp_path):
    out = tmp_path / "pid"

    async def cancel():
        task = asyncio.create_task(
            python("import os,sys,time;open(sys.argv[1],'w').write(str(os.getpid()));time.sleep(60)", str(out)).do(
                DOCUMENT
            )
        )
        await until(lambda: out.exists() and out.read_text())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not alive(int(out.read_text())))

    asyncio.run(cancel())


@pytest.mark.parametrize("program", ["there-is-no-such-program", "/etc/hostname", "/"])
def test_a_command_that_cannot_be_run_says_so(program):
    words = failure(Run(route(deed="run", target=(program, "x")), environ()))
    assert words.startswith("`") and "cannot be run: " in words


def test_a_tilde_is_home(newcomer):
    program = newcomer / "triage"
    program.write_text("#!/bin/sh\ntouch ~/done\n")
    program.chmod(0o755)
    asyncio.run(Run(route(deed="run", target=("~/triage",)), environ()).do(DOCUMENT))
    assert (newcomer / "done").exists()
