"""A whole evaluation on PostgreSQL with three budgets, against a bare transaction that writes the same rows.

Both on one server, started here from the wheel that the tests use, interleaved: the ratio is what deciding, describing
and recording cost on top of the database. Then reservations per second over four processes on one budget.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from postgres_server import running

from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.stores.postgres_store import PostgresStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

POLICY = b"""
version: 1
rules:
  - {id: a-day, effect: budget, limit: "900000000", per: agent, window: calendar day}
  - {id: b-month, effect: budget, limit: "900000000", per: project, window: calendar month}
  - {id: c-total, effect: budget, limit: "900000000", per: tool, window: total}
  - {id: everything, effect: allow, tools: ["buy/**"]}
"""
ROUNDS, COUNT, SECONDS = 8, 100, 4.0


def engine_on(url: str) -> PolicyEngine:
    return PolicyEngine(compile_policy(POLICY, "bench.yaml"), StoreAddress.of(PostgresStore(url)))


def bare(url: str, body: str) -> Callable[[int], None]:
    """The rows that an evaluation reads and writes, in the same tables and as few trips, without a thought."""
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("SET search_path = codespar_policy")
    counters = [row[0] for row in connection.execute("SELECT id FROM counter ORDER BY id").fetchall()]

    def act(number: int) -> None:
        token, digest = os.urandom(10).hex(), hashlib.sha256(body.encode()).digest()
        with connection.pipeline() as pipeline:
            connection.execute("BEGIN")
            head = connection.execute("SELECT at, seq, hash FROM chain_head FOR UPDATE")
            pipeline.sync()
            ((at, seq, previous),) = head.fetchall()
            states = connection.execute("SELECT value, held FROM counter WHERE id = ANY(%s)", (counters,))
            pipeline.sync()
            states.fetchall()
            connection.execute(
                "INSERT INTO hold VALUES (%s, 's', 't', 'bot', 'buy/thing', 1, 1, 10000, 'open', '1:1 2:1 3:1')",
                (token,),
            )
            connection.execute("UPDATE counter SET held = held + 1 WHERE id = ANY(%s)", (counters,))
            connection.execute(
                "INSERT INTO hold_part SELECT id, %s, %s, 1 FROM unnest(%s::bigint[]) AS part (id)",
                (1 << 60, token, counters),
            )
            connection.execute(
                "INSERT INTO chain VALUES (%s, %s, 'd', 'bot', %s, %s, %s)", (seq + 1, at, body, previous, digest)
            )
            connection.execute("UPDATE chain_head SET seq = %s, hash = %s", (seq + 1, digest))
            connection.execute("COMMIT")

    return act


def timed(act: Callable[[int], None], count: int) -> list[float]:
    taken = []
    for number in range(count):
        started = time.perf_counter_ns()
        act(number)
        taken.append((time.perf_counter_ns() - started) / 1000)
    return taken


def worker(url: str, seconds: float) -> None:
    engine, count = engine_on(url), 0
    engine.evaluate("bot", "buy/thing", "0.01")
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        count += engine.evaluate("bot", "buy/thing", "0.01").allowed
    print(count, flush=True)


def throughput(url: str, processes: int) -> float:
    command = [sys.executable, __file__, url]
    crowd = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    for each in crowd:
        assert each.stdout is not None
        each.stdout.readline()
    return sum(int(out) for out in (each.communicate("go\n")[0] for each in _started(crowd))) / SECONDS


def _started(crowd: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    for each in crowd:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    return crowd


def main() -> int:
    if len(sys.argv) > 1:
        worker(sys.argv[1], SECONDS)
        return 0
    with running() as server:
        first, second = server.new_database(), server.new_database()
        engine, other = engine_on(first), engine_on(second)

        def evaluate(number: int) -> None:
            decision = engine.evaluate("bot", "buy/thing", "0.01")
            assert decision.allowed, decision.reason

        evaluate(0)
        other.evaluate("bot", "buy/thing", "0.01")
        with psycopg.connect(first) as connection:
            found = connection.execute("SELECT body FROM codespar_policy.chain").fetchone()
        assert found is not None
        floor = bare(second, found[0])
        timed(evaluate, 50), timed(floor, 50)
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(ROUNDS):
            ours += timed(evaluate, COUNT)
            theirs += timed(floor, COUNT)
        p50, bare_p50 = statistics.median(ours), statistics.median(theirs)
        print(f"evaluate p50 {p50:8.1f} us   bare transaction p50 {bare_p50:8.1f} us   {p50 / bare_p50:.2f} x")
        print(f"reservations over 4 processes on one budget: {throughput(server.new_database(), 4):.0f}/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
