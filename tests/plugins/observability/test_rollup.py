from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

import codespar_cli
from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.plugins.observability import removal, rollup_fold
from codespar_cli.plugins.observability import rollup as rollup_module
from codespar_cli.plugins.observability.call_store import _CREATE, SCHEMA, CallStore, Retention
from codespar_cli.plugins.observability.observer import MCPObserver
from codespar_cli.plugins.observability.rollup import OTHERS, Rollup
from codespar_cli.storage.sqlite import Database, Schema

ENVIRON = {**os.environ, "PYTHONPATH": str(Path(codespar_cli.__file__).parents[1])}
FOLDER = """
import sys
from pathlib import Path
from codespar_cli.core.clock import system_clock
from codespar_cli.plugins.observability import removal, rollup_fold
from codespar_cli.plugins.observability.call_store import CallStore
from codespar_cli.plugins.observability.rollup import Rollup
rollup_fold.FOLD_ROWS = 50
store = CallStore(Path(sys.argv[1]), clock=system_clock)
print("ready", flush=True)
for _ in range(int(sys.argv[2])):
    assert Rollup(store).catch_up()
"""
WRITER = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.plugins.observability.observer import MCPObserver
observer = MCPObserver(Path(sys.argv[1]))
start = datetime(2026, 11, 23, 9, tzinfo=UTC)
for number in range(int(sys.argv[2])):
    late = start - timedelta(minutes=number * 37 % 5000)
    observer.record(ToolMetric(f"t{number % 7}", sys.argv[3], float(number % 50), number % 9 > 0, cost="0.01", time=late))
