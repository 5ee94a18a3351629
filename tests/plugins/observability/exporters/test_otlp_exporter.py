"""The exporter against collectors of every kind: good, slow, dead, hostile."""

from __future__ import annotations

import gc
import multiprocessing
import os
import statistics
import threading
import time
from datetime import UTC, datetime

import pytest
from collector_kit import OK, attributes_of, metric_requests, metrics, rejecting, serving, silent, traces

from codespar_cli.core.hooks import ToolMetric
from codespar_cli.net.exchange import Target
from codespar_cli.plugins.observability.admission import admit
from codespar_cli.plugins.observability.exporters import otlp_exporter
from codespar_cli.plugins.observability.exporters.otlp_exporter import OtlpExporter
from codespar_cli.plugins.observability.exporters.otlp_post import Sent, post
from codespar_cli.plugins.observability.exporters.otlp_record import DeliveryRecord
from codespar_cli.plugins.observability.exporters.otlp_settings import OtlpSettings, Signal

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def row_of(tool="git/push"):
    return admit(ToolMetric(tool, "bot", 5.0, True), lambda: NOW)


def settings_of(port, **named):
    def signal(path):
        return Signal(Target.of(f"http://127.0.0.1:{port}{path}"), {"api-key": "k"})

    return OtlpSettings(signal("/v1/traces"), signal("/v1/metrics"), resource={"service.name": "codespar"}, **named)


@pytest.fixture
def record(tmp_path):
    made = DeliveryRecord(tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def exporter(record):
    made = []

    def make(port, *, gather_s=0.01, send=post, clock=lambda: NOW, **named):
        made.append(OtlpExporter(settings_of(port, **named), record, gather_s=gather_s, send=send, clock=clock))
        return made[-1]

    yield make
    for one in made:
        one.close(0)


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def closed_port():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def test_every_call_arrives_once_with_the_headers(exporter):
    with serving(OK) as server:
        one = exporter(server.port)
        for number in range(2000):
            one.add(row_of(f"t{number}"))
        wait_for(lambda: len(list(traces(server))) == 2000)
        one.close()
        assert sorted(attributes_of(span)["gen_ai.tool.name"] for span in traces(server)) == sorted(
            f"t{n}" for n in range(2000)
        )
        assert all(got.headers["api-key"] == "k" for got in server.got)
        (request,) = metric_requests(server)
        points = metrics(request)["gen_ai.execute_tool.duration"].histogram.data_points
        assert sum(point.count for point in points) == 2000
    assert one.delivery() == (0, None, None)


def test_gzip_and_another_signals_path(exporter):
    with serving(OK) as server:
        one = exporter(server.port, gzip=True)
        one.add(row_of())
        one.close()
        assert [span.name for span in traces(server)] == ["execute_tool git/push"]
        assert {got.headers["content-encoding"] for got in server.got} == {"gzip"}


def test_metrics_are_told_at_their_interval_and_go_on_growing(exporter):
    with serving(OK) as server:
        one = exporter(server.port, interval_s=0.01)
        one.add(row_of())
        wait_for(lambda: metric_requests(server))
        one.add(row_of())

        def counts():
            return [
                metrics(request)["gen_ai.execute_tool.duration"].histogram.data_points[0].count
                for request in metric_requests(server)
            ]

        wait_for(lambda: counts()[-1:] == [2])
        assert counts() == sorted(counts())
        one.close()


def test_a_busy_collector_is_asked_again(exporter):
    with serving((503, {"retry-after": "0"}, b""), (429, {"retry-after": "0"}, b""), OK) as server:
        one = exporter(server.port)
        one.add(row_of())
        wait_for(lambda: len(server.got) >= 3)
        one.close()
        assert len({got.body for got in server.got if got.path == "/v1/traces"}) == 1
    assert one.delivery().dropped == 0
    assert one.delivery().failure is None


@pytest.mark.parametrize(
    "answer", [(400, {}, b""), (401, {}, b"s3cret"), (307, {"location": "http://127.0.0.1:1/"}, b"")]
)
def test_a_refusal_is_final_counted_and_shown(exporter, answer):
    with serving(answer) as server:
        one = exporter(server.port)
        one.add(row_of())
        wait_for(lambda: one.delivery().dropped == 1)
        one.close()
        assert len([got for got in server.got if got.path == "/v1/traces"]) == 1
    assert one.delivery() == (1, f"the collector answered {answer[0]}", NOW)


def test_what_a_collector_rejects_counts_as_dropped(exporter):
    with serving(rejecting(2)) as server:
        one = exporter(server.port)
        for _ in range(3):
            one.add(row_of())
        one.close()
    assert one.delivery().dropped == 2


def test_a_dead_collector_costs_drops_and_nothing_else(exporter):
    one = exporter(closed_port())
    for _ in range(10):
        one.add(row_of())
    begin = time.monotonic()
    one.close()
    assert time.monotonic() - begin < 2
    found = one.delivery()
    assert found.dropped == 10
    assert "connection refused" in found.failure


def test_a_recovered_collector_is_well_again(exporter, record):
    record.failed(3, "no answer in time", NOW)
    with serving(OK) as server:
        one = exporter(server.port)
        one.add(row_of())
        wait_for(lambda: record.read().failure is None)
        one.close()
    assert record.read() == (3, None, NOW)


def trickling(handler):
    """An endless answer, a byte at a time."""
    try:
        while True:
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.01)
    except OSError:
        return


