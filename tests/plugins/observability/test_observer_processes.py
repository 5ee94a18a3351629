"""Several real processes on one store: everything acknowledged is there, exactly once, and seen as it comes."""

from __future__ import annotations

import json
import os
import shutil
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

WRITER = """
import sys
from pathlib import Path
from typing import Any
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.plugins.observability.observer import MCPObserver
path, name, count, durability = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
observer = MCPObserver(path, durability=durability)
for number in range(count):
    observer.record(ToolMetric(f"{name}/{number}", "bot", 1.0, True, cost="0.000001"))
    if durability == "commit":
        sys.stdout.write(f"{name}/{number}\\n")
        sys.stdout.flush()
"""


def writer(path: Path, name: str, count: int, durability: str = "commit", output: Any = subprocess.DEVNULL):
    environ = {**os.environ, "PYTHONPATH": str(Path(codespar_cli.__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(count), durability],
        env=environ,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_on(observer: MCPObserver, seen: Counter[str], after: int) -> int:
    while True:
        page = observer.rows(MetricFilter(), after=after, limit=97)
        seen.update(row.tool for row in page.rows)
        after = page.cursor
        if page.complete:
            return after


@pytest.mark.parametrize(("processes", "count", "durability"), [(6, 500, "commit"), (4, 5000, "batch")])
def test_a_reader_sees_every_row_of_every_process_once(path, processes, count, durability):
    running = [writer(path, f"w{number}", count, durability) for number in range(processes)]
    observer, seen, after = MCPObserver(path), Counter[str](), 0
    while any(process.poll() is None for process in running):
        after = read_on(observer, seen, after)
        time.sleep(0.002)
    read_on(observer, seen, after)
    assert [process.communicate()[1] for process in running] == [""] * processes
    expected = {f"w{number}/{row}" for number in range(processes) for row in range(count)}
    assert seen == Counter(expected)
    assert sum(row.calls for row in observer.stats(MetricFilter(tool="w*/*"), by="agent")) == processes * count


def test_kill_9_loses_nothing_that_was_acknowledged(path, tmp_path):
    logs = [tmp_path / f"w{number}" for number in range(4)]
    running = []
    for log in logs:
        with log.open("w") as output:
            running.append(writer(path, log.name, 1_000_000, output=output))
    for number, (process, log) in enumerate(zip(running, logs, strict=True)):
        while not log.stat().st_size:
            time.sleep(0.005)
        time.sleep(0.03 * number)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    # A line that the kill cut short was not an acknowledgement.
    acknowledged = {line[:-1] for log in logs for line in log.read_text().splitlines(keepends=True) if line[-1] == "\n"}
    seen: Counter[str] = Counter()
    read_on(MCPObserver(path), seen, 0)
    assert len(acknowledged) >= 4
    assert acknowledged <= set(seen)
    assert set(seen.values()) == {1}


def test_many_first_processes_at_once_make_one_store(path):
    running = [writer(path, f"w{number}", 1) for number in range(12)]
    assert [process.communicate()[1] for process in running] == [""] * 12
    assert len(MCPObserver(path).rows(MetricFilter()).rows) == 12


def test_tail_follows_the_writes_of_other_processes(codespar):
    tail = codespar.start("metrics", "tail", "-o", "jsonl", "-n", "800")
    running = [writer(codespar.state_dir / "metrics.db", f"w{number}", 200) for number in range(4)]
    assert tail.stdout is not None
    seen = [json.loads(tail.stdout.readline())["tool"] for _ in range(800)]
    assert [process.communicate()[1] for process in running] == [""] * 4
    assert sorted(seen) == sorted(f"w{number}/{row}" for number in range(4) for row in range(200))
    assert codespar.run("metrics", "record", "the/last").returncode == 0
    assert json.loads(tail.stdout.readline())["tool"] == "the/last"
    tail.send_signal(signal.SIGINT)
    out, err = tail.communicate(timeout=30)
    assert (tail.returncode, out, err) == (130, "", "")


def test_a_tail_that_nobody_reads_ends_by_itself_though_nothing_happens(codespar):
    codespar.run("metrics", "record", "git/push")
    tail = codespar.start("metrics", "tail")
    assert tail.stdout is not None
    assert tail.stdout.readline().startswith("TIME")
    tail.stdout.close()
    assert tail.wait(timeout=30) == 0
    assert tail.stderr is not None
    with tail.stderr:
        assert tail.stderr.read() == ""


def test_a_tail_goes_on_with_the_store_that_took_the_place_of_the_one_it_read(codespar):
    codespar.run("metrics", "record", "--from", "-", given='{"tool": "old"}\n' * 3)
    tail = codespar.start("metrics", "tail", "-o", "jsonl", "-n", "1")
    assert tail.stdout is not None
    assert json.loads(tail.stdout.readline())["id"] == 3
    shutil.rmtree(codespar.state_dir)
    assert codespar.run("metrics", "record", "new").returncode == 0
    assert json.loads(tail.stdout.readline())["tool"] == "new"
    for file in codespar.state_dir.glob("metrics.db*"):
        if not file.name.endswith(".lock"):
            file.unlink()
    out, err = tail.communicate(timeout=30)
    assert (tail.returncode, out) == (1, "")
    assert json.loads(err)["error"]["code"] == "store_missing"


@pytest.mark.parametrize("arguments", ["", "-n 0 -o jsonl"])
def test_a_tail_without_a_stdout_ends_at_once(codespar, arguments):
    codespar.run("metrics", "record", "git/push")
    line = f"{sys.executable} -m codespar_cli metrics tail {arguments} >&-"
    done = subprocess.run(
        ["sh", "-c", line], cwd=codespar.directory, env=codespar.environ, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_two_imports_at_once_are_both_whole(codespar, tmp_path):
    for name in ("a", "b"):
        lines = [json.dumps({"tool": name, "latency_ms": number}) for number in range(5000)]
        (tmp_path / name).write_text("\n".join(lines))
    running = [codespar.start("metrics", "record", "--from", str(tmp_path / name)) for name in ("a", "b")]
    for process in running:
        process.communicate(timeout=60)
    assert [process.returncode for process in running] == [0, 0]
    found = json.loads(codespar.run("metrics", "stats", "-o", "json").stdout)
    assert {row["tool"]: row["calls"] for row in found} == {"a": 5000, "b": 5000}
