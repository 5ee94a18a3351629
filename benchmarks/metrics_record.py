"""What recording a call costs: `MCPObserver.record` against a bare apsw insert of the same row, and four processes.

    python benchmarks/metrics_record.py

The bare insert is the floor: the same table and index, WAL, synchronous=NORMAL, autocommit, a prepared row, no checks,
no queue, one process. Both run in turns in the same process, so that the machine's mood hits both alike.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import apsw

from codespar_cli.core.clock import system_clock
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.plugins.observability.admission import admit
from codespar_cli.plugins.observability.call_store import COLUMNS, SCHEMA
from codespar_cli.plugins.observability.observer import MCPObserver

ROUNDS, PER_ROUND = 20, 1000
PROCESSES, PER_PROCESS = 4, 50_000
METRIC = ToolMetric(
    "github/list_issues", "agent-1", 123.4, True, cost="0.0012", input_tokens=900, output_tokens=150,
    session="session-1", decision_id="01JD3Z3W9N4",
)  # fmt: skip
WITH_ARGUMENTS = replace(METRIC, arguments={"owner": "acme", "repo": "site", "state": "open", "labels": ["bug"]})
WRITER = """
import sys
from pathlib import Path
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.plugins.observability.observer import MCPObserver
observer = MCPObserver(Path(sys.argv[1]), durability="batch")
metric = ToolMetric("github/list_issues", "agent-1", 123.4, True, cost="0.0012", session="session-1")
observer.record(metric)
observer.flush()
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    observer.record(metric)
observer.close()
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        recorded, sealed, bare = in_turns(Path(directory))
        ours, floor = statistics.median(recorded) / 1000, statistics.median(bare) / 1000
        print(
            f"record()                p50 {ours:6.1f} us   p99 {quantile(recorded, 0.99) / 1000:6.1f} us   aim <= 25 us"
        )
        print(f"  with arguments        p50 {statistics.median(sealed) / 1000:6.1f} us   (their size and digest)")
        print(f"bare apsw insert        p50 {floor:6.1f} us   p99 {quantile(bare, 0.99) / 1000:6.1f} us")
        print(f"ratio                   {ours / floor:6.2f} x")
        rate = processes_at_once(Path(directory) / "many" / "metrics.db")
        print(f"{PROCESSES} processes, batch      {rate:9,.0f} records/s   aim >= 40,000")


def in_turns(directory: Path) -> tuple[list[int], list[int], list[int]]:
    observer = MCPObserver(directory / "ours" / "metrics.db")
    connection = bare_store(directory / "bare.db")
    row = admit(METRIC, system_clock)
    insert = f"INSERT INTO calls ({COLUMNS}) VALUES ({', '.join('?' * len(row))})"
    recorded: list[int] = []
    sealed: list[int] = []
    bare: list[int] = []
    for _ in range(ROUNDS):
        recorded += timed(lambda: observer.record(METRIC))
        sealed += timed(lambda: observer.record(WITH_ARGUMENTS))
        bare += timed(lambda: connection.execute(insert, row))
    observer.close()
    connection.close()
    return recorded, sealed, bare


def bare_store(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    for pragma in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL"):
        connection.execute(pragma)
    for script in SCHEMA.migrations:
        connection.execute(script)
    return connection


def timed(act) -> list[int]:
    spent = []
    for _ in range(PER_ROUND):
        start = time.perf_counter_ns()
        act()
        spent.append(time.perf_counter_ns() - start)
    return spent


def quantile(values: list[int], share: float) -> int:
    return sorted(values)[int(share * (len(values) - 1))]


def processes_at_once(path: Path) -> float:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(PER_PROCESS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(PROCESSES)
    ]
    for process in running:
        process.stdout.readline()
    start = time.perf_counter()
    for process in running:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in running:
        process.communicate()
        if process.returncode != 0:
            raise SystemExit("a writer failed")
    return PROCESSES * PER_PROCESS / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
