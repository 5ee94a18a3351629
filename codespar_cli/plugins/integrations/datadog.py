"""Datadog: monitor alerts, events and incidents, in whatever shape somebody's payload template gives them.

Wire facts: docs.datadoghq.com, "Webhooks" (variables, default payload, "Encode as form") and "Webhooks Integration"
(API). Datadog signs nothing. What stands for a signature is a token in a custom header: it says that the sender knows
it, not that the body is as it was sent. The default payload has neither severity nor transition nor link; its title has
the transition in front, and that is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from codespar_cli.core.administration.webhooks import FORM, JSON, Wire
from codespar_cli.core.headers import Headers
from codespar_cli.core.hooks import Severity
from codespar_cli.core.services import Services
from codespar_cli.plugins.integrations import DATADOG_SITES
from codespar_cli.plugins.integrations.api import Api, asked
from codespar_cli.plugins.integrations.connector import Connector, Facts
from codespar_cli.plugins.integrations.fields import line
from codespar_cli.plugins.integrations.signature import is_token

SEVERITIES: dict[str, Severity] = {
    # what is over; asked before everything else
    "recovered": "info",
    "success": "info",
    "resolved": "info",
    "completed": "info",
    # priority of the monitor
    "p1": "critical",
    "p2": "error",
    "p3": "warning",
    "p4": "info",
    "p5": "info",
    # severity of an incident
    "sev-1": "critical",
    "sev-2": "error",
    "sev-3": "warning",
    "sev-4": "info",
    "sev-5": "info",
    # type of the alert, or a severity that somebody wrote into the template
    "critical": "critical",
    "error": "error",
    "warning": "warning",
    # transition
    "triggered": "warning",
    "re-triggered": "warning",
    "no data": "warning",
    "re-no data": "warning",
    "warn": "warning",
    "re-warn": "warning",
    "renotify": "warning",
    "info": "info",
}

# What each fact may be called: keys without separators and case, so that `alert_transition`, `alertTransition`,
# `ALERT_TRANSITION` and `{"alert": {"transition": …}}` are the same.
_STATES = ("status", "state", "alertstate", "monitorstatus", "severity", "event")
_TYPE = ("alerttype", "type", "level", "severity")
_PRIORITY = ("alertpriority", "monitorpriority", "priority", "severity")
_TITLE = (
    "title",
    "eventtitle",
    "alerttitle",
    "incidenttitle",
    "alertname",
    "monitorname",
    "subject",
    "summary",
    "name",
)
_DETAIL = ("body", "text", "textonlymsg", "eventmsg", "message", "eventmessage", "description", "incidentmsg",
           "incidentmessage", "alertstatus", "alertmessage")  # fmt: skip
_LINK = (
    "link",
    "url",
    "alerturl",
    "alertlink",
    "eventurl",
    "eventlink",
    "sourceurl",
    "incidenturl",
    "monitorurl",
    "href",
)
_TIME = ("date", "dateposix", "timestamp", "lastupdated", "lastupdatedposix", "occurredat", "alerttime", "firetime")
_CYCLE = ("alertcyclekey", "cyclekey", "alertcycleid")
_GROUP = ("aggregkey", "aggregationkey", "eventaggregkey", "dedupkey", "deduplicationkey")
_MONITOR = ("alertid", "monitorid")
_USER = ("user", "username", "email")
# Keys that only a template of a monitor's, or an incident's, variables has.
_ALERTS_OWN = (
    "alerttransition",
    *_CYCLE,
    "alertid",
    "alertpriority",
    "alertstatus",
    "alertmetric",
    "alertquery",
    "alertscope",
)
_WRAPPERS = frozenset(
    ["metadata", "details", "customdetails", "data", "payload", "datadog", "context", "fields", "labels", "annotations"]
)
# What is looked at of a payload: no template has more keys, and no fact is longer.
_MAX_KEYS = 1000
_LONGEST = 20_000
_NATIVE = {
    "transition": ("alerttransition", "transition"),
    "alert_type": ("alerttype",),
    "priority": ("alertpriority",),
    "event_type": ("eventtype",),
    "monitor": _MONITOR,
    "metric": ("alertmetric",),
    "scope": ("alertscope",),
    "host": ("hostname", "host"),
    "incident_severity": ("incidentseverity",),
    "incident_status": ("incidentstatus",),
}

_TRANSITIONS = frozenset(
    {"Triggered", "Re-Triggered", "No Data", "Re-No Data", "Warn", "Re-Warn", "Recovered", "Renotify"}
)
_GRAVE = frozenset({"critical", "error", "warning"})
_OVER = frozenset({"recovered", "success", "resolved", "completed"})
_OF_TYPE = {"error": "triggered", "warning": "warn", "success": "recovered"}
_UNFILLED = frozenset({"", "null", "none", "nil", "n/a", "undefined"})
# `[P2] [Re-Triggered on {host:a}] title`, `[Recovered] title`, and the older `[Monitor Alert] Triggered: title`
_PREFIX = re.compile(
    r"\s*(?:\[(?P<priority>P[1-5])\]\s*)?(?:\[monitor alert\]\s*|\[)"
    r"(?P<transition>(?:re-)?(?:triggered|no data|warn)|recovered|renotify)(?=\]|:| on\b| - )",
    re.IGNORECASE,
)
_OF_A_MONITOR = re.compile(r"(?:^|_)(?:alert|monitor|check|slo)(?:_|$)")
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_OWN_LINK = re.compile(
    r"\((https://(?:[a-z0-9-]{1,63}\.){0,3}(?:datadoghq\.com|datadoghq\.eu|ddog-gov\.com)/(?:monitors|event)[^\s()]{0,1000})\)"
)


class Datadog(Connector):
    id = "datadog"
    name = "Datadog"
    severities = SEVERITIES
    wire = Wire(signature_header="X-Codespar-Token", content_types=(JSON, FORM), shared_token=True)

    def view(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        return Said.of(payload)

    # There is nothing to sign with: what would be sent is the secret itself, and that is never shown.
    sign = None  # type: ignore[assignment]

    @classmethod
    def api_of(cls, options: Mapping[str, Any], services: Services) -> Api | None:
        return asked(
            options,
            services,
            provider=cls.id,
            default=f"https://api.{options.get('site', DATADOG_SITES[0])}",
            is_providers=lambda host: host.removeprefix("api.") in DATADOG_SITES,
            path="/api/v1/validate",
            headers=lambda key: {"dd-api-key": key},
        )

    def verify_signature(self, payload: bytes | str, signature: str, secret: str | Sequence[str]) -> bool:
        """Whether `signature`, the value of the configured header, is one of the secrets. The body is not looked at:
        whoever reads the token once can send anything. Raises TypeError for a parsed body."""
        return is_token(payload, signature, secret)

    def delivery_id(self, payload: Any, headers: Mapping[str, str]) -> str | None:
        """The event's id (`$ID`); else what tells one notification of one alert: cycle key, transition and date."""
        said = Said.of(payload)
        found = said.first("id", "eventid")
        if found is not None and found.lower() != "id" and found not in [said.get(name) for name in _MONITOR]:
            return line(found, 200)
        parts = [said.first(*_CYCLE), _transition(said), said.first(*_TIME)]
        return line(":".join(filter(None, parts)), 200) if all(parts) else None

    def event_type(self, payload: Mapping[str, Any], headers: Headers) -> str | None:
        said = Said.of(payload)
        if said.first(*_TITLE, *_DETAIL) is None:
            return None
        # Whoever sends the token has a template of Datadog's, however little of it is left.
        if not _has_own_words(said) and self.wire.signature_header not in headers:
            return None
        told = _slug(said.first("eventtype"))
        transition = _transition(said)
        if transition is not None:
            return f"alert.{_slug(transition)}"
        if incident := said.first("incidentstatus", "incidentstate"):
            return f"incident.{_slug(incident) or 'updated'}"
        if told and not _OF_A_MONITOR.search(told):
            return told
        kind = (said.first("alerttype") or "").lower()
        if told is None and not kind and said.first(*_ALERTS_OWN) is None:
            return "event"
        return f"alert.{_OF_TYPE[kind]}" if kind in _OF_TYPE else "alert"

    def facts(self, event_type: str, payload: Mapping[str, Any]) -> Facts | None:
        said = Said.of(payload)
        body = said.first(*_DETAIL)
        tags = _tags(said)
        return Facts(
            titles=(said.first(*_TITLE), _unfenced(body)),
            words=_words(event_type, said),
            urls=(*(said.first(name) for name in _LINK), *_OWN_LINK.findall(body or "")[:1]),
            times=(_seconds(said.first(name)) for name in _TIME),
            detail=_unfenced(body),
            external_id=said.first(*_CYCLE, *_GROUP, "incidentuuid", "incidentpublicid", *_MONITOR, "id"),
            actor=said.first(*_USER),
            project=next((tag[8:] for tag in tags if tag.startswith("service:")), None) or said.first("orgname"),
            native={**dict(_native(said)), **({"tags": tags} if tags else {})},
        )


