"""What was told of incidents, and what is news beside it.

An incident is known by when it began, and calls that come late may move that. So what was told is matched by whom it is
about and by its time: the one that moved goes on under the id under which it was told. All of this follows from the own
deliveries in the inbox, which any number of receivers share.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias, cast

from codespar_cli.core.administration.anomalies import ANOMALY_SEVERITIES, AnomalySeverity, Incident, is_at_least
from codespar_cli.core.clock import iso, parse_moment

RECENT = timedelta(days=3)
"""What changed before is no news, unless it ends what was told. The inbox remembers deliveries for longer than that."""
SETTLED = timedelta(minutes=10)
"""So long an end counts although an analysis says that it goes on: another receiver may know more recent calls."""
TAKEN_BACK = "no longer unusual in the light of calls that came late"

Subject: TypeAlias = tuple[str, str | None, str | None, str]
_STATES = ("opened", "escalated", "resolved")


class ToldIncident(NamedTuple):
    """The state that was told last. `episode` counts how often it was opened, `told_at` is when its end was told."""

    document: Mapping[str, Any]
    tenant: str
    started: datetime
    resolved: datetime | None
    severity: AnomalySeverity
    told_at: datetime
    episode: int = 1

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def subject(self) -> Subject:
        found = self.document
        return self.tenant, found["tool"], found["agent"], found["kind"]


class News(NamedTuple):
    """One delivery to be. `incident` is its JSON under the id by which it is told."""

    state: str
    incident: Mapping[str, Any]
    tenant: str
    at: datetime
    episode: int = 1

    @property
    def delivery_id(self) -> str:
        return delivery_id(self.state, self.incident, self.episode)

    def body(self) -> bytes:
        """`delivery` keeps the bytes of two deliveries apart whatever they say."""
        content = {
            "state": self.state,
            "tenant": self.tenant,
            "incident": self.incident,
            "at": iso(self.at),
            "delivery": self.delivery_id,
            "episode": self.episode,
        }
        return json.dumps(content, sort_keys=True).encode()


def delivery_id(state: str, incident: Mapping[str, Any], episode: int) -> str:
    step = f":{incident['severity']}" if state == "escalated" else ""
    return f"{incident['id']}:{state}{step}" + (f":{episode}" if episode > 1 else "")


class Outlook(NamedTuple):
    """What is to be told, the ids told before that incidents were matched with, and what was told as open and was not."""

    news: list[News]
    met: set[str]
    gone: list[ToldIncident]


class ToldIncidents:
    """Read from own deliveries, in the order of their arrival."""

    def __init__(self) -> None:
        self._by_id: dict[str, ToldIncident] = {}
        self._names: dict[str, datetime] = {}

    def add(self, raw: bytes, name: str, tenant: str, at: datetime) -> None:
        """A delivery that was stored `at`; again, or one that is none of ours, changes nothing."""
        if name in self._names:
            return
        self._names[name] = at
        try:
            told = _after(self._by_id, json.loads(raw), tenant, at)
        except (KeyError, OverflowError, TypeError, ValueError, RecursionError):
            return
        self._by_id[told.id] = told

    def forget(self, before: datetime) -> None:
        """What ended before: nothing will be matched with it any more."""
        over = {name for name, each in self._by_id.items() if each.resolved is not None and each.told_at < before}
        self._by_id = {name: each for name, each in self._by_id.items() if name not in over}
        self._names = {
            name: at for name, at in self._names.items() if at >= before or name.split(":")[0] in self._by_id
        }

    def beside(self, incidents: Sequence[Incident], now: datetime) -> Outlook:
        """These incidents, compared with what was told."""
        look = _Look(self._by_id, now)
        news = [each for each in look.at(incidents) if each.delivery_id not in self._names]
        gone = [each for each in self._by_id.values() if each.resolved is None and each.id not in look.met]
        return Outlook(news, look.met, gone)


def taken_back(told: ToldIncident, now: datetime) -> News:
    """The end of what is no incident any more."""
    document = {**told.document, "resolved_at": iso(now), "explanation": TAKEN_BACK}
    return News("resolved", document, told.tenant, now, told.episode)


class _Look:
    """One pass over the incidents. What it finds to be told counts as told within the pass."""

    def __init__(self, told: Mapping[str, ToldIncident], now: datetime) -> None:
        self._told = dict(told)
        self._of_subject: dict[Subject, list[str]] = {}
        for name, each in told.items():
            self._of_subject.setdefault(each.subject, []).append(name)
        self._now = now
        self.met: set[str] = set()

    def at(self, incidents: Sequence[Incident]) -> Iterator[News]:
        """Those whose id was told first: the others may be matched with what is left."""
        known = {each.id for each in incidents if each.id in self._told}
        for each in incidents:
            if each.id in known:
                yield from self._known(each, [each.id])
        for each in sorted(incidents, key=lambda each: each.started_at):
            if each.id in known:
                continue
            names = [name for name in self._of_subject.get(_subject(each), ()) if name not in known]
            met = [name for name in names if _overlap(self._told[name], each)]
            yield from self._known(each, met) if met else self._unknown(each)

    def _unknown(self, incident: Incident) -> Iterator[News]:
        document = incident.document()
        if self._now - incident.started_at <= RECENT:
            # The same bytes whenever it is told: it may have ended since.
            yield News("opened", {**document, "resolved_at": None}, incident.tenant, incident.started_at)
        if incident.resolved_at is not None and self._now - incident.resolved_at <= RECENT:
            yield News("resolved", document, incident.tenant, incident.resolved_at)

    def _known(self, incident: Incident, names: Iterable[str]) -> Iterator[News]:
        self.met.update(names)
        told = [self._told[name] for name in names]
        still_open = [each for each in told if each.resolved is None]
        if not still_open:
            last = max(told, key=lambda each: each.told_at)
            if incident.resolved_at is None and self._now - last.told_at >= SETTLED:
                yield News("opened", _under(last, incident, None), incident.tenant, self._now, last.episode + 1)
            return
        worst = max(still_open, key=lambda each: ANOMALY_SEVERITIES.index(each.severity))
        if not is_at_least(worst.severity, incident.severity):
            yield News("escalated", _under(worst, incident, None), incident.tenant, self._now, worst.episode)
        if incident.resolved_at is not None:
            for each in still_open:
                ended = max(incident.resolved_at, each.started)
                self._told[each.id] = each._replace(resolved=ended)
                yield News("resolved", _under(each, incident, ended), incident.tenant, ended, each.episode)


def _after(told: Mapping[str, ToldIncident], body: Any, tenant: str, at: datetime) -> ToldIncident:
    """Raises KeyError, OverflowError, TypeError, ValueError."""
    state, incident = body["state"], body["incident"]
    before = told.get(incident["id"])
    severity = incident["severity"]
    if state not in _STATES or severity not in ANOMALY_SEVERITIES or not isinstance(incident["id"], str):
        raise ValueError(state)
    found = ToldIncident(
        incident,
        tenant,
        parse_moment(incident["started_at"]),
        parse_moment(incident["resolved_at"]) if state == "resolved" else None,
        cast("AnomalySeverity", severity),
        at,
        int(body.get("episode", 1)),
    )
    hash(found.subject)
    if before is not None and state == "escalated":
        return found._replace(resolved=before.resolved, told_at=before.told_at)
    return found


def _under(told: ToldIncident, incident: Incident, resolved: datetime | None) -> dict[str, Any]:
    """The incident as it is now, under the id and from the time that were told."""
    return {
        **incident.document(),
        "id": told.id,
        "started_at": iso(told.started),
        "resolved_at": None if resolved is None else iso(resolved),
    }


def _subject(incident: Incident) -> Subject:
    return incident.tenant, incident.tool, incident.agent, incident.kind


def _overlap(told: ToldIncident, incident: Incident) -> bool:
    """One that begins when the last one ends is another one."""
    if told.started == incident.started_at:
        return True
    begins_before = told.resolved is None or incident.started_at < told.resolved
    return begins_before and (incident.resolved_at is None or told.started < incident.resolved_at)