"""


def store_of(path, clock):
    return CallStore(path, clock=clock)


def counted(path, clock, by="tool", wanted=None):
    found = Rollup(store_of(path, clock)).totals(wanted or MetricFilter(), (by,))
    return {key: totals.calls for (key,), totals in found.items()}


def test_a_store_of_schema_1_is_opened_and_raised(path, clock, metric):
    old = Database(path, Schema(SCHEMA.application_id, (_CREATE,)), durability="normal")
    with old.write() as connection:
        connection.execute(
            "INSERT INTO calls VALUES (NULL, 1, 't', NULL, NULL, 'bot', 'old', 5.0, 1, NULL, 7, 'reported', 1, 2, NULL)"
        )
    old.close()
    observer = MCPObserver(path, clock=clock)
    observer.record(metric("new", arguments={}))
    assert [(row.tool, row.server, row.arguments_bytes) for row in observer.rows(MetricFilter()).rows] == [
        ("old", None, None),
        ("new", None, 2),
    ]
    assert counted(path, clock) == {"old": 1, "new": 1}


def test_an_hour_that_becomes_busy_is_cut_in_slices_and_says_the_same(path, clock, observer, metric, monkeypatch):
    monkeypatch.setattr(rollup_fold, "BUSY_HOUR", 40)
    for minutes in (0, 3, 59):
        observer.record_all([metric(f"t{minutes}", time=clock() + timedelta(minutes=minutes))] * 20)
        counted(path, clock)
    query = observer._store.database.query
    assert query("SELECT calls, sliced FROM hours") == [(60, 1)]
    since = clock() + timedelta(minutes=2)
    assert counted(path, clock, wanted=MetricFilter(since=since)) == {"t3": 20, "t59": 20}
    assert counted(path, clock, by="hour") == {int(clock().timestamp()) * 10**6: 60}


def test_much_from_before_the_horizon_is_folded_after_all(path, clock, metric, monkeypatch):
    monkeypatch.setattr(rollup_fold, "FOLD_ROWS", 10)
    keeper = MCPObserver(path, clock=clock, max_rows=20)
    keeper.record_all([metric("live", time=clock() - timedelta(minutes=60 - number)) for number in range(25)])
    counted(path, clock)
    assert keeper._store.database.query("SELECT horizon FROM rollup") != [(None,)]
    MCPObserver(path, clock=clock).record_all([metric("history", time=clock() - timedelta(days=30))] * 15)
    assert counted(path, clock) == {"live": 20, "history": 15}
    assert keeper._store.database.query("SELECT horizon FROM rollup") == [(None,)]


def test_a_row_from_the_future_does_not_keep_later_ones_out_of_the_cells(path, clock, metric):
    keeper = MCPObserver(path, clock=clock, max_rows=5)
    keeper.record_all([metric(time=clock() + timedelta(days=40_000))] + [metric()] * 9)
    keeper.record_all([metric()] * 1000)
    assert (
        keeper._store.database.query("SELECT ifnull(horizon, 0) FROM rollup")[0][0]
        <= int(clock().timestamp() * 10**6) + 1
    )
    assert counted(path, clock) == {"git/push": 5}


def test_more_tools_than_can_be_named_are_added_up(path, clock, observer, metric, monkeypatch):
    monkeypatch.setattr(rollup_module, "MAX_GROUPS", 3)
    for count, tool in enumerate("abcde", 1):
        observer.record_all([metric(tool, cost=1)] * count)
    assert counted(path, clock) == {"e": 5, "d": 4, "c": 3, OTHERS: 3}
    assert observer.costs(MetricFilter()).total == 15
    assert counted(path, clock, wanted=MetricFilter(tool="a")) == {"a": 1}


@pytest.mark.slow
def test_a_hundred_thousand_tools_are_read_in_bounded_memory(path, clock, observer, metric):
    for start in range(0, 100_000, 10_000):
        observer.record_all([metric(f"made-up/{number}") for number in range(start, start + 10_000)])
    code = (
        "import sys, resource; from pathlib import Path; from codespar_cli.core.administration.metrics import MetricFilter;"
        "from codespar_cli.plugins.observability.observer import MCPObserver;"
        "rows = MCPObserver(Path(sys.argv[1])).stats(MetricFilter());"
        "print(len(rows), sum(row.calls for row in rows), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(path)], env=ENVIRON, capture_output=True, text=True, check=True
    )
    groups, calls, megabytes = map(int, out.stdout.split())
    assert (groups, calls) == (10_001, 100_000)
    assert megabytes < 150


def test_writers_and_folders_at_once_count_every_row_once(path, clock):
    MCPObserver(path).record_all([])
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), "400", f"w{n}"], env=ENVIRON) for n in range(3)
    ]
    while not path.exists() or not path.with_name("metrics.db.lock").stat().st_size:
        assert any(process.poll() is None for process in writers)
    folders = [subprocess.Popen([sys.executable, "-c", FOLDER, str(path), "40"], env=ENVIRON) for _ in range(2)]
    assert [process.wait(timeout=120) for process in writers + folders] == [0] * 5
    assert counted(path, clock, by="agent") == {"w0": 400, "w1": 400, "w2": 400}
    found = Rollup(store_of(path, clock)).totals(MetricFilter(), ("tool",))
    assert sum(totals.cost_micros for totals in found.values()) == 1200 * 10_000


def test_kill_9_in_the_middle_of_folding_changes_nothing(path, clock, observer, metric):
    observer.record_all([metric(f"t{n % 5}", time=clock() - timedelta(minutes=n), cost="0.01") for n in range(5000)])
    for _ in range(6):
        folding = subprocess.Popen([sys.executable, "-c", FOLDER, str(path), "1"], env=ENVIRON, stdout=subprocess.PIPE)
        assert folding.stdout is not None
        folding.stdout.readline()
        before = folded = observer._store.database.query("SELECT folded FROM rollup")[0][0]
        while folded == before and folding.poll() is None:
            folded = observer._store.database.query("SELECT folded FROM rollup")[0][0]
        folding.send_signal(signal.SIGKILL)
        folding.communicate()
    cells = observer._store.database.query("SELECT sum(calls) FROM cells WHERE kind = 0 AND level = 3600000000")[0][0]
    assert cells == observer._store.database.query("SELECT folded FROM rollup")[0][0]
    assert counted(path, clock) == {f"t{n}": 1000 for n in range(5)}


def read_only(path, command):
    """Runs with the directory of `path` mounted read-only."""
    place = str(path.parent)
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, place, *command],
        env=ENVIRON,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_store_on_a_read_only_disk_is_read_with_what_is_not_folded_in(path, clock, observer, metric):
    if shutil.which("unshare") is None:
        pytest.skip("no unshare")
    observer.record_all([metric("folded", time=clock() - timedelta(days=2))] * 3)
    counted(path, clock)
    observer.record_all([metric("new")] * 2)
    observer.close()
    if read_only(path, ["true"]).returncode:
        pytest.skip("this system does not let us mount")
    code = (
        "import sys; from pathlib import Path; from codespar_cli.core.administration.metrics import MetricFilter;"
        "from codespar_cli.plugins.observability.observer import MCPObserver;"
        "observer = MCPObserver(Path(sys.argv[1]));"
        "print([(row.key, row.calls) for row in observer.stats(MetricFilter())])"
    )
    done = read_only(path, [sys.executable, "-c", code, str(path)])
    assert (done.stdout, done.stderr) == ("[('folded', 3), ('new', 2)]\n", "")
    assert observer._store.database.query("SELECT folded FROM rollup") == [(3,)]


def test_minutes_come_in_their_order(path, clock, observer, metric):
    for minutes in (7, 0, 7, 3):
        observer.record(metric("a", time=clock() + timedelta(minutes=minutes)))
    found = Rollup(store_of(path, clock)).minutes(MetricFilter(), clock(), clock() + timedelta(hours=1))
    first = int(clock().timestamp()) * 10**6
    assert [(at - first, totals.calls) for at, totals in found[("a",)]] == [
        (0, 1),
        (3 * 60_000_000, 1),
        (7 * 60_000_000, 2),
    ]


def test_a_clock_that_goes_backwards_moves_rows_and_breaks_no_sum(path, clock, observer, metric):
    observer.record_all([metric("before")] * 2)
    counted(path, clock)
    clock.advance(days=-3)
    observer.record(metric("after"))
    assert counted(path, clock, by="day") == {
        int((clock() + timedelta(days=3)).replace(hour=0).timestamp()) * 10**6: 2,
        int(clock().replace(hour=0).timestamp()) * 10**6: 1,
    }
    (row,) = observer.stats(MetricFilter(since=clock() - timedelta(hours=1), until=clock() + timedelta(hours=1)))
    assert (row.key, row.calls) == ("after", 1)


def test_a_file_is_kept_below_its_size(path, clock, metric):
    keeper = MCPObserver(path, clock=clock, max_size=400_000)
    for number in range(30):
        keeper.record_all([metric(f"t{number}", time=clock() - timedelta(hours=90 - number))] * 1000)
        keeper.stats(MetricFilter())
    assert path.stat().st_size < 700_000
    kept = counted(path, clock)
    assert "t0" not in kept
    assert kept["t29"] == 1000
    assert sum(kept.values()) == keeper._store.database.query("SELECT count(*) FROM calls")[0][0]


@pytest.mark.parametrize("may_write", [True, False])
def test_rows_removed_from_the_midst_of_others_leave_the_sums(path, clock, metric, monkeypatch, may_write):
    monkeypatch.setattr(removal, "FEW", 1)
    MCPObserver(path, clock=clock).record_all(
        [metric("new", latency_ms=9.0)] * 5 + [metric("old", time=clock() - timedelta(days=2))] * 5
    )
    counted(path, clock)
    store = CallStore(path, clock=clock, retention=Retention(rows=7))
    assert store.sweep() == 3
    assert store.database.query("SELECT count(*) FROM hours WHERE stale") == [(1,)]
    if not may_write:
        monkeypatch.setattr(rollup_module.FileSums, "catch_up", lambda self: False)
    assert counted(path, clock) == {"new": 2, "old": 5}
    assert counted(path, clock, by="day") != {}
    found = Rollup(store).totals(MetricFilter(), ("tool",))[("new",)]
    assert (found.calls, found.latency.total) == (2, 18.0)


def test_more_tokens_than_sqlite_can_add_up_fail_nobody(path, clock, observer, metric, monkeypatch):
    most = rollup_fold._MOST_SUM
    observer.record_all([metric(time=clock() - timedelta(days=day), input_tokens=10**12) for day in range(3)])
    counted(path, clock)
    with observer._store.database.write() as connection:
        connection.execute("UPDATE cells SET input_tokens = ?", (most,))
    for by in (("tool",), ("day",), ("tool", "agent")):
        sums = [each.input_tokens for each in Rollup(store_of(path, clock)).totals(MetricFilter(), by).values()]
        assert all(each is not None and each >= most for each in sums)
    with observer._store.database.write() as connection:
        connection.execute("UPDATE calls SET input_tokens = ?", (most,))
    (row,) = observer.stats(MetricFilter(slow_ms=1))
    assert row.input_tokens == most
    observer.record_all([metric("x", input_tokens=10**12 - 1)] * 5)
    (row,) = observer.stats(MetricFilter(tool="x"))
    assert row.input_tokens == 5 * (10**12 - 1)


def test_a_stale_hour_of_many_rows_is_not_folded_in_one_transaction(path, clock, observer, metric, monkeypatch):
    monkeypatch.setattr(rollup_fold, "FOLD_ROWS", 20)
    observer.record_all([metric(f"t{number % 3}", cost="0.1") for number in range(60)])
    observer.record(metric("later", time=clock() + timedelta(days=2)))
    counted(path, clock)
    with observer._store.database.write() as connection:
        connection.execute("DELETE FROM calls WHERE id % 6 = 0")
        connection.execute("UPDATE hours SET stale = 1 WHERE calls = 60")
    folded = []
    gather = rollup_fold.Fold._gather

    def counting(self, rows, unit):
        folded.append(self._one(f"SELECT count(*) FROM calls WHERE {rows}")[0])
        gather(self, rows, unit)

    monkeypatch.setattr(rollup_fold.Fold, "_gather", counting)
    observer.record_all([metric("new")] * 30)
    expected = {"t0": 20, "t1": 20, "t2": 10, "new": 30, "later": 1}
    assert counted(path, clock) == expected
    assert max(folded) <= 20
    assert sorted(counted(path, clock, by="day").values()) == [1, 80]
    with observer._store.database.write() as connection:
        connection.execute("DELETE FROM calls WHERE tool LIKE 't%'")
        connection.execute("DELETE FROM calls WHERE tool = 'new' AND id % 2")
    assert counted(path, clock) == {"new": 15, "later": 1}
    assert observer._store.database.query("SELECT count(*) FROM hours WHERE stale") == [(0,)]


def test_many_new_names_are_folded_in_smaller_pieces(path, clock, observer, metric, monkeypatch):
    monkeypatch.setattr(rollup_fold, "FOLD_ROWS", 1000)
    observer.record_all([metric(f"t{number}", agent_id=f"a{number}", project="p") for number in range(1000)])
    with observer._store.database.write() as connection:
        assert not rollup_fold.Fold(connection).step()
    query = observer._store.database.query
    assert query("SELECT folded FROM rollup") == [(100,)]
    kinds = dict(query("SELECT kind, count(*) FROM series GROUP BY kind"))
    assert kinds == {0: 100, 1: 100, 2: 100, 3: 1}
    assert set(counted(path, clock).values()) == {1}
    wrong = (
        "SELECT count(*) FROM series f JOIN series t ON t.id = f.in_tool JOIN series a ON a.id = f.in_agent "
        "WHERE f.kind = 0 AND (t.kind != 1 OR a.kind != 2 OR t.tool != f.tool OR a.agent != f.agent OR t.agent != '')"
    )
    assert query(wrong) == [(0,)]