# ── a template's keys, whatever they are called ──


class Said(dict[str, Any]):
    """What a template says: its keys without separators and case, its values as text, or the list of tags as it came.

    A nested `{"alert": {"type": …}}` is `alerttype`; the top level counts first. A variable that was not filled is not
    there.
    """

    @classmethod
    def of(cls, payload: Any) -> Said:
        if isinstance(payload, cls):
            return payload
        said, nested = cls(), []
        for key, value in islice(payload.items(), _MAX_KEYS) if isinstance(payload, Mapping) else ():
            name = _name(key)
            if isinstance(value, Mapping):
                nested.append(("" if name in _WRAPPERS else name, value))
            else:
                said._put(name, value)
        for outer, table in nested:
            for key, value in islice(table.items(), _MAX_KEYS):
                name = _name(key)
                said._put(name if name.startswith(outer) else outer + name, value)
        return said

    def _put(self, name: str, value: Any) -> None:
        found = value if isinstance(value, list) else _text(value)
        if found is not None:
            self.setdefault(name, found)

    def first(self, *names: str) -> str | None:
        for name in names:
            if isinstance(found := self.get(name), str):
                return found
        return None


def _name(key: Any) -> str:
    return key[:64].replace("_", "").replace("-", "").replace(".", "").lower() if isinstance(key, str) else ""


