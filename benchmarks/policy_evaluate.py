"""A whole evaluation on SQLite with three budgets, against a bare transaction that writes the same rows.

Both run in this process, interleaved, on the same disk: the ratio is what deciding, describing and recording cost on top
of the database. Promise: p50 <= 100 us with `durability = "normal"`, and with `"full"` at most 1.5 x the bare one.
"""

from __future__ import annotations

import gc
import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.stores.sqlite_store import SqliteStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress
from codespar_cli.storage.sqlite import Durability

POLICY = b"""
version: 1
rules:
  - {id: a-day, effect: budget, limit: "900000000", per: agent, window: calendar day}
  - {id: b-month, effect: budget, limit: "900000000", per: project, window: calendar month}
  - {id: c-total, effect: budget, limit: "900000000", per: tool, window: total}
  - {id: everything, effect: allow, tools: ["buy/**"]}
"""
ROUNDS = 10
FACTS = ("enforce", "default", "bot", "buy/thing", 1, 1 << 60, 10_000, "open", "1:1 2:1 3:1")


def bare(store: SqliteStore, body: str) -> Callable[[int], None]:
    """The rows that an evaluation reads and writes, in the same tables, without a thought."""

    def act(number: int) -> None:
        with store.database.write() as connection:
            execute = connection.execute
            ((seq, previous),) = execute("SELECT seq, hash FROM chain_head")
            for counter in (1, 2, 3):
                next(iter(execute("SELECT value, held FROM counter WHERE id = ?", (counter,))))
            hold = f"rs-{seq + 1:010x}{os.urandom(5).hex()}"
            execute("INSERT INTO hold VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (seq + 1, hold, *FACTS))
            for counter in (1, 2, 3):
                execute("UPDATE counter SET held = held + 1 WHERE id = ?", (counter,))
                execute("INSERT INTO hold_part VALUES (?, ?, ?, 1)", (number, seq + 1, counter))
            digest = hashlib.sha256(body.encode()).digest()
            execute("INSERT INTO chain VALUES (?, ?, 'd', 'bot', ?, ?, ?)", (seq + 1, number, body, previous, digest))
            execute("UPDATE chain_head SET seq = ?, hash = ?", (seq + 1, digest))

    return act


def timed(act: Callable[[int], None], start: int, count: int) -> list[float]:
    taken = []
    for number in range(start, start + count):
        started = time.perf_counter_ns()
        act(number)
        taken.append((time.perf_counter_ns() - started) / 1000)
    return taken


def measure(directory: Path, durability: Durability, count: int) -> tuple[float, float]:
    store = SqliteStore(directory / "ours", durability)
    engine = PolicyEngine(compile_policy(POLICY, "bench.yaml"), StoreAddress.of(store))

    def evaluate(number: int) -> None:
        decision = engine.evaluate("bot", "buy/thing", "0.01")
        assert decision.allowed, decision.reason
        engine_holds.append(decision.reservation_id)

    engine_holds: list[str | None] = []
    evaluate(0)
    body = store.database.query("SELECT body FROM chain ORDER BY seq DESC LIMIT 1")[0][0]
    bare_store = SqliteStore(directory / "bare", durability)
    with bare_store.database.write() as connection:
        for counter in ("1", "2", "3"):
            connection.execute(
                "INSERT INTO counter (space, tenant, rule, scope, window, period) VALUES ('', '', ?, '', '', '')",
                (counter,),
            )
    floor = bare(bare_store, body)
    timed(evaluate, 0, 50), timed(floor, 1, 50)
    ours: list[float] = []
    theirs: list[float] = []
    for turn in range(ROUNDS):
        ours += timed(evaluate, 0, count)
        theirs += timed(floor, 100 + turn * count, count)
        while engine_holds:
            engine.record_usage("bot", "buy/thing", "0.01", reservation_id=engine_holds.pop())
    return statistics.median(ours), statistics.median(theirs)


def main() -> int:
    gc.disable()
    kept = True
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as scratch:
        for durability, count in (("normal", 300), ("full", 60)):
            ours, floor = measure(Path(scratch) / durability, durability, count)  # type: ignore[arg-type]
            ratio = ours / floor
            print(
                f"{durability:6s}  evaluate p50 {ours:8.1f} us   bare transaction p50 {floor:8.1f} us   {ratio:.2f} x"
            )
            kept = kept and (ours <= 100 if durability == "normal" else ratio <= 1.5)
    print(f"promise (normal <= 100 us, full <= 1.5 x bare): {'kept' if kept else 'BROKEN'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
