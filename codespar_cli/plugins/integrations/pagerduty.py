"""PagerDuty: V3 webhook subscriptions, and the bodies of the V2 and V1 extensions before them.

Wire facts: developer.pagerduty.com, "Webhooks": "Overview" (event types and what each carries), "Behavior" (retries for
48 hours, `X-Webhook-Id`), "Signatures", "V2 Overview" and "V1 Overview". A V3 body is signed, and holds one event with an
id of its own; V2 and V1 are not signed and cannot be verified.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from codespar_cli.core.administration.webhooks import Wire
from codespar_cli.core.headers import Headers
from codespar_cli.core.hooks import Severity
from codespar_cli.core.services import Services
from codespar_cli.plugins.integrations.api import Api, asked
from codespar_cli.plugins.integrations.connector import Connector, Facts
from codespar_cli.plugins.integrations.fields import at, first, items, line, scalars, table
from codespar_cli.plugins.integrations.signature import verify_any

EVENTS = frozenset(
    f"{resource}.{action}"
    for resource, actions in {
        "incident": "acknowledged annotated delegated escalated priority_updated reassigned reopened resolved "
        "service_updated status_update_published triggered unacknowledged "
        "action_invocation.created action_invocation.updated action_invocation.terminated conference_bridge.updated "
        "custom_field_values.updated incident_type.changed responder.added responder.replied role.assigned "
        "task.created task.updated task.completed workflow.started workflow.completed",
        "service": "created updated deleted custom_field_values.updated",
    }.items()
    for action in actions.split()
)
"""The documented V3 event types. PagerDuty adds to them: what is not listed here is understood all the same."""

SEVERITIES: dict[str, Severity] = {
    # what is over; asked before everything else
    "resolved": "info",
    # priority: the names PagerDuty starts an account with, and what else is common
    "p1": "critical",
    "p2": "error",
    "p3": "warning",
    "p4": "info",
    "p5": "info",
    "sev-1": "critical",
    "sev-2": "error",
    "sev-3": "warning",
    "sev-4": "info",
    "sev-5": "info",
    # urgency
    "high": "error",
    "low": "warning",
}

# How a title says what happened, where the event's own words do not read well before "on <incident>".
_WHAT = {
    "incident.annotated": "note",
    "incident.status_update_published": "status update",
    "incident.action_invocation.created": "action created",
    "incident.action_invocation.updated": "action updated",
    "incident.action_invocation.terminated": "action terminated",
}
_SHORT = 130
_EVENT_TYPE = re.compile(r"[a-z][a-z0-9_]{0,63}(?:\.[a-z][a-z0-9_]{0,63}){1,4}")
_PRIORITY = re.compile(r"\s*(?:(?P<p>P[1-5])|SEV[-_ ]?(?P<sev>[1-5]))\b", re.IGNORECASE)
_API_HOSTS = frozenset({"api.pagerduty.com", "api.eu.pagerduty.com"})
_MOST_SIGNATURES = 16
_SCHEME = "v1="


class PagerDuty(Connector):
    id = "pagerduty"
    name = "PagerDuty"
    severities = SEVERITIES
    wire = Wire(
        signature_header="X-PagerDuty-Signature",
        signature_prefix=_SCHEME,
        delivery_header="X-Webhook-Id",
    )

    @classmethod
    def api_of(cls, options: Mapping[str, Any], services: Services) -> Api | None:
        return asked(
            options,
            services,
            provider=cls.id,
            default="https://api.pagerduty.com",
            is_providers=_API_HOSTS.__contains__,
            path="/abilities",
            headers=lambda token: {
                "authorization": f"Token token={token}",
                "accept": "application/vnd.pagerduty+json;version=2",
            },
        )

    def verify_signature(self, payload: bytes | str, signature: str, secret: str | Sequence[str]) -> bool:
        """The header holds one `v1=` signature for each secret in use, separated by commas; one that is good will do.
        Those of another scheme are passed over. The secret is used as text, although it looks like base64."""
        given = signature.split(",", _MOST_SIGNATURES) if isinstance(signature, str) else ()
        return verify_any(payload, (one.strip(" \t") for one in given[:_MOST_SIGNATURES]), secret, prefix=_SCHEME)

    def delivery_id(self, payload: Any, headers: Mapping[str, str]) -> str | None:
        """`X-Webhook-Id`, which is the same for every attempt; without it the id inside the body. The header is not
        signed: whoever makes up another one has sent a known body, and that is noticed."""
        return super().delivery_id(payload, headers) or line(
            first(payload, "event.id") or _message(payload).get("id"), 200
        )

    def event_type(self, payload: Mapping[str, Any], headers: Headers) -> str | None:
        event = table(payload, "event")
        if event:
            # The shape is common: only PagerDuty says both what happened and to which kind of thing, and when.
            named = isinstance(event.get("resource_type"), str) or isinstance(event.get("occurred_at"), str)
            return _event_type(event.get("event_type")) if named else None
        message = _message(payload)
        return _event_type(message.get("event")) or _event_type(message.get("type"))

    def facts(self, event_type: str, payload: Mapping[str, Any]) -> Facts | None:
        event = table(payload, "event")
        return _facts(event_type, event) if event else _old_facts(event_type, payload)


# ── which of them it is ──


def _event_type(word: Any) -> str | None:
    return word if isinstance(word, str) and _EVENT_TYPE.fullmatch(word) else None


def _message(payload: Any) -> Mapping[str, Any]:
    """Of a V2 or V1 body the last message that is about an incident: the newest state is the one that counts.

    PagerDuty sends one in each; a body may hold more.
    """
    for message in reversed(items(payload, "messages", 100)):
        if isinstance(message, Mapping) and _incident_of(message):
            return message
    return {}


def _incident_of(message: Mapping[str, Any]) -> Mapping[str, Any]:
    return table(message, "incident") or table(message, "data.incident")


# ── what it says ──


def _facts(event_type: str, event: Mapping[str, Any]) -> Facts | None:
    data = event.get("data")
    if not isinstance(data, Mapping):
        return None
    role = table(data, "incident_role_assignments.0")
    # What it is about: an incident or a service; of everything that happens to one, the data hold a reference.
    about = table(data, "incident") or table(role, "incident") or table(data, "service")
    about = data if data.get("type") in ("incident", "service") or not about else about
    return Facts(
        titles=_titles(event_type, data, about, role),
        words=_words(event_type, data),
        urls=(data.get("html_url"), about.get("html_url"), at(data, "service.html_url")),
        times=(event.get("occurred_at"),),
        detail=first(data, "content", "message", "description") or _fields(data) or _more(data, role),
        external_id=first(about, "id") or first(data, "id"),
        actor=first(event, "agent.summary", "agent.id"),
        project=first(data, "service.summary", "service.id") or (data.get("summary") if data is about else None),
        native=dict(_native(data)),
    )


def _old_facts(event_type: str, payload: Mapping[str, Any]) -> Facts | None:
    message = _message(payload)
    incident = _incident_of(message)
    if not incident:
        return None
    number, note = line(incident.get("incident_number")), line(at(message, "log_entries.0.note"), _SHORT)
    named = line(first(incident, "title", "description"), _SHORT)
    count = len(items(payload, "messages"))
    return Facts(
        titles=(
            f"note on {named}: {note}" if event_type == "incident.annotate" and named and note else None,
            *(incident.get(key) for key in ("title", "description")),
            *(at(incident, f"trigger_summary_data.{key}") for key in ("subject", "description")),
            incident.get("summary"),
            f"incident {number}" if number else None,
        ),
        words=_words(event_type, incident),
        urls=(incident.get("html_url"), incident.get("trigger_details_html_url")),
        times=(message.get("created_on"), incident.get("last_status_change_at"), incident.get("last_status_change_on")),
        detail=first(message, "log_entries.0.note", "log_entries.0.channel.details", "log_entries.0.summary"),
        external_id=incident.get("id"),
        actor=first(message, "log_entries.0.agent.summary")
        or first(incident, "last_status_change_by.summary", "last_status_change_by.name"),
        project=first(incident, "service.summary", "service.name"),
        native={**dict(_native(incident)), **({"messages": count} if count > 1 else {})},
    )


def _titles(
    event_type: str, data: Mapping[str, Any], about: Mapping[str, Any], role: Mapping[str, Any]
) -> Iterator[Any]:
    """An incident's own title says it all; of what happens to one, what it was, and to which."""
    yield data.get("title")
    what = _WHAT.get(event_type) or event_type.partition(".")[2].replace(".", " ").replace("_", " ")
    if data is not about:
        named = line(about.get("summary"), _SHORT) or " ".join(
            filter(None, (event_type.partition(".")[0], line(about.get("id"), 60)))
        )
        more = line(_more(data, role), _SHORT) or line(first(data, "content", "message", "name", "summary"), _SHORT)
        yield f"{what} on {named}" + (f": {more}" if more else "")
    name = line(first(data, "summary", "name"))
    yield f"{event_type.replace('.', ' ')}: {name}" if name and about.get("type") == "service" else name
    yield first(data, "message", "content")
    yield f"{event_type.partition('.')[0]} {line(data.get('id'), 60) or ''} {what}".replace("  ", " ")


