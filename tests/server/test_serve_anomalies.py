"""An anomaly through `codespar serve`: recorded by another process, told to a route once by several receivers."""

import json
import random
import sys
import time
from datetime import UTC, datetime, timedelta

from serve_process import PLUGINS, serving

from codespar_cli.core.hooks import ToolMetric
from codespar_cli.plugins.observability.observer import MCPObserver

COPY = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read() + chr(10))"


def told(path, count, within_s=60.0):
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        lines = [line for line in path.read_text().splitlines() if line] if path.exists() else []
        if len(lines) >= count:
            return [json.loads(line)["data"]["event"] for line in lines]
        time.sleep(0.05)
    raise AssertionError(f"the route was told of {len(lines)}, expected {count}")


def metrics(start, count, *, failing):
    rng = random.Random(1)
    for number in range(count):
        failed = rng.random() < failing
        yield ToolMetric(
            "search/web", "bot", 100 * rng.lognormvariate(0, 0.4), not failed, time=start + timedelta(minutes=number)
        )


def test_an_anomaly_reaches_a_route_once_through_two_receivers_and_a_restart(tmp_path):
    out, now = tmp_path / "told.jsonl", datetime.now(UTC)
    plugins = f"""{PLUGINS}
[observability]
backend = "observer"
[[routes]]
name = "on-call"
when = {{provider = "codespar", event = "anomaly.*"}}
run = [{json.dumps(sys.executable)}, "-c", {json.dumps(COPY)}, {json.dumps(str(out))}]
"""
    (tmp_path / "state").mkdir(mode=0o700)
    observer = MCPObserver(tmp_path / "state" / "metrics.db")
    observer.record_all(metrics(now - timedelta(minutes=800), 600, failing=0.01))
    observer.record_all(metrics(now - timedelta(minutes=200), 50, failing=1.0))
    with serving(tmp_path, plugins=plugins) as one, serving(tmp_path, plugins=plugins) as other:
        (opened,) = told(out, 1)
        assert (opened["event_type"], opened["severity"]) == ("anomaly.opened", "critical")
        assert opened["native"]["kind"] == "error_rate"
        assert other.end()[0] == 0
        observer.record_all(metrics(now - timedelta(minutes=150), 140, failing=0.0))
        found = told(out, 2)
        assert one.end()[0] == 0
    with serving(tmp_path, plugins=plugins) as again:
        observer.record_all(metrics(now - timedelta(minutes=10), 5, failing=0.0))
        assert again.end()[0] == 0
    assert [each["event_type"] for each in told(out, 2)] == ["anomaly.opened", "anomaly.resolved"]
    assert found[1]["external_id"] == opened["external_id"]
    observer.close()