def endless(handler):
    """A good status, and headers without an end."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            handler.wfile.write(b"x: " + b"y" * 60_000 + b"\r\n")
    except OSError:
        return


@pytest.mark.parametrize("manners", [trickling, lambda handler: None])
def test_a_hostile_answer_ends_at_the_deadline(record, manners):
    with serving(manners) as server:
        begin = time.monotonic()
        settings = settings_of(server.port)
        sent = post(settings.traces, b"x", settings, 0.3)
        assert time.monotonic() - begin < 1.5
        assert sent.failure is not None


def test_an_endless_answer_is_not_read_to_its_end():
    with serving(endless) as server:
        settings = settings_of(server.port)
        begin = time.monotonic()
        assert post(settings.traces, b"x", settings, 5).failure is None
        assert time.monotonic() - begin < 4


def test_a_link_local_address_is_never_asked():
    settings = OtlpSettings(Signal(Target.of("http://169.254.169.254/"), {}), None)
    assert post(settings.traces, b"x", settings, 5) == Sent(
        "169.254.169.254:80: `169.254.169.254` is a link-local address"
    )


def test_the_end_of_a_process_waits_two_seconds_at_most():
    with silent() as (port, came):
        directory = os.environ["HOME"]
        one = OtlpExporter(settings_of(port), DeliveryRecord(_path(directory)), gather_s=0.01)
        for _ in range(2000):
            one.add(row_of())
        assert came.wait(10)
        begin = time.monotonic()
        one.close()
        assert time.monotonic() - begin < 2.0
        assert (one.delivery().dropped, one.waiting) == (2000, 0)


def _path(text):
    from pathlib import Path

    return Path(text) / "state"


def test_the_queue_is_bounded_and_what_does_not_fit_is_counted(exporter, monkeypatch):
    monkeypatch.setattr(otlp_exporter, "MAX_WAITING", 100)
    holding, entered = threading.Event(), threading.Event()

    def held(signal, body, settings, within_s):
        entered.set()
        assert holding.wait(20)
        return Sent()

    one = exporter(1, send=held)
    one.add(row_of())
    assert entered.wait(10)
    for _ in range(1000):
        one.add(row_of())
    assert one.waiting == 100
    assert one.delivery().dropped == 900
    holding.set()
    wait_for(lambda: one.waiting == 0)
    one.close()
    assert one.delivery().dropped == 900


def test_a_collector_that_never_answers_does_not_slow_recording(tmp_path):
    from codespar_cli.plugins.observability.observer import MCPObserver

    def medians(first, second, rounds=15, calls=200):
        found = ([], [])
        for _ in range(rounds):
            for each, observer in zip(found, (first, second), strict=True):
                times = []
                for _ in range(calls):
                    begin = time.perf_counter_ns()
                    observer.record(metric)
                    times.append(time.perf_counter_ns() - begin)
                each.append(statistics.median(times))
        return [min(each) for each in found]

    metric = ToolMetric("git/push", "bot", 5.0, True)
    with silent() as (port, _):
        sink = OtlpExporter(settings_of(port), DeliveryRecord(tmp_path / "b"), gather_s=0.01)
        plain, exporting = (
            MCPObserver(tmp_path / "a" / "metrics.db"),
            MCPObserver(tmp_path / "b" / "metrics.db", exporter=sink),
        )
        gc.collect()
        without, with_it = medians(plain, exporting)
        plain.close()
        exporting.close()
    assert with_it < without * 1.5 + 5_000, (without, with_it)


def test_after_a_failure_short_lived_processes_leave_the_collector_alone(exporter, record):
    with serving(OK) as server:
        record.failed(1, "no answer in time", NOW)
        one = exporter(server.port, gather_s=60)
        one.add(row_of())
        one.close()
        assert server.got == []
        assert record.read().dropped == 2
        later = NOW + otlp_exporter.QUIET
        two = exporter(server.port, gather_s=60, clock=lambda: later)
        two.add(row_of())
        two.close()
        assert [span.name for span in traces(server)] == ["execute_tool git/push"]
    assert record.read() == (2, None, NOW)


def test_it_begins_again_after_its_end(exporter):
    with serving(OK) as server:
        one = exporter(server.port)
        for count in (1, 2, 3):
            one.add(row_of())
            one.close()
            assert len(list(traces(server))) == count


def _in_copy(port, directory, done):
    one = _COPIED[0]
    one.add(row_of("child"))
    one.close()
    done.put(one.waiting)


_COPIED = []


def test_a_copied_process_sends_its_own_and_the_original_the_rest(tmp_path):
    with serving(OK) as server:
        one = OtlpExporter(settings_of(server.port), DeliveryRecord(tmp_path / "state"), gather_s=60)
        one.add(row_of("parent"))
        _COPIED[:] = [one]
        context = multiprocessing.get_context("fork")
        done = context.SimpleQueue()
        child = context.Process(target=_in_copy, args=(server.port, tmp_path, done))
        child.start()
        child.join(30)
        assert child.exitcode == 0
        assert done.get() == 0
        assert [attributes_of(span)["gen_ai.tool.name"] for span in traces(server)] == ["child"]
        one.close()
        assert sorted(attributes_of(span)["gen_ai.tool.name"] for span in traces(server)) == ["child", "parent"]
        instances = {
            attributes_of(resource.resource)["service.instance.id"]
            for request in metric_requests(server)
            for resource in request.resource_metrics
        }
        assert len(instances) == 2


def test_a_store_that_cannot_be_written_does_not_lose_the_count(tmp_path, exporter, record, monkeypatch):
    from codespar_cli.errors import StoreError

    monkeypatch.setattr(record, "failed", lambda *about: (_ for _ in ()).throw(StoreError("full")))
    one = exporter(closed_port())
    one.add(row_of())
    one.close()
    assert one.delivery().dropped == 1
