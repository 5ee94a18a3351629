"""The incidents of calls on a server are those of the same calls in a file."""

import random
from datetime import timedelta

from codespar_cli.core.hooks import ToolMetric
from codespar_cli.plugins.observability.observer import MCPObserver


def metrics(start, count, *, failing):
    rng = random.Random(1)
    for number in range(count):
        failed = rng.random() < failing
        latency, time = 100 * rng.lognormvariate(0, 0.4), start + timedelta(minutes=number)
        yield ToolMetric("search/web", "bot", latency, not failed, cost="0.01", time=time)


def test_a_server_and_a_file_have_the_same_incidents(opened, clock, tmp_path):
    start = clock.now - timedelta(minutes=1000)
    calls = [*metrics(start, 800, failing=0.01), *metrics(start + timedelta(minutes=800), 200, failing=1.0)]
    file = MCPObserver(tmp_path / "file" / "metrics.db", clock=clock)
    server = opened()
    assert server.anomalies() == []
    for observer in (file, server):
        observer.record_all(calls)
    found = server.anomalies()
    assert [(each.kind, each.severity) for each in found] == [("error_rate", "critical")]
    assert found == file.anomalies() == server.anomalies()
    late = [
        ToolMetric("search/web", "bot", 100.0, True, time=start + timedelta(minutes=850, seconds=number))
        for number in range(120)
    ]
    for observer in (file, server):
        observer.record_all(late)
    assert server.anomalies() == file.anomalies() != found
    file.close()
