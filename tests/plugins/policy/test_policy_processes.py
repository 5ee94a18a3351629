"""Several real processes on one store: the cap is the cap, everybody gets a right answer, and nothing acknowledged is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest

from codespar_cli.core.services import Services
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.storage import chain

RULES = {
    "version": 1,
    "rules": [
        {"id": "cap", "effect": "budget", "limit": "40.00", "window": "total"},
        {"id": "pace", "effect": "rate", "limit": "100000 per 1h"},
        {"id": "all", "effect": "allow"},
    ],
}
WORKER = """
import sys
from pathlib import Path
from codespar_cli.core.services import Services
from codespar_cli.plugins.policy.engine import PolicyEngine

base, tries = Path(sys.argv[1]), int(sys.argv[2])
engine = PolicyEngine.from_options({"durability": sys.argv[3]}, Services(base / "state", config_dir=base))
while not (base / "go").exists():
    pass
for number in range(tries):
    decision = engine.evaluate(f"agent-{number}", "tool", "1.00")
    print(decision.code or "allowed", decision.decision_id, decision.reservation_id, flush=True)
    if len(sys.argv) > 4 and decision.allowed:
        engine.record_usage(f"agent-{number}", "tool", "1.00", reservation_id=decision.reservation_id)
        print("settled", decision.reservation_id, "-", flush=True)
"""


def start(base: Path, tries: int, durability: str, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-c", WORKER, str(base), str(tries), durability, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def prepare(base: Path, **rules) -> None:
    (base / "policy.yaml").write_text(json.dumps({**RULES, **rules}))


def run(base: Path, processes: int, tries: int, durability: str = "normal") -> list[list[str]]:
    workers = [start(base, tries, durability) for _ in range(processes)]
    (base / "go").touch()
    lines = []
    for worker in workers:
        out, err = worker.communicate(timeout=120)
        assert (worker.returncode, err) == (0, "")
        lines += [line.split() for line in out.splitlines()]
    return lines


def wait_until(claim) -> None:
    deadline = time.monotonic() + 60
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def records(base: Path) -> list[dict]:
    connection = apsw.Connection(str(base / "state" / "policy.db"), flags=apsw.SQLITE_OPEN_READONLY)
    chain.verify(connection, "policy")
    return [dict(record.body) for record in chain.read(connection)]


def test_sixteen_processes_on_one_budget_get_exactly_the_limit(tmp_path):
    prepare(tmp_path)
    answers = run(tmp_path, 16, 5)
    codes = [code for code, *_ in answers]
    assert codes.count("allowed") == 40
    assert codes.count("budget_exceeded") == 16 * 5 - 40
    assert sorted(line[1] for line in answers) == sorted(body["decision"] for body in records(tmp_path))


@pytest.mark.parametrize("durability", ["normal", "full"])
def test_thirty_two_first_ever_processes_get_right_answers(tmp_path, durability):
    prepare(tmp_path)
    answers = run(tmp_path, 32, 1, durability)
    assert [code for code, *_ in answers] == ["allowed"] * 32
    assert len(records(tmp_path)) == 32


@pytest.mark.parametrize("durability", ["normal", "full"])
def test_killed_processes_lose_nothing_that_was_acknowledged(tmp_path, durability):
    prepare(
        tmp_path,
        rules=[
            {"id": "cap", "effect": "budget", "limit": "1000000", "window": "total"},
            {"id": "all", "effect": "allow"},
        ],
    )
    acknowledged = []
    (tmp_path / "go").touch()
    for round_number in range(4):
        told = [tmp_path / f"told-{round_number}-{number}" for number in range(2)]
        workers = []
        for path in told:
            with path.open("w") as out:
                command = [sys.executable, "-c", WORKER, str(tmp_path), "100000", durability, "settle"]
                workers.append(subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE))
        wait_until(lambda paths=told: all(path.stat().st_size > 1500 for path in paths))
        time.sleep(0.003 * round_number)
        for worker in workers:
            os.kill(worker.pid, signal.SIGKILL)
        for worker, path in zip(workers, told, strict=True):
            assert worker.communicate(timeout=30)[1] == b""
            acknowledged += [line.split() for line in path.read_text().splitlines() if len(line.split()) == 3]
    assert len(acknowledged) > 50
    bodies = records(tmp_path)
    decisions = {body["decision"]: body for body in bodies if "decision" in body}
    settled = {body["reservation"] for body in bodies if body.get("outcome") == "settled"}
    for code, first, second in acknowledged:
        if code == "settled":
            assert first in settled
        else:
            assert decisions[first]["reservation"] == second
    engine = PolicyEngine.from_options({}, Services(tmp_path / "state", config_dir=tmp_path))
    (state,) = engine.budgets()
    assert state.spent == len(settled)
    assert state.spent + state.held == len(decisions)
