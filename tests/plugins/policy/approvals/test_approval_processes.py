"""Several real processes with one approval in hand: one of them runs, once, whoever is killed on the way."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from codespar_cli.core.hooks import CallContext
from codespar_cli.core.services import Services
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.storage import chain

RULES = [
    {"id": "ask", "effect": "approve", "tools": ["deploy"], "approvers": ["ann"], "expires": "1h"},
    {"id": "cap", "effect": "budget", "limit": "1000", "window": "total"},
    {"id": "all", "effect": "allow"},
]
WORKER = """
import sys
from pathlib import Path
from codespar_cli.core.hooks import CallContext
from codespar_cli.core.services import Services
from codespar_cli.plugins.policy.engine import PolicyEngine

base, tokens = Path(sys.argv[1]), [token or None for token in sys.argv[2].split(",")]
engine = PolicyEngine.from_options({}, Services(base / "state", config_dir=base))
print("ready", flush=True)
while not (base / "go").exists():
    pass
for number, token in enumerate(tokens):
    number = 0 if token is None else int(sys.argv[3].split(",")[number])
    decision = engine.evaluate("agent", "deploy", "1", context=CallContext(args={"n": number}, approval_id=token))
    print(decision.code or "allowed", token, flush=True)
"""


@pytest.fixture
def engine(tmp_path):
    (tmp_path / "policy.yaml").write_text(json.dumps({"version": 1, "rules": RULES}))
    return PolicyEngine.from_options({}, Services(tmp_path / "state", config_dir=tmp_path))


def granted(engine: PolicyEngine, number: int = 0) -> str:
    token = engine.evaluate("agent", "deploy", "1", context=CallContext(args={"n": number})).approval_id
    engine.vote(token, "ann", approves=True)
    return token


def start(base: Path, tokens: list[str], numbers: list[int]) -> subprocess.Popen:
    command = [sys.executable, "-c", WORKER, str(base), ",".join(tokens), ",".join(map(str, numbers))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def uses(base: Path) -> list[str]:
    connection = apsw.Connection(str(base / "state" / "policy.db"), flags=apsw.SQLITE_OPEN_READONLY)
    chain.verify(connection, "policy")
    bodies = [record.body for record in chain.read(connection)]
    return [body["approval"] for body in bodies if body.get("allowed")]


@pytest.mark.parametrize("count", [2, 16])
def test_one_of_several_racing_processes_is_allowed(engine, tmp_path, count):
    token = granted(engine)
    # Some present the token, the others are found by what they call.
    workers = [start(tmp_path, [token if number % 2 else ""], [0]) for number in range(count)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    codes = []
    for worker in workers:
        out, err = worker.communicate(timeout=60)
        assert (worker.returncode, err) == (0, "")
        codes.append(out.split()[0])
    assert codes.count("allowed") == 1
    assert set(codes) <= {"allowed", "approval_invalid", "approval_required"}
    assert uses(tmp_path) == [token]
    assert [state.status for state in engine.approvals()].count("used") == 1
    assert len(engine.approvals()) <= 2
    (budget,) = engine.budgets()
    assert budget.held == 1


def test_a_process_that_is_killed_never_leaves_an_approval_to_be_used_twice(engine, tmp_path):
    numbers = list(range(60))
    tokens = [granted(engine, number) for number in numbers]
    (tmp_path / "go").touch()
    told = []
    for stop_after in (3, 8, 13):
        worker = start(tmp_path, tokens, numbers)
        lines = [worker.stdout.readline() for _ in range(stop_after + 1)]
        os.kill(worker.pid, signal.SIGKILL)
        told += [line.split()[1] for line in [*lines, *worker.stdout] if line.startswith("allowed")]
        worker.communicate(timeout=30)
    assert len(told) == len(set(told)) > 0
    last = start(tmp_path, tokens, numbers)
    out, err = last.communicate(timeout=60)
    assert (last.returncode, err) == (0, "")
    finished = [line.split()[1] for line in out.splitlines() if line.startswith("allowed")]
    assert set(finished).isdisjoint(told)
    assert sorted(uses(tmp_path)) == sorted(tokens)
    assert {state.status for state in engine.approvals()} == {"used"}
