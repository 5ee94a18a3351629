"""The incidents of a store: a function of the rows that are in it and of the time, whatever the order of their arrival.

The watch goes on from where it stood ten minutes before the newest call: what comes late by less is simply read in its
place. A call that is later takes the watch back to a snapshot from before it. The first look at a large store goes back
35 days, or a million calls if that is less.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from codespar_cli.core.administration.anomalies import ALL_INCIDENTS, AnomalyFilter, Incident
from codespar_cli.core.administration.tool_checks import CheckFilter
from codespar_cli.core.clock import Clock, to_micros
from codespar_cli.core.globs import matches
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.observability.admission import capped
from codespar_cli.plugins.observability.anomalies.call_stream import CallStream, FileStream, Newest, calls_between
from codespar_cli.plugins.observability.anomalies.call_watch import CallWatch
from codespar_cli.plugins.observability.anomalies.failed_checks import hallucinations
from codespar_cli.plugins.observability.anomalies.incident_book import Entry
from codespar_cli.plugins.observability.anomalies.snapshot_store import FILE_NAME, Position, SnapshotStore
from codespar_cli.plugins.observability.anomalies.week_profile import HOUR_US
from codespar_cli.plugins.observability.call_store import CallStore
from codespar_cli.plugins.observability.checks.finding_store import kept_findings
from codespar_cli.plugins.observability.stores.metric_store import MetricStore

__all__ = ["incidents"]

MINUTE_US = 60_000_000
SETTLED_US = 10 * MINUTE_US
SKEW_US = MINUTE_US
"""Clocks differ by so much; what says to be from later is looked at when its time has come."""
FURTHEST_US = 35 * 24 * HOUR_US
MOST_CALLS = 1_000_000
MOST_FINDINGS = 20_000
PUT_ASIDE_US = 24 * HOUR_US
"""A store without a call for so long is one that is not in use: nothing is awaited any more."""
_UNUSABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a snapshot raises whose values are not those of a watch."""
_AGES_US = (24 * HOUR_US, HOUR_US, SETTLED_US)


def incidents(store: MetricStore, directory: Path, wanted: AnomalyFilter | None, clock: Clock) -> list[Incident]:
    """By their beginning, oldest first. `directory` holds the snapshots and what checks found. Raises StoreError."""
    wanted = wanted or ALL_INCIDENTS
    now = to_micros(clock())
    with closing(SnapshotStore(directory / FILE_NAME)) as snapshots:
        entries = _Analysis(_stream(store), snapshots, now).entries()
    findings = kept_findings(directory, CheckFilter(tenant=wanted.tenant), MOST_FINDINGS)
    entries += hallucinations(findings, now)
    entries.sort(key=lambda entry: (entry.started, str(entry.subject)))
    return [entry.incident() for entry in entries if _is_wanted(entry, wanted)]


class _Analysis:
    def __init__(self, stream: CallStream, snapshots: SnapshotStore, now: int) -> None:
        self._stream = stream
        self._snapshots = snapshots
        self._now = now

    def entries(self) -> list[Entry]:
        newest = self._stream.newest(self._now + SKEW_US)
        if newest is None:
            return []
        watch, after = self._standing(newest)
        try:
            return self._going_on(watch, after, newest)
        except _UNUSABLE:
            # A snapshot that could be read but makes no sense: without any of them, an error is one of the rules.
            if not self._forget_all():
                raise
        return self._going_on(*self._anew(newest), newest)

    def _going_on(self, watch: CallWatch, after: int, newest: Newest) -> list[Entry]:
        marks = self._marks(after, newest)
        mark = next(marks, None)
        for call in calls_between(self._stream, after, newest):
            while mark is not None and call[0] > mark:
                self._save(watch, mark, newest)
                mark = next(marks, None)
            watch.add(*call)
        if self._now - newest.time <= PUT_ASIDE_US:
            watch.advance(self._now)
        return watch.book.entries()

    def _standing(self, newest: Newest) -> tuple[CallWatch, int]:
        """The watch as far as it can be trusted, and the time after which it goes on."""
        for position in self._positions():
            dumped = self._snapshots.watch(position) if self._holds(position, newest) else None
            if dumped is not None:
                with suppress(*_UNUSABLE):
                    return CallWatch.load(dumped), position.time
            with suppress(CodesparError):
                self._snapshots.forget(position)
        return self._anew(newest)

    def _anew(self, newest: Newest) -> tuple[CallWatch, int]:
        start = newest.time - FURTHEST_US
        reached = self._stream.start_of_last(MOST_CALLS, newest.time)
        return CallWatch(), start if reached is None else max(start, reached)

    def _forget_all(self) -> bool:
        """Whether there were any."""
        positions = self._positions()
        for position in positions:
            with suppress(CodesparError):
                self._snapshots.forget(position)
        return bool(positions)

    def _positions(self) -> list[Position]:
        try:
            return self._snapshots.positions()
        except CodesparError:
            return []  # a cache that cannot be read is none

    def _holds(self, position: Position, newest: Newest) -> bool:
        """Whether every call up to its time is in it: nothing came late, and it is about this store."""
        time, upto, upto_time = position
        if upto > newest.id or time > newest.time or self._stream.time_of(upto) not in (upto_time, None):
            return False
        late = self._stream.earliest_after(upto, time - FURTHEST_US)
        return late is None or late > time

    def _marks(self, after: int, newest: Newest) -> Iterator[int]:
        """Where to save: at some distances from the newest call, not too close to each other."""
        for age in _AGES_US:
            if newest.time - age >= after + SETTLED_US:
                after = newest.time - age
                yield after

    def _save(self, watch: CallWatch, mark: int, newest: Newest) -> None:
        upto_time = self._stream.time_of(newest.id)
        if upto_time is not None:
            with suppress(CodesparError):  # read-only, full or busy: the next look reads these calls again
                self._snapshots.save(Position(mark, newest.id, upto_time), watch.dump())


def _stream(store: MetricStore) -> CallStream:
    if isinstance(store, CallStore):
        return FileStream(store)
    from codespar_cli.plugins.observability.anomalies.postgres_call_stream import PostgresCallStream
    from codespar_cli.plugins.observability.stores.postgres_calls import PostgresCalls

    assert isinstance(store, PostgresCalls)
    return PostgresCallStream(store)


def _is_wanted(entry: Entry, wanted: AnomalyFilter) -> bool:
    subject = entry.subject
    if wanted.tenant is not None and subject.tenant != wanted.tenant:
        return False
    for pattern, name in ((wanted.tool, subject.tool), (wanted.agent, subject.agent)):
        if pattern is not None and (name is None or not matches(pattern if "*" in pattern else capped(pattern), name)):
            return False
    return wanted.since is None or entry.resolved is None or entry.resolved >= to_micros(wanted.since)
