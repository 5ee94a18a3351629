from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import codespar_cli
from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.errors import StoreBusy, StoreError
from codespar_cli.plugins.observability import write_buffer
from codespar_cli.plugins.observability.observer import MCPObserver
from codespar_cli.plugins.observability.write_buffer import MAX_WAITING, WriteBuffer


def eventually(holds, within_s=10.0):
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.005)


class Sink:
    def __init__(self) -> None:
        self.rows: list[object] = []
        self.failure: StoreError | None = None

    def __call__(self, rows):
        if self.failure is not None:
            raise self.failure
        self.rows += rows


def test_rows_are_written_by_themselves_soon_after():
    sink = Sink()
    buffer = WriteBuffer(sink)
    buffer.add((1,))
    eventually(lambda: sink.rows)
    assert sink.rows == [(1,)]


def test_every_row_is_written_once_and_in_order_under_many_threads():
    sink = Sink()
    buffer = WriteBuffer(sink)
    threads = [
        threading.Thread(target=lambda at=at: [buffer.add((at, number)) for number in range(2000)]) for at in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    buffer.flush()
    assert len(sink.rows) == 8000
    for at in range(4):
        assert [number for who, number in sink.rows if who == at] == list(range(2000))


def test_a_store_that_cannot_be_written_makes_rows_wait_not_vanish():
    sink = Sink()
    sink.failure = StoreBusy("busy")
    buffer = WriteBuffer(sink)
    buffer.add((1,))
    with pytest.raises(StoreBusy):
        buffer.flush()
    assert buffer.failure is sink.failure
    sink.failure = None
    buffer.add((2,))
    eventually(lambda: sink.rows == [(1,), (2,)])
    eventually(lambda: buffer.failure is None)


def test_recording_fails_once_too_many_wait():
    sink = Sink()
    sink.failure = StoreBusy("busy")
    buffer = WriteBuffer(sink)
    for number in range(MAX_WAITING):
        buffer.add((number,))
    with pytest.raises(StoreError):
        buffer.add((-1,))
    assert buffer.waiting == MAX_WAITING
    sink.failure = None
    buffer.flush()
    assert sink.rows == [(number,) for number in range(MAX_WAITING)]


def test_an_idle_thread_ends_and_the_next_row_starts_another(monkeypatch):
    monkeypatch.setattr(write_buffer, "_LINGER_S", 0.01)
    sink = Sink()
    buffer = WriteBuffer(sink)
    for number in range(3):
        buffer.add((number,))
        eventually(lambda: buffer._thread is None)
    assert sink.rows == [(0,), (1,), (2,)]


def script(text: str, path: Path) -> subprocess.CompletedProcess[str]:
    head = (
        "import os, sys, time\nfrom pathlib import Path\nfrom codespar_cli.core.hooks import ToolMetric\n"
        "from codespar_cli.plugins.observability.observer import MCPObserver\n"
        f"observer = MCPObserver(Path({str(path)!r}), durability='batch')\n"
        "def record(tool): observer.record(ToolMetric(tool, 'bot', 1.0, True))\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(codespar_cli.__file__).parents[1])}
    return subprocess.run(
        # Python 3.12 and later warn of any fork in a process with threads.
        [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", head + text],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def recorded(path):
    return sorted(row.tool for row in MCPObserver(path).rows(MetricFilter(), limit=10_000).rows)


def test_an_orderly_exit_writes_what_waits(path):
    done = script("for number in range(42): record('a')\n", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert recorded(path) == ["a"] * 42


def test_an_exit_by_exception_writes_what_waits(path):
    script("record('a')\nraise SystemExit(3)\n", path)
    assert recorded(path) == ["a"]


def test_a_fork_neither_repeats_nor_loses_rows(path):
    done = script(
        "for number in range(50): record('parent')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    for number in range(30): record('child')\n"
        "    observer.close()\n"
        "    os._exit(0)\n"
        "for number in range(50): record('parent')\n"
        "assert os.waitpid(child, 0)[1] == 0\n",
        path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert recorded(path) == ["child"] * 30 + ["parent"] * 100


def test_a_child_of_a_busy_recorder_can_record(path):
    done = script(
        "import threading\n"
        "def spin():\n"
        "    for number in range(20000): record('parent')\n"
        "thread = threading.Thread(target=spin); thread.start()\n"
        "for number in range(20):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        record('child'); observer.close(); os._exit(0)\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "thread.join()\n",
        path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = MCPObserver(path).stats(MetricFilter())
    assert {row.key: row.calls for row in found} == {"parent": 20_000, "child": 20}


def test_statistics_see_what_waits(path, metric):
    observer = MCPObserver(path, durability="batch")
    observer.record(metric())
    assert observer.get_stats()[0]["calls"] == 1
    observer.close()


def test_health_tells_of_rows_that_wait(tmp_path, metric):
    (tmp_path / "file").write_text("")
    observer = MCPObserver(tmp_path / "file" / "metrics.db", durability="batch")
    observer.record(metric())
    eventually(lambda: observer.health().state == "warning")
    assert "1 records wait" in observer.health().message
