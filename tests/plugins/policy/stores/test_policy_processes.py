"""Several real processes on one store, in a file and on a server: the cap is the cap, everybody gets a right answer, and
nothing that was acknowledged is lost, whoever is killed in the middle of it."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from codespar_cli.core.services import Services
from codespar_cli.plugins.policy.engine import PolicyEngine

RULES = {
    "version": 1,
    "rules": [
        {"id": "cap", "effect": "budget", "limit": "40.00", "window": "total"},
        {"id": "pace", "effect": "rate", "limit": "100000 per 1h"},
        {"id": "all", "effect": "allow"},
    ],
}
# What a process saw is written, in one piece, before it does anything else: a killed one cannot take it back.
WORKER = """
import os, sys, time
from pathlib import Path
from codespar_cli.core.services import Services
from codespar_cli.errors import StoreError
from codespar_cli.plugins.policy.engine import PolicyEngine

base, options, tries, settles = Path(sys.argv[1]), {name: sys.argv[2 + n] for n, name in enumerate(("store", "durability"))}, int(sys.argv[4]), sys.argv[5] == "settle"
engine = PolicyEngine.from_options(options, Services(base / "state", config_dir=base))
out = os.open(base / "told", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(out, b"ready - -\\n")
while not (base / "go").exists():
    time.sleep(0.001)
for number in range(tries):
    decision = engine.evaluate("agent", "tool", "1.00")
    os.write(out, f"{decision.code or 'allowed'} {decision.decision_id} {decision.reservation_id}\\n".encode())
    if settles and decision.allowed:
        try:
            engine.record_usage("agent", "tool", "1.00", reservation_id=decision.reservation_id)
        except StoreError as error:  # of a crowd: nobody knows whether it was settled
            os.write(out, f"unsettled {decision.reservation_id} {error.code}\\n".encode())
        else:
            os.write(out, f"settled {decision.reservation_id} -\\n".encode())
"""


class Crowd:
    """Processes that ask one engine's store, and what they were told."""

    def __init__(self, base: Path, store: str, durability: str = "normal") -> None:
        self.base, self.options = base, {"store": store, "durability": durability}
        self.workers: list[subprocess.Popen] = []
        (base / "policy.yaml").write_text(json.dumps(RULES))

    def limit(self, text: str) -> None:
        rules = [RULES["rules"][0] | {"limit": text}, *RULES["rules"][1:]]
        (self.base / "policy.yaml").write_text(json.dumps(RULES | {"rules": rules}))

    def start(self, processes: int, tries: int, *, settle: bool = False) -> None:
        words = [*self.options.values(), str(tries), "settle" if settle else "hold"]
        command = [sys.executable, "-c", WORKER, str(self.base), *words]
        before = self.told()["ready"]
        with (self.base / "said").open("ab") as said:
            self.workers = [subprocess.Popen(command, stderr=said) for _ in range(processes)]
        wait_until(lambda: self.told()["ready"] == before + processes)
        (self.base / "go").touch()

    def lines(self) -> list[list[str]]:
        path = self.base / "told"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def told(self) -> Counter:
        return Counter(line[0] for line in self.lines())

    def kill(self, index: int) -> None:
        self.workers[index].send_signal(signal.SIGKILL)

    def finish(self) -> None:
        for worker in self.workers:
            worker.wait(200)
            assert worker.returncode in (0, -signal.SIGKILL)
        assert (self.base / "said").read_text() == ""

    def engine(self) -> PolicyEngine:
        return PolicyEngine.from_options(self.options, Services(self.base / "state", config_dir=self.base))

    def bodies(self) -> list[dict]:
        """The chained record, every hash of which was computed anew."""
        engine = self.engine()
        found = [dict(record.body) for record in engine._address.store.records()]
        close(engine)
        return found

    def counted(self) -> tuple[int, int]:
        engine = self.engine()
        (state,) = engine.budgets()
        close(engine)
        return int(state.spent), int(state.held)

    def agrees(self, limit: int) -> None:
        """Whatever was told is in the record, the record is within the limit, and the counters are what it says."""
        bodies = self.bodies()
        allowed = {body["decision"]: body["reservation"] for body in bodies if body.get("allowed")}
        settled = {body["reservation"] for body in bodies if body.get("outcome") == "settled"}
        lines = self.lines()
        granted = [(first, second) for code, first, second in lines if code == "allowed"]
        assert len(granted) <= limit
        assert len(allowed) <= limit
        assert {allowed.get(decision) for decision, _ in granted} == {second for _, second in granted}
        assert {first for code, first, _ in lines if code == "settled"} <= settled
        assert self.counted() == (len(settled), len(allowed) - len(settled))


def close(engine: PolicyEngine) -> None:
    store = engine._address.store
    (store.close if hasattr(store, "close") else store.database.close)()


def wait_until(claim) -> None:
    deadline = time.monotonic() + 120
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture(params=["sqlite", "postgres"])
def crowd(request, tmp_path):
    store = request.getfixturevalue("postgres").new_database() if request.param == "postgres" else "sqlite"
    crowd = Crowd(tmp_path, store)
    yield crowd
    for worker in crowd.workers:
        if worker.poll() is None:
            worker.kill()
            worker.wait()


def test_sixteen_processes_on_one_budget_get_exactly_the_limit(crowd):
    crowd.start(16, 5)
    crowd.finish()
    assert crowd.told() == {"ready": 16, "allowed": 40, "budget_exceeded": 40}
    assert sorted(body["decision"] for body in crowd.bodies()) == sorted(
        first for code, first, _ in crowd.lines() if code != "ready"
    )
    crowd.agrees(40)


def first_ever(crowd, processes):
    crowd.start(processes, 1)
    crowd.finish()
    return crowd.told(), len(crowd.bodies())


def test_thirty_two_first_ever_processes_get_right_answers(tmp_path):
    assert first_ever(Crowd(tmp_path, "sqlite", "normal"), 32) == ({"ready": 32, "allowed": 32}, 32)


def test_twelve_first_ever_processes_get_right_answers_of_a_server(crowd):
    """A server's answers have an end after 1.6 s: how many can begin at once depends on the machine."""
    assert first_ever(crowd, 12) == ({"ready": 12, "allowed": 12}, 12)


@pytest.mark.slow
def test_thirty_two_first_ever_processes_get_right_answers_of_a_server(crowd):
    assert first_ever(crowd, 32) == ({"ready": 32, "allowed": 32}, 32)


def test_thirty_two_first_ever_processes_get_right_answers_with_full_durability(tmp_path):
    crowd = Crowd(tmp_path, "sqlite", "full")
    crowd.start(32, 1)
    crowd.finish()
    assert crowd.told() == {"ready": 32, "allowed": 32}


def kill_some(crowd: Crowd, processes: int, victims: int, limit: int) -> str | None:
    """What whoever asks afterwards is told."""
    chance = random.Random(20261123)
    crowd.limit(f"{limit}.00")
    crowd.start(processes, 10_000 // processes, settle=True)
    for number, victim in enumerate(chance.sample(range(processes), victims), 1):
        wanted = limit * number // (victims + 2)
        wait_until(lambda wanted=wanted: crowd.told()["allowed"] >= wanted)
        time.sleep(chance.random() * 0.01)
        crowd.kill(victim)
    wait_until(lambda: crowd.told()["budget_exceeded"] > processes)
    for index in range(processes):
        crowd.kill(index)
    crowd.finish()
    crowd.agrees(limit)
    engine = crowd.engine()
    code = engine.evaluate("agent", "tool", str(limit)).code
    close(engine)
    return code


def test_eight_processes_of_which_two_are_killed(crowd):
    assert kill_some(crowd, 8, 2, 150) == "budget_exceeded"


@pytest.mark.slow
def test_sixty_four_processes_of_which_seven_are_killed(crowd):
    assert kill_some(crowd, 64, 7, 1500) == "budget_exceeded"


@pytest.mark.slow
def test_a_server_that_is_killed_under_load_grants_no_more_than_the_limit(postgres, tmp_path):
    crowd = Crowd(tmp_path, postgres.new_database())
    crowd.limit("600.00")
    crowd.start(8, 10_000, settle=False)
    for wanted in (50, 150, 300):
        wait_until(lambda wanted=wanted: crowd.told()["allowed"] >= wanted)
        postgres.kill()
        postgres.start()
    wait_until(lambda: crowd.told()["budget_exceeded"] > 8)
    for index in range(8):
        crowd.kill(index)
    crowd.finish()
    told = crowd.told()
    assert told.keys() <= {"ready", "allowed", "budget_exceeded", "store_unreachable"}
    assert told["store_unreachable"] > 0
    crowd.agrees(600)


@pytest.mark.parametrize("durability", ["normal", "full"])
def test_killed_processes_lose_nothing_that_was_acknowledged(tmp_path, durability):
    crowd = Crowd(tmp_path, "sqlite", durability)
    crowd.limit("1000000")
    for round_number in range(4):
        crowd.start(2, 100_000, settle=True)
        wanted = crowd.told()["settled"] + 15
        wait_until(lambda wanted=wanted: crowd.told()["settled"] >= wanted)
        time.sleep(0.003 * round_number)
        for index in range(2):
            crowd.kill(index)
        crowd.finish()
    assert crowd.told()["allowed"] > 50
    crowd.agrees(1_000_000)
