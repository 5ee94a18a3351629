"""Reservations a second over four processes on one SQLite store, against the same four writing the same rows bare.

Promise: at least 5,000 a second with `durability = "normal"`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

from policy_evaluate import POLICY, bare

from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.stores.sqlite_store import SqliteStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

PROCESSES, SECONDS = 4, 3.0


def evaluate(directory: Path) -> Callable[[int], None]:
    engine = PolicyEngine(compile_policy(POLICY, "bench.yaml"), StoreAddress.of(SqliteStore(directory, "normal")))

    def act(_: int) -> None:
        decision = engine.evaluate(f"bot-{os.getpid()}", "buy/thing", "0.01")
        assert decision.allowed, decision.reason

    return act


def floor(directory: Path) -> Callable[[int], None]:
    return bare(SqliteStore(directory, "normal"), "x" * 600)


def work(name: str, directory: Path, start: Barrier, counts: dict[int, int], number: int) -> None:
    act = {"evaluate": evaluate, "floor": floor}[name](directory)
    start.wait()
    ends, count = time.perf_counter() + SECONDS, 0
    while time.perf_counter() < ends:
        act(number * 10**7 + count)
        count += 1
    counts[number] = count


def rate(name: str, directory: Path) -> float:
    """What all processes did together, a second."""
    store = SqliteStore(directory, "normal")
    with store.write() as transaction:
        transaction.record(1, "made", "bench", {})
    if name == "floor":
        with store.database.write() as connection:
            for rule in "123":
                connection.execute(
                    "INSERT INTO counter (space, tenant, rule, scope, window, period) VALUES ('', '', ?, '', '', '')",
                    (rule,),
                )
    store.database.close()
    context = get_context("spawn")
    with context.Manager() as manager:
        counts, start = manager.dict(), manager.Barrier(PROCESSES)
        processes = [
            context.Process(target=work, args=(name, directory, start, counts, number)) for number in range(PROCESSES)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        return sum(counts.values()) / SECONDS


def main() -> int:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as scratch:
        theirs = rate("floor", Path(scratch) / "floor")
        ours = rate("evaluate", Path(scratch) / "ours")
    print(f"{PROCESSES} processes  evaluate {ours:,.0f}/s   bare transaction {theirs:,.0f}/s   {theirs / ours:.2f} x")
    kept = ours >= 5_000
    print(f"promise (>= 5,000/s): {'kept' if kept else 'BROKEN'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