def _text(value: Any) -> str | None:
    """What a variable was filled with: None where it had no value, or is not one of Datadog's."""
    if type(value) is int and 0 <= value < 2**64:  # the id of an event has 19 digits
        return str(value)
    if not isinstance(value, str):
        return line(value)
    text = value[:_LONGEST].strip()
    if not text or (text[0] == "$" and text[1:].isidentifier()) or (len(text) < 10 and text.lower() in _UNFILLED):
        return None
    return text


def _slug(word: str | None) -> str | None:
    """`Re-No Data` as `re_no_data`: lower case, every other character run one underscore."""
    return _SEPARATORS.sub("_", word[:100].lower()).strip("_") or None if word else None


# ── is it Datadog's ──


def _has_own_words(said: Said) -> bool:
    """A template can be anything: told by the words that only Datadog uses."""
    return (
        _transition(said) is not None
        or said.first(*_ALERTS_OWN, "incidentpublicid", "incidentuuid") is not None
        or (said.first("alerttype") or "").lower() in {"error", "warning", "success", "info"}
        or (said.first("eventtype") is not None and said.first("lastupdated", "orgid", "date") is not None)
    )


# ── what it says ──


def _transition(said: Said) -> str | None:
    """In Datadog's words and lower case: what the template says, else what the title begins with."""
    word = said.first("alerttransition", "transition")
    if word is not None:
        return word[:100].lower()
    # Names that are not Datadog's alone count with its own spelling only.
    for name in _STATES:
        if (word := said.first(name)) in _TRANSITIONS:
            return word.lower()
    prefix = _prefix(said)
    return prefix["transition"].lower() if prefix else None


def _prefix(said: Said) -> re.Match[str] | None:
    for name in ("title", "eventtitle", "alerttitle", "subject"):
        if match := _PREFIX.match((said.first(name) or "")[:300]):
            return match
    return None


def _words(event_type: str, said: Said) -> Iterator[Any]:
    """That it is over; then the priority, the severity of an incident, the type and at last the transition."""
    yield event_type
    transition, prefix = _transition(said), _prefix(said)
    status = said.first("incidentstatus", "incidentstate")
    over = (transition, said.first("alerttype"), status)
    yield from (word for word in over if word and word.lower() in _OVER)
    yield from (word for word in map(said.first, _PRIORITY) if word and word[:1] in "Pp")
    yield prefix["priority"] if prefix else None
    yield said.first("incidentseverity")
    yield from (word for word in map(said.first, _TYPE) if word and word.lower() in _GRAVE)
    yield transition
    yield said.first("eventtype")


def _unfenced(body: str | None) -> str | None:
    """Without the `%%%` lines that mark Datadog's Markdown."""
    if body is None or "%%%" not in body:
        return body
    return "\n".join(row for row in body.split("\n") if row.strip() != "%%%").replace("%%%", "")


def _seconds(text: str | None) -> Any:
    """`$DATE` is in milliseconds, `$DATE_POSIX` in seconds; between 2001 and 2200 no number can be both."""
    if text is not None and text.isascii() and text.isdigit() and len(text) == 13:
        return int(text) / 1000
    return text


def _tags(said: Said) -> list[str]:
    """A list, or text with commas."""
    given = said.get("tags") or said.get("alertscope")
    parts = given[:10_000].split(",") if isinstance(given, str) else given if isinstance(given, list) else []
    found = (line(_text(part), 200) for part in parts[:100] if isinstance(part, str))
    return list(dict.fromkeys(tag for tag in found if tag))


def _native(said: Said) -> Iterator[tuple[str, Any]]:
    for key, names in _NATIVE.items():
        text = line(said.first(*names), 200)
        if text is not None:
            yield key, text
