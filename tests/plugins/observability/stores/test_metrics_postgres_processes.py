"""Several real processes on one server: everything acknowledged is there, exactly once, and seen as it comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import codespar_cli
from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.plugins.observability.observer import MCPObserver

ENVIRON = {**os.environ, "PYTHONPATH": str(Path(codespar_cli.__file__).parents[1])}
WRITER = """
import sys
from datetime import timedelta
from pathlib import Path
from codespar_cli.core.clock import system_clock
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.plugins.observability.observer import MCPObserver
url, name, count, durability = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
observer = MCPObserver(Path("metrics.db"), durability=durability, server=lambda: url)
for number in range(count):
    late = system_clock() - timedelta(minutes=number * 37 % 500)
    observer.record(ToolMetric(f"{name}/{number}", name, 1.0, True, cost="0.000001", time=late))
    if durability == "commit":
        sys.stdout.write(f"{name}/{number}\\n")
        sys.stdout.flush()
"""
FOLDER = """
import sys
from pathlib import Path
from codespar_cli.core.clock import system_clock
from codespar_cli.plugins.observability.rollup import Rollup
from codespar_cli.plugins.observability.stores import postgres_fold
from codespar_cli.plugins.observability.stores.postgres_calls import PostgresCalls
postgres_fold.FOLD_ROWS = 50
rollup = Rollup(PostgresCalls(lambda: sys.argv[1], clock=system_clock))
for _ in range(int(sys.argv[2])):
    rollup.catch_up()
"""


def start(code: str, *arguments: str, output: Any = subprocess.DEVNULL) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env=ENVIRON, stdout=output, stderr=subprocess.PIPE, text=True
    )


def writer(url: str, name: str, count: int, durability: str = "commit", output: Any = subprocess.DEVNULL):
    return start(WRITER, url, name, str(count), durability, output=output)


def read_on(observer: MCPObserver, seen: Counter[str], after: int) -> int:
    while True:
        page = observer.rows(MetricFilter(), after=after, limit=97)
        seen.update(row.tool for row in page.rows)
        after = page.cursor
        if page.complete:
            return after


@pytest.mark.parametrize(("processes", "count", "durability"), [(6, 150, "commit"), (4, 5000, "batch")])
def test_a_reader_sees_every_row_of_every_process_once(postgres, path, processes, count, durability):
    url = postgres.new_database()
    running = [writer(url, f"w{number}", count, durability) for number in range(processes)]
    folding = [start(FOLDER, url, "60") for _ in range(2)]
    observer, seen, after = MCPObserver(path, server=lambda: url), Counter[str](), 0
    while any(process.poll() is None for process in running):
        after = read_on(observer, seen, after)
        time.sleep(0.002)
    read_on(observer, seen, after)
    assert [process.communicate()[1] for process in running + folding] == [""] * (processes + 2)
    assert seen == Counter({f"w{number}/{row}" for number in range(processes) for row in range(count)})
    found = observer.stats(MetricFilter(tool="w*/*"), by="agent")
    assert {row.key: row.calls for row in found} == {f"w{number}": count for number in range(processes)}
    observer.close()


def test_kill_9_loses_nothing_that_was_acknowledged(postgres, path, tmp_path):
    url = postgres.new_database()
    logs = [tmp_path / f"w{number}" for number in range(4)]
    running = []
    for log in logs:
        with log.open("w") as output:
            running.append(writer(url, log.name, 1_000_000, output=output))
    for number, (process, log) in enumerate(zip(running, logs, strict=True)):
        while not log.stat().st_size:
            time.sleep(0.005)
        time.sleep(0.03 * number)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    # A line that the kill cut short was not an acknowledgement.
    acknowledged = {line[:-1] for log in logs for line in log.read_text().splitlines(keepends=True) if line[-1] == "\n"}
    observer, seen = MCPObserver(path, server=lambda: url), Counter[str]()
    read_on(observer, seen, 0)
    assert len(acknowledged) >= 4
    assert acknowledged <= set(seen)
    assert set(seen.values()) == {1}
    assert sum(row.calls for row in observer.stats(MetricFilter(), by="agent")) == len(seen)
    observer.close()


def test_many_first_processes_at_once_make_one_store(postgres, path):
    url = postgres.new_database()
    running = [writer(url, f"w{number}", 1) for number in range(8)]
    assert [process.communicate()[1] for process in running] == [""] * 8
    observer = MCPObserver(path, server=lambda: url)
    assert [row.id for row in observer.rows(MetricFilter()).rows] == list(range(1, 9))
    observer.close()
