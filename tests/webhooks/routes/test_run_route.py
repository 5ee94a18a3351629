"""A route that runs a command."""

import asyncio
import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from routes_world import delivery, route, until

from codespar_cli.webhooks.routes.deed import Failed
from codespar_cli.webhooks.routes.event_document import event_document
from codespar_cli.webhooks.routes.run import Run, kept_environment

DOCUMENT = event_document(delivery(), "r")


def environ():
    return kept_environment(lambda reference: os.environ.get(reference.removeprefix("env:")))


def python(source, *arguments, timeout=20.0):
    command = (sys.executable, "-c", source, *arguments)
    return Run(route(deed="run", target=command, timeout=timedelta(seconds=timeout)), environ())


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


def test_a_timeout_kills_the_whole_group_even_one_that_ignores_the_request(tmp_path):
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
