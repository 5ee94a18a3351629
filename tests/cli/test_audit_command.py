"""`codespar audit` as a person meets it: following, and damage."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime

import apsw
import pytest

from codespar_cli.storage import chain
from codespar_cli.storage.gate_journal import SCHEMA
from codespar_cli.storage.sqlite import Database

CODESPAR = [sys.executable, "-m", "codespar_cli"]
AT = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.fixture
def state(newcomer, monkeypatch):
    monkeypatch.setenv("CODESPAR_STATE_DIR", str(newcomer / "state"))
    record(newcomer / "state", 3)
    return newcomer / "state"


def record(state, count):
    database = Database(state / "gate.db", SCHEMA)
    for _ in range(count):
        with database.write() as connection:
            chain.append(connection, at=AT, kind="refusal", actor="bot", body={"tool": "a/b"})
    database.close()


def run(*arguments):
    return subprocess.run([*CODESPAR, *arguments], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("output", ["table", "jsonl", "json"])
def test_following_ends_when_nobody_reads_any_more(state, output):
    process = subprocess.Popen([*CODESPAR, "audit", "tail", "-f", "-o", output], stdout=subprocess.PIPE)
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=20) == 0


def test_following_says_the_header_once_and_misses_nothing(state):
    process = subprocess.Popen(
        [*CODESPAR, "audit", "tail", "-f"], stdout=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"}
    )
    try:
        lines = [process.stdout.readline() for _ in range(4)]
        for _ in range(2):
            record(state, 2)
            lines += [process.stdout.readline() for _ in range(2)]
            time.sleep(0.3)
    finally:
        process.kill()
        process.communicate()
    assert lines[0].split() == ["CHAIN", "SEQ", "TIME", "KIND", "ACTOR", "OUTCOME", "WHAT"]
    assert [line.split()[:2] for line in lines[1:]] == [["gate", str(n)] for n in range(1, 8)]


@pytest.mark.parametrize(
    "damage", ["UPDATE chain SET body = '[]'", "UPDATE chain SET kind = CAST(x'ff' AS TEXT)", "DROP TABLE chain"]
)
@pytest.mark.parametrize("command", ["verify", "tail", "export"])
def test_damage_is_told_with_exit_code_5(state, damage, command):
    connection = apsw.Connection(str(state / "gate.db"))
    connection.execute(damage)
    connection.close()
    found = run("audit", command)
    assert found.returncode == 5
    assert "unexpected" not in found.stdout + found.stderr


def test_a_store_that_could_not_be_made_is_nothing_recorded_yet(state):
    for file in state.iterdir():
        file.unlink()
    (state / "gate.db").touch(mode=0o600)
    found = run("audit", "verify")
    assert (found.returncode, found.stderr) == (0, "nothing has been recorded yet\n")