def _more(data: Mapping[str, Any], role: Mapping[str, Any]) -> str | None:
    """What happened, where the data say it in parts."""
    if role:
        who = line(at(role, "assignee.summary")) or "nobody"
        return f"{line(at(role, 'role.summary')) or 'role'}: {who}"
    asked = ("user.summary", "escalation_policy.summary") if "incident" in data else ()
    for path in ("incident_workflow.summary", "action.summary", "conference_url", *asked):
        if text := line(at(data, path)):
            state = line(data.get("state"), 60)
            return f"{text}: {state}" if state else text
    return None


def _fields(data: Mapping[str, Any]) -> str | None:
    """Custom fields as they are now; of those that changed only the names are sure."""
    rows = []
    for field in items(data, "custom_fields", 50):
        name, value = line(at(field, "name"), 100), at(field, "value")
        texts = [line(one, 200) for one in (value if isinstance(value, list) else [value])[:20]]
        if name:
            rows.append(f"{name}: {', '.join(text for text in texts if text)}")
    return "\n".join(rows) or None


def _words(event_type: str, subject: Mapping[str, Any]) -> Iterator[Any]:
    """That it is over; then its priority, then its urgency."""
    yield event_type
    over = event_type in {"incident.resolved", "incident.resolve"} or subject.get("status") == "resolved"
    yield "resolved" if over else None
    for path in ("priority.summary", "priority.name"):
        yield (name := at(subject, path))
        if isinstance(name, str) and (match := _PRIORITY.match(name[:100])):
            yield match["p"] or f"sev-{match['sev']}"
    yield subject.get("urgency")


def _native(subject: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from scalars(subject, "status", "urgency", "state", "number", "incident_number")
    named = {
        "priority": first(subject, "priority.summary", "priority.name"),
        "incident_type": at(subject, "incident_type.name"),
        "resolve_reason": first(subject, "resolve_reason.type") or subject.get("resolve_reason"),
        "role": at(subject, "incident_role_assignments.0.role.summary"),
        "workflow": at(subject, "incident_workflow.summary"),
        "action": at(subject, "action.summary"),
        "changed": ", ".join(
            filter(None, (line(at(one, "name"), 60) for one in items(subject, "changed_custom_fields", 20)))
        ),
    }
    for key, value in named.items():
        if text := line(value, 200):
            yield key, text
