"""What `stats` costs over ten million calls: folding them, asking once they are folded, and the same asked without.

    python benchmarks/metrics_rollup.py [ROWS] [DAYS]

50 tools x 20 agents in 3 projects, lognormal latencies, 2 % errors, spread over 30 days. Beside it in the same run: the
same question as plain SQL over the rows (counts and sums; and with percentiles from the same buckets), and DuckDB over
its own file where it is installed (`pip install duckdb pyarrow` into a scratch environment).
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.plugins.observability.call_store import COLUMNS
from codespar_cli.plugins.observability.histogram import BUCKET_SQL
from codespar_cli.plugins.observability.observer import MCPObserver
from codespar_cli.plugins.observability.rollup import Rollup

ROUNDS = 7
MAKE = f"""
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1), r AS MATERIALIZED (
    SELECT i, abs(random()) a, abs(random()) b, abs(random()) u, abs(random()) v, abs(random()) e FROM n)
INSERT INTO calls ({COLUMNS}) SELECT ?2 + i * ?3, 'default', 'project-' || (b % 50 % 3), 'session-' || (i / 50),
    'agent-' || (a % 20), 'server' || (b % 50 % 7) || '/tool-' || (b % 50),
    exp(5 + sqrt(-2 * ln((u % 1000000 + 1) / 1000001.0)) * cos(6.283185 * (v % 1000000) / 1000000.0)), e % 100 >= 2,
    CASE WHEN e % 100 < 1 THEN 'Timeout' WHEN e % 100 < 2 THEN 'tool_error' END,
    CASE WHEN b % 50 % 7 = 0 THEN NULL ELSE 400 + a % 1000 END,
    CASE WHEN b % 50 % 7 = 0 THEN 'unknown' ELSE 'reported' END, a % 2000, b % 300, NULL, NULL, NULL, NULL, NULL FROM r
"""
SUMS = "SELECT tool, count(*), sum(latency_ms), sum(cost) FROM calls GROUP BY tool"
BUCKETS = f"SELECT tool, {BUCKET_SQL}, count(*) FROM calls GROUP BY 1, 2"
READER = """
import re, sys
from pathlib import Path
from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.plugins.observability.observer import MCPObserver

print(sum(row.calls for row in MCPObserver(Path(sys.argv[1])).stats(MetricFilter())))
# Not ru_maxrss, which begins with the size of whoever forked us.
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024)
"""


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    days = float(sys.argv[2]) if len(sys.argv) > 2 else 30.0
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "state" / "metrics.db"
        observer = made(path, rows, days)
        print(f"{rows:,} rows, {days:g} days, {path.stat().st_size / rows:.0f} bytes a row")
        fold(observer, rows)
        print(f"file with the rollup    {path.stat().st_size / rows:8.0f} bytes a row")
        ask(observer)
        out = subprocess.run(
            [sys.executable, "-c", READER, str(path)], capture_output=True, text=True, check=True
        ).stdout.split()
        print(f"memory of a reader      {float(out[1]):8.0f} MB   aim <= 150 MB")
        plain(observer)
        duckdb(path, Path(directory))


def made(path: Path, rows: int, days: float) -> MCPObserver:
    step = int(days * 86_400_000_000 / rows)
    start = 1_795_000_000_000_000 - rows * step
    observer = MCPObserver(path)
    with observer._store.database.write() as connection:
        connection.execute(MAKE, (rows, start, step))
    last = observer._store.last_time()
    assert last is not None
    observer._clock = lambda: last + timedelta(seconds=5)
    return observer


def fold(observer: MCPObserver, rows: int) -> None:
    wall, spent = time.perf_counter(), time.process_time()
    if not Rollup(observer._store).catch_up():
        raise SystemExit("the rollup could not be folded")
    wall, spent = time.perf_counter() - wall, time.process_time() - spent
    print(f"folding                 {rows / wall:11,.0f} rows/s ({rows / spent:,.0f} a second of CPU)   aim >= 500,000")


def ask(observer: MCPObserver) -> None:
    last = observer._clock()
    week = MetricFilter(since=last - timedelta(days=7, minutes=13, seconds=22))
    questions = [
        ("stats", MetricFilter(), "tool"),
        ("stats --by agent", MetricFilter(), "agent"),
        ("stats --by day", MetricFilter(), "day"),
        ("stats --since 7d13m22s", week, "tool"),
        ("stats --since 1h", MetricFilter(since=last - timedelta(hours=1)), "tool"),
        ("stats 'server1/**' --by agent", MetricFilter(tool="server1/**"), "agent"),
    ]
    for name, wanted, by in questions:
        wall, cpu = best(lambda w=wanted, b=by: observer.stats(w, by=b))
        print(f"{name:32} {wall * 1000:8.1f} ms   ({cpu * 1000:.1f} ms of CPU)   aim < 150 ms")


def plain(observer: MCPObserver) -> None:
    for name, sql in (("plain SQL, sums", SUMS), ("plain SQL, buckets", BUCKETS)):
        start, begun = time.perf_counter(), time.process_time()
        observer._store.database.query(sql)
        wall, cpu = time.perf_counter() - start, time.process_time() - begun
        print(f"{name:32} {wall * 1000:8.0f} ms   ({cpu * 1000:.0f} ms of CPU)")


def duckdb(path: Path, directory: Path) -> None:
    try:
        import duckdb
        import pyarrow as pa
    except ImportError:
        print("duckdb                           skipped: not installed (pip install duckdb pyarrow)")
        return
    connection = duckdb.connect(str(directory / "calls.duckdb"))
    observer = MCPObserver(path)
    connection.execute("CREATE TABLE calls (tool VARCHAR, agent VARCHAR, time BIGINT, latency_ms DOUBLE, cost BIGINT)")
    newest = observer._store.last_id()
    for first in range(0, newest, 500_000):
        chosen = "SELECT tool, agent, time, latency_ms, cost FROM calls WHERE id > ? AND id <= ?"
        columns = zip(*observer._store.database.query(chosen, (first, first + 500_000)), strict=True)
        table = pa.table(dict(zip(("tool", "agent", "time", "latency_ms", "cost"), map(list, columns), strict=True)))
        connection.register("part", table)
        connection.execute("INSERT INTO calls SELECT * FROM part")
        connection.unregister("part")
    sql = "SELECT tool, count(*), sum(cost), quantile_cont(latency_ms, [0.5, 0.95, 0.99]) FROM calls GROUP BY tool"
    print(f"{'duckdb, exact percentiles':32} {best(lambda: connection.execute(sql).fetchall())[0] * 1000:8.1f} ms")
    print(
        f"{'duckdb, memory':32} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB (with its import)"
    )


def best(act) -> tuple[float, float]:
    """The median of several rounds in seconds, of the clock and of the processor: others may want it as well."""
    spent, used = [], []
    for _ in range(ROUNDS):
        start, begun = time.perf_counter(), time.process_time()
        act()
        spent.append(time.perf_counter() - start)
        used.append(time.process_time() - begun)
    return sorted(spent)[ROUNDS // 2], sorted(used)[ROUNDS // 2]


if __name__ == "__main__":
    main()
