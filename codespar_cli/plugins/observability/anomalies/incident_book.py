"""Which incidents are open, which were: at most one at a time for a tenant, tool, agent and kind."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from codespar_cli.core.administration.anomalies import AnomalyKind, AnomalySeverity, Incident
from codespar_cli.core.clock import from_micros

__all__ = ["COOLDOWN_US", "IncidentBook", "Subject"]

COOLDOWN_US = 30 * 60_000_000
"""After its end a subject opens no other incident for so long, and none is said to have begun earlier."""
KEPT = 5000
"""Incidents that are over; the oldest go."""


class Subject(NamedTuple):
    """What an incident is about."""

    tenant: str
    tool: str | None
    agent: str | None
    kind: AnomalyKind


class Entry(NamedTuple):
    """An incident in microseconds."""

    subject: Subject
    severity: AnomalySeverity
    started: int
    resolved: int | None
    explanation: str
    observed: float
    expected: float

    def incident(self) -> Incident:
        tenant, tool, agent, kind = self.subject
        return Incident(
            incident_id(self.subject, self.started),
            tenant,
            tool,
            agent,
            kind,
            self.severity,
            from_micros(self.started),
            None if self.resolved is None else from_micros(self.resolved),
            self.explanation,
            self.observed,
            self.expected,
        )


class IncidentBook:
    """Times are those of the records, and are told in their order."""

    def __init__(self) -> None:
        self.open: dict[Subject, Entry] = {}
        self.over: deque[Entry] = deque(maxlen=KEPT)
        self._cooling: dict[Subject, int] = {}

    def begin(
        self,
        subject: Subject,
        now: int,
        started: int,
        severity: AnomalySeverity,
        explanation: str,
        observed: float,
        expected: float,
    ) -> bool:
        """False when there is one already, or the last one ended a short time ago."""
        cool = self._cooling.get(subject, now)
        if subject in self.open or cool > now:
            return False
        if subject in self._cooling:
            started = max(started, cool)  # what belonged to the last one does not belong to this one
        self.open[subject] = Entry(subject, severity, started, None, explanation, _plain(observed), _plain(expected))
        return True

    def end(self, subject: Subject, now: int) -> None:
        entry = self.open.pop(subject, None)
        if entry is None:
            return
        now = max(now, entry.started)
        self.over.append(entry._replace(resolved=now))
        if len(self._cooling) > KEPT:
            self._cooling = {each: until for each, until in self._cooling.items() if until > now}
        self._cooling[subject] = now + COOLDOWN_US

    def entries(self) -> list[Entry]:
        """By their beginning."""
        return sorted((*self.over, *self.open.values()), key=lambda entry: (entry.started, str(entry.subject)))

    def dump(self) -> list[Any]:
        return [list(self.over), list(self.open.values()), list(self._cooling.items())]

    @classmethod
    def load(cls, dumped: Sequence[Any]) -> IncidentBook:
        book = cls()
        over, still_open, cooling = dumped
        book.over.extend(map(_entry, over))
        book.open = {entry.subject: entry for entry in map(_entry, still_open)}
        book._cooling = {Subject(*subject): until for subject, until in cooling}
        return book


def incident_id(subject: Subject, started: int) -> str:
    # No name holds a NUL, and None is no name: no two subjects are spelled alike.
    parts = ("" if part is None else f"={part}" for part in subject)
    words = "\0".join([*parts, str(started)])
    return "anm_" + hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def _entry(dumped: Sequence[Any]) -> Entry:
    subject, *rest = dumped
    return Entry(Subject(*subject), *rest)


def _plain(number: float) -> float:
    return float(f"{number:.6g}")
