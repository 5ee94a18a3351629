"""Incidents of a store: the same rows, the same incidents, however they came."""

import json
import random
import sqlite3
import zlib
from contextlib import closing
from datetime import timedelta
from itertools import pairwise

import pytest
from anomaly_world import DAY, HOUR, MINUTE, SECOND, START, Call, steady, watch_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codespar_cli.core.administration.anomalies import AnomalyFilter
from codespar_cli.core.administration.tool_checks import CheckFinding, CheckResult
from codespar_cli.core.clock import from_micros
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.plugins.observability.anomalies import analysis
from codespar_cli.plugins.observability.observer import MCPObserver

FAULT = 1500


def metric(call):
    return ToolMetric(
        call.tool,
        call.agent,
        call.latency_ms,
        call.success,
        cost=call.cost,
        time=from_micros(call.time),
        tenant=call.tenant,
    )


def faulty(seed=1, count=2000):
    calls = steady(seed, count)
    return [*calls[:FAULT], *(call._replace(latency_ms=call.latency_ms * 4) for call in calls[FAULT:])]


class Shelf:
    """Observers on stores of their own, at the end of the calls."""

    def __init__(self, directory, calls):
        self.directory = directory
        self.now = from_micros(max(call.time for call in calls) + MINUTE)
        self.made = []

    def observer(self, name="one"):
        self.made.append(MCPObserver(self.directory / name / "metrics.db", clock=lambda: self.now))
        return self.made[-1]

    def close(self):
        for observer in self.made:
            observer.close()


@pytest.fixture
def shelf(tmp_path):
    found = Shelf(tmp_path, faulty())
    yield found
    found.close()


def filled(observer, calls):
    observer.record_all(map(metric, calls))
    return observer


def test_no_store_has_no_incidents_and_is_not_made(shelf):
    assert shelf.observer().anomalies() == []
    assert not (shelf.directory / "one").exists()


def test_reading_twice_and_by_another_process_is_the_same(shelf):
    observer = filled(shelf.observer(), faulty())
    first = observer.anomalies()
    assert [(each.kind, each.tool, each.resolved_at) for each in first] == [("latency", "search/web", None)]
    assert observer.anomalies() == first
    assert shelf.observer().anomalies() == first
    (shelf.directory / "one" / "anomalies.db").unlink()
    assert filled(shelf.observer("another"), faulty()).anomalies() == first


def test_the_incidents_are_those_of_the_watch(shelf):
    found = filled(shelf.observer(), faulty()).anomalies()
    watched = [entry.incident() for entry in watch_all(faulty()).book.entries()]
    assert [each.document() for each in found] == [each.document() for each in watched]


