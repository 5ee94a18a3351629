"""`metrics stats` as a process: its limits, and again and again."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys

import pytest

from codespar_cli.cli.views.metrics import can_draw, sparkline


@pytest.fixture
def filled(codespar):
    lines = [
        {"tool": "git/push", "time": "2026-11-20T10:00:30Z", "latency_ms": 10},
        {"tool": "git/push", "time": "2026-11-20T10:01:00Z", "latency_ms": 20},
        {"tool": "web/search", "time": "2026-11-20T11:30:00Z", "latency_ms": 30, "error_type": "Timeout"},
    ]
    given = "\n".join(map(json.dumps, lines))
    assert codespar.run("metrics", "record", "--from", "-", given=given).returncode == 0
    return codespar


@pytest.mark.parametrize(
    ("since", "until", "calls"),
    [
        ("2026-11-20T10:00:30Z", "2026-11-20T10:01:00Z", {"git/push": 1}),
        ("2026-11-20T10:00:30.000001Z", "2026-11-20T10:01:00.000001Z", {"git/push": 1}),
        ("2026-11-20T10:00:00Z", "2026-11-20T12:00:00Z", {"git/push": 2, "web/search": 1}),
        ("2026-11-20T11:30:00.000001Z", "2026-11-21T00:00:00Z", {}),
    ],
)
def test_a_span_is_exact_to_the_microsecond(filled, since, until, calls):
    done = filled.run("metrics", "stats", "--since", since, "--until", until, "-o", "json")
    assert {row["tool"]: row["calls"] for row in json.loads(done.stdout)} == calls


def test_a_span_that_ends_before_it_begins_is_refused(filled):
    done = filled.run("metrics", "stats", "--since", "1h", "--until", "2h")
    assert done.returncode == 2
    assert "--until: expected a time after --since" in done.stderr


def test_jsonl_is_a_row_a_line(filled):
    rows = [json.loads(line) for line in filled.run("metrics", "stats", "-o", "jsonl").stdout.splitlines()]
    assert [row["tool"] for row in rows] == ["git/push", "web/search"]
    assert rows == json.loads(filled.run("metrics", "stats", "-o", "json").stdout)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--watch", "2s", "-o", "json"), "needs an end"),
        (("--watch", "1ms"), "at least 100ms"),
        (("--watch", "often"), "a duration"),
    ],
)
def test_what_cannot_be_watched_is_refused(filled, arguments, message):
    done = filled.run("metrics", "stats", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_watching_shows_what_is_new_a_document_an_interval(filled):
    watching = filled.start("metrics", "stats", "--watch", "100ms", "-o", "jsonl")
    assert watching.stdout is not None
    assert sum(row["calls"] for row in json.loads(watching.stdout.readline())["rows"]) == 3
    assert filled.run("metrics", "record", "git/push").returncode == 0
    while sum(row["calls"] for row in json.loads(watching.stdout.readline())["rows"]) != 4:
        pass
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=30)
    assert (watching.returncode, err) == (130, "")


def test_a_watch_that_nobody_reads_ends(filled):
    watching = filled.start("metrics", "stats", "--watch", "100ms")
    assert watching.stdout is not None
    assert watching.stdout.readline().startswith("TOOL")
    watching.stdout.close()
    assert watching.wait(timeout=30) == 0
    assert watching.stderr is not None
    with watching.stderr:
        assert watching.stderr.read() == ""


def test_on_a_terminal_the_table_is_drawn_over_itself(filled):
    ours, theirs = pty.openpty()
    command = ["metrics", "stats", "--watch", "100ms"]
    watching = subprocess.Popen(
        [sys.executable, "-m", "codespar_cli", *command],
        cwd=filled.directory, env=filled.environ, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    while seen.count(b"\x1b[H\x1b[2J") < 3:
        seen += os.read(ours, 4096)
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=30)
    os.close(ours)
    assert (watching.returncode, err) == (130, b"")
    assert seen.count(b"git/push") >= 2


def test_a_history_is_a_line_of_blocks():
    assert sparkline([0, 1, 4, 8]) == " ▁▄█"
    assert sparkline([1, 1_000_000]) == "▁█"
    assert sparkline([0, 0]) == "  "
    assert sparkline([]) == ""
    assert (can_draw("utf-8"), can_draw("ascii"), can_draw(None), can_draw("no such")) == (True, False, False, False)