@given(st.integers(0, 10**6), st.integers(1, 6))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_of_arrival_changes_nothing(tmp_path_factory, seed, portions):
    calls = faulty()
    shelf = Shelf(tmp_path_factory.mktemp("order"), calls)
    try:
        expected = filled(shelf.observer("in order"), calls).anomalies()
        rng, late = random.Random(seed), list(calls)
        if seed % 2:
            rng.shuffle(late)
        else:  # mostly in order, some hours late
            late.sort(key=lambda call: call.time + (rng.randrange(6 * HOUR) if rng.random() < 0.05 else 0))
        observer = shelf.observer("as they came")
        for number in range(portions):
            filled(
                observer,
                late[number::portions]
                if seed % 2
                else late[len(late) * number // portions : len(late) * (number + 1) // portions],
            )
            observer.anomalies()
        assert observer.anomalies() == expected
    finally:
        shelf.close()


def test_going_on_reads_only_what_is_new(shelf, monkeypatch):
    observer = filled(shelf.observer(), faulty())
    observer.anomalies()
    read = []
    between = analysis.calls_between
    monkeypatch.setattr(analysis, "calls_between", lambda *args: (read.append(call) or call for call in between(*args)))
    observer.anomalies()
    assert 0 < len(read) <= 30


def test_rows_from_the_future_wait_for_their_time(shelf):
    observer = filled(shelf.observer(), faulty())
    before = observer.anomalies()
    observer.record(metric(Call(START + 4000 * DAY, tool="search/web")))
    assert observer.anomalies() == before
    observer.record(metric(faulty()[-1]))
    assert [each.id for each in observer.anomalies()] == [each.id for each in before]


def test_a_row_of_long_ago_does_not_begin_everything_anew(shelf, monkeypatch):
    observer = filled(shelf.observer(), faulty())
    before = observer.anomalies()
    observer.record(metric(Call(SECOND)))
    monkeypatch.setattr(analysis, "CallWatch", None)  # a new one would be needed
    monkeypatch.setattr(analysis, "CallWatch", type("Only", (), {"load": staticmethod(watch_load)}))
    assert observer.anomalies() == before


def watch_load(dumped):
    from codespar_cli.plugins.observability.anomalies.call_watch import CallWatch

    return CallWatch.load(dumped)


def test_another_store_in_the_same_place_is_another(shelf):
    first = filled(shelf.observer(), faulty()).anomalies()
    shelf.made[-1].close()
    for name in ("metrics.db", "metrics.db-wal", "metrics.db-shm", "metrics.db.lock"):
        (shelf.directory / "one" / name).unlink(missing_ok=True)
    assert first
    assert filled(shelf.observer(), steady(5)).anomalies() == []


@pytest.mark.parametrize("damage", [b"", b"not a database", b"\0" * 8192])
def test_a_damaged_memory_is_no_obstacle(shelf, damage):
    observer = filled(shelf.observer(), faulty())
    first = observer.anomalies()
    for name in ("anomalies.db-wal", "anomalies.db-shm"):
        (shelf.directory / "one" / name).unlink(missing_ok=True)
    (shelf.directory / "one" / "anomalies.db").write_bytes(damage)
    assert observer.anomalies() == first


def other_shapes():
    """Snapshots that are JSON, and not those of a watch of today."""

    def tool(change):
        def changed(watch):
            for each in (*watch[4], *watch[5]):
                change(each)
            return watch

        return changed

    def spread(value):
        return tool(lambda each: each[3].__setitem__(5, value))

    yield from (lambda watch: None, lambda watch: {}, lambda watch: [], lambda watch: watch[:-1])
    yield from (lambda watch: [*watch, 1], lambda watch: [0] * 7, lambda watch: [None] * 7)
    yield from (spread(0.0), spread(-1.0), spread(None), spread("wide"))
    yield tool(lambda each: each[4].__setitem__(1, [[1]]))
    yield tool(lambda each: each[4].__setitem__(0, "many"))
    yield tool(lambda each: each[3].__setitem__(0, []))


@pytest.mark.parametrize("shape", list(other_shapes()))
def test_a_snapshot_of_another_shape_is_made_anew(shelf, shape):
    database = shelf.directory / "one" / "anomalies.db"
    calls = faulty()
    observer = filled(shelf.observer(), calls[:-1])
    observer.anomalies()
    with closing(sqlite3.connect(database)) as connection, connection:
        rows = connection.execute("SELECT time, watch FROM snapshots").fetchall()
        assert rows
        for time, watch in rows:
            damaged = zlib.compress(json.dumps(shape(json.loads(zlib.decompress(watch)))).encode())
            connection.execute("UPDATE snapshots SET watch = ? WHERE time = ?", (damaged, time))
    observer.record(metric(calls[-1]))
    expected = [entry.incident().document() for entry in watch_all(calls).book.entries()]
    assert [each.document() for each in observer.anomalies()] == expected
    assert [each.document() for each in observer.anomalies()] == expected


def test_silence_is_noticed_by_the_clock_but_not_in_a_store_put_aside(shelf):
    calls = steady(2, 6000)
    observer = filled(shelf.observer(), calls)
    end = from_micros(calls[-1].time)
    shelf.now = end + timedelta(minutes=10)
    assert observer.anomalies() == []
    shelf.now = end + timedelta(hours=5)
    (silence,) = observer.anomalies()
    assert (silence.kind, silence.tool, silence.resolved_at) == ("silence", "search/web", None)
    assert silence.started_at == end
    shelf.now = end + timedelta(hours=7)
    assert [each.id for each in observer.anomalies()] == [silence.id]
    shelf.now = end + timedelta(days=3)
    assert observer.anomalies() == []


def test_filters(shelf):
    calls = [*faulty(), *(call._replace(tenant="acme", tool="github/get") for call in faulty(2))]
    calls = [call for call in calls if call.time < START + 30 * HOUR]
    observer = filled(shelf.observer(), calls)

    def tools(**wanted):
        return sorted({each.tool for each in observer.anomalies(AnomalyFilter(**wanted)) if each.kind == "latency"})

    assert tools() == ["github/get", "search/web"]
    assert tools(tool="github/**") == tools(tenant="acme") == ["github/get"]
    assert tools(tool="search/web") == ["search/web"]
    assert tools(agent="bot") == tools(tenant="nobody") == tools(tool="none") == []
    assert tools(since=from_micros(START + 30 * HOUR)) == ["github/get", "search/web"]  # they still last


def test_what_is_over_is_not_shown_for_a_later_time(shelf):
    calls = steady(1, 4000)
    calls = [
        *calls[:FAULT],
        *(call._replace(success=False) for call in calls[FAULT : FAULT + 100]),
        *calls[FAULT + 100 :],
    ]
    shelf.now = from_micros(calls[-1].time)
    observer = filled(shelf.observer(), calls)
    (errors,) = [each for each in observer.anomalies() if each.kind == "error_rate"]
    assert errors.resolved_at is not None
    later = errors.resolved_at + timedelta(seconds=1)
    assert errors not in observer.anomalies(AnomalyFilter(since=later))
    assert errors in observer.anomalies(AnomalyFilter(since=errors.resolved_at))


# ── failed checks ──


def finding(time, tool="made/up", agent="bot", check="unknown_tool"):
    return CheckFinding(from_micros(time), "default", agent, None, None, CheckResult(check, "error", tool))


def test_repeated_failed_checks_are_an_incident(shelf):
    observer = shelf.observer()
    start = START + DAY
    shelf.now = from_micros(start + HOUR)
    observer.record_findings([finding(start + number * MINUTE) for number in range(4)])
    observer.record_findings([finding(start + number * MINUTE, agent="other") for number in range(3)])
    assert observer.anomalies() == []
    observer.record_findings([finding(start + 4 * MINUTE, check="missing_argument")])
    (found,) = observer.anomalies()
    assert (found.kind, found.tool, found.agent, found.severity) == ("hallucination", "made/up", "bot", "warning")
    assert found.explanation == "5 failed checks in 4m, usual 0: missing_argument 1x, unknown_tool 4x"
    assert (found.observed, found.expected) == (5.0, 0.0)
    assert found.started_at == from_micros(start)
    assert found.resolved_at == from_micros(start + 34 * MINUTE)
    observer.record_findings([finding(start + 20 * MINUTE)] * 20)
    (more,) = observer.anomalies()
    assert (more.id, more.severity, more.resolved_at) == (found.id, "critical", from_micros(start + 50 * MINUTE))


@given(st.lists(st.integers(0, 6 * 60), min_size=1, max_size=60))
def test_failed_checks_make_one_incident_at_a_time(minutes):
    from codespar_cli.plugins.observability.anomalies.failed_checks import hallucinations

    findings = [finding(START + minute * MINUTE) for minute in minutes]
    found = hallucinations(findings, START + DAY)
    assert found == hallucinations(findings[::-1], START + DAY)
    for before, after in pairwise(found):
        assert before.resolved + 30 * MINUTE <= after.started
    assert all(each.resolved > each.started for each in found)
    assert sum(each.observed for each in found) <= len(minutes)
