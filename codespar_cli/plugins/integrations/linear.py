"""Linear: data changes, service levels, an app's notifications and its agent sessions.

Wire facts: linear.app/developers, "Webhooks" and "Developing the Agent Interaction"; the types and their keys: the
`…WebhookPayload` types of github.com/linear/linear, packages/sdk. The body says the event and, signed with it, when this
delivery was sent; `webhookId` is the subscription's and the same in all its deliveries. Linear wants exactly 200 within
five seconds and tries again after a minute, an hour and six hours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from codespar_cli.core.administration.webhooks import Wire
from codespar_cli.core.headers import Headers
from codespar_cli.core.hooks import Severity
from codespar_cli.core.services import Services
from codespar_cli.core.webhook_body import parse_body
from codespar_cli.plugins.integrations.api import Api, asked
from codespar_cli.plugins.integrations.connector import Connector, Facts, compose
from codespar_cli.plugins.integrations.fields import at, first, items, line, moment, scalars, seconds, table

SEVERITIES: dict[str, Severity] = {
    # action of issuesla; asked before the issue's priority, and `issuesla` for an action that is not listed
    "breached": "error",
    "highrisk": "warning",
    "issuesla": "info",
    # health of a project, an initiative and the updates of either; `onTrack` leaves it to the priority
    "offtrack": "error",
    "atrisk": "warning",
    # priority, in Linear's labels for 1 to 4 and 0
    "urgent": "critical",
    "high": "error",
    "medium": "warning",
    "normal": "warning",
    "low": "info",
    "no priority": "info",
    # a customer's request has no priority but a mark
    "important": "warning",
    # action of appusernotification
    "issuepriorityurgent": "critical",
    "issueslabreached": "error",
    "issueslahighrisk": "warning",
    # the app lost its access
    "oauthapp.revoked": "warning",
    "oauthauthorization.revoked": "warning",
}

_PRIORITIES: dict[float, str] = {0: "no priority", 1: "urgent", 2: "high", 3: "medium", 4: "low"}
_NEEDS: dict[float, str] = {0: "no priority", 1: "important"}

# Where a payload of this type keeps what it is about; empty for the payload itself. All others: `data`.
_SUBJECTS = {
    "IssueSLA": "issueData",
    "AgentSessionEvent": "agentSession",
    "AppUserNotification": "notification",
    "OAuthApp": "",
    "OAuthAuthorization": "",
    "PermissionChange": "",
}
TYPES = frozenset(
    {
        "Attachment",
        "AuditEntry",
        "Comment",
        "Customer",
        "CustomerNeed",
        "Cycle",
        "Document",
        "Initiative",
        "InitiativeLabel",
        "InitiativeUpdate",
        "Issue",
        "IssueLabel",
        "Project",
        "ProjectLabel",
        "ProjectUpdate",
        "Reaction",
        "Release",
        "ReleaseNote",
        "User",
        *_SUBJECTS,
    }
)
"""The catalogue. A type that is not in it is understood where the body says whose organization it is."""

_SPEAKS_FOR_ITSELF = frozenset({"Attachment", "Document", "Initiative", "Issue", "Project", "Release", "ReleaseNote"})
_TYPE = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_EVENT = "Linear-Event"
_STAMP = re.compile(rb'"webhookTimestamp"\s*:\s*(-?[0-9]+(?:\.[0-9]+)?)')
_ISSUE = ("identifier", "issue.identifier", "comment.issue.identifier")
_DETAILS = ("description", "body", "content", "comment.body", "issue.description", "summary", "subtitle")
_ABOUT = ("issue", "project", "initiative", "document", "projectUpdate.project", "customer")


class Linear(Connector):
    id = "linear"
    name = "Linear"
    severities = SEVERITIES
    wire = Wire(
        signature_header="Linear-Signature",
        event_header=_EVENT,
        delivery_header="Linear-Delivery",
        skew=timedelta(seconds=60),
    )

    @classmethod
    def api_of(cls, options: Mapping[str, Any], services: Services) -> Api | None:
        return asked(
            options,
            services,
            provider="linear",
            default="https://api.linear.app",
            is_providers=lambda host: host.lower() == "api.linear.app",
            path="/graphql",
            headers=_credential,
            body=b'{"query": "{ viewer { id } }"}',
        )

    def signed_at(self, payload: Any, headers: Mapping[str, str]) -> datetime | None:
        """`webhookTimestamp` of the signed body, milliseconds. `Linear-Timestamp` is not signed and not looked at."""
        stamp = at(payload, "webhookTimestamp")
        return None if isinstance(stamp, str) else moment(seconds(stamp))

    def stamped(self, raw: bytes, at: datetime) -> bytes:
        """The body with another `webhookTimestamp`. Raises ValueError when it has none."""
        now = int(at.timestamp() * 1000)
        wanted = {**_mapping(parse_body(raw)), "webhookTimestamp": now}
        for found in _STAMP.finditer(raw):
            changed = raw[: found.start(1)] + str(now).encode() + raw[found.end(1) :]
            if parse_body(changed) == wanted:  # not one deeper inside, or in a text
                return changed
        raise ValueError("it has no `webhookTimestamp` to renew")

    def event_type(self, payload: Mapping[str, Any], headers: Headers) -> str | None:
        kind, action = _kind(payload, headers), payload.get("action")
        if kind is None or not isinstance(action, str) or not _subject(kind, payload):
            return None
        return compose(kind.lower(), action)

    def facts(self, event_type: str, payload: Mapping[str, Any]) -> Facts | None:
        name = event_type.partition(".")[0]
        kind = next((known for known in TYPES if known.lower() == name), payload.get("type"))
        kind = kind if isinstance(kind, str) else name
        action = str(payload.get("action"))
        subject = _subject(kind, payload)
        return Facts(
            titles=_titles(kind, action, payload, subject),
            words=_words(kind, event_type, action, subject),
            urls=_urls(payload, subject),
            times=(payload.get("createdAt"), subject.get("updatedAt"), seconds(payload.get("webhookTimestamp"))),
            detail=first(payload, "promptContext", "agentActivity.content.body") or first(subject, *_DETAILS),
            external_id=first(subject, *_ISSUE, "id") or first(payload, "oauthClientId", "organizationId"),
            actor=first(payload, "actor.name", "actor.service", "agentActivity.user.name", "user.name")
            or first(subject, "actor.name", "user.name", "creator.name"),
            project=first(subject, "team.key", "issue.team.key", "project.name", "initiative.name"),
            native=_native(payload, subject),
        )


def _credential(token: str) -> dict[str, str]:
    """An API key goes bare, an app's token is a bearer's (linear.app/developers, "Getting started")."""
    authorization = f"Bearer {token}" if token.startswith("lin_oauth_") else token
    return {"authorization": authorization, "content-type": "application/json"}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


# ── is it Linear's ──


def _kind(payload: Mapping[str, Any], headers: Headers) -> str | None:
    """The type as the signed body says it; the header's only where the body says none."""
    kind = payload.get("type", headers.get(_EVENT))
    if not isinstance(kind, str) or _TYPE.fullmatch(kind) is None:
        return None
    return kind if kind in TYPES or isinstance(payload.get("organizationId"), str) else None


def _subject(kind: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """What it is about; empty where the payload lacks it, and so is none of this type."""
    key = _SUBJECTS.get(kind, "data")
    if key == "":
        return payload if isinstance(payload.get("oauthClientId"), str) else {}
    subject = table(payload, key)
    # A type nobody knows yet may keep its facts at the top, as the app's own events do.
    return subject if subject or kind in TYPES else payload


# ── what it says ──


def _titles(kind: str, action: str, payload: Mapping[str, Any], subject: Mapping[str, Any]) -> Iterator[str | None]:
    what = _spoken(kind) + " " + _spoken(action)
    title = line(first(subject, "title", "name"))
    about = next((found for key in _ABOUT if (found := line(first(subject, f"{key}.title", f"{key}.name")))), None)
    text = _first_line(subject.get("body"))
    if kind in _SPEAKS_FOR_ITSELF:
        yield title
    match kind:
        case "Comment":
            yield text
        case "ProjectUpdate" | "InitiativeUpdate":
            yield ": ".join(filter(None, (about, _spoken(line(subject.get("health")) or ""), text)))
        case "IssueSLA":
            yield f"SLA {_spoken(action)}: {title}" if title else None
        case "AgentSessionEvent":
            yield _session_title(action, payload, subject)
        case "Reaction":
            on = line(first(subject, "issue.identifier")) or about or "a comment"
            yield f"reaction {line(subject.get('emoji')) or action} on {on}"
        case "AuditEntry":
            yield f"audit: {_spoken(line(subject.get('type')) or action)}"
        case "AppUserNotification":
            yield f"{_spoken(action)}: {about}" if about else None
        case "PermissionChange":
            yield f"{_spoken(action)}: {_count(payload, 'addedTeamIds')} added, {_count(payload, 'removedTeamIds')} removed"
    named = title or text or about or line(first(subject, "number", *_ISSUE))
    yield f"{what}: {named}" if named else None
    yield what


def _session_title(action: str, payload: Mapping[str, Any], session: Mapping[str, Any]) -> str | None:
    """Somebody wants something of an agent: what it is about, and with a later prompt what was said."""
    issue = ": ".join(filter(None, (line(at(session, f"issue.{key}")) for key in ("identifier", "title"))))
    said = _first_line(at(payload, "agentActivity.content.body")) or _first_line(at(session, "comment.body"))
    where = issue or (said if action == "created" else None)
    if action != "created" and said:
        return f"agent session {_spoken(action)}: {said}" + (f" ({issue})" if issue else "")
    return f"agent session {_spoken(action)}: {where}" if where else None


def _words(kind: str, event_type: str, action: str, subject: Mapping[str, Any]) -> Iterator[Any]:
    yield event_type
    if kind in {"IssueSLA", "AppUserNotification"}:
        yield action
    if kind in {"IssueSLA", "AgentSessionEvent"}:  # its issue's priority is not how bad the event is
        yield kind
        return
    yield subject.get("health")
    priority = subject.get("priority")
    if isinstance(priority, int | float) and not isinstance(priority, bool):
        yield (_NEEDS if kind == "CustomerNeed" else _PRIORITIES).get(priority)
    yield subject.get("priorityLabel")


def _urls(payload: Mapping[str, Any], subject: Mapping[str, Any]) -> Iterator[Any]:
    yield payload.get("url")
    yield subject.get("url")
    for key in _ABOUT:
        yield at(subject, f"{key}.url")


_NATIVE = ("id", "identifier", "number", "priority", "priorityLabel", "health", "status", "type", "estimate", "dueDate")


def _native(payload: Mapping[str, Any], subject: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(scalars(subject, *_NATIVE)) if subject is not payload else {}
    for name, path in (("state", "state.name"), ("state_type", "state.type"), ("status", "status.name")):
        if text := line(at(subject, path), 200):
            found[name] = text
    if signal := line(at(payload, "agentActivity.signal"), 200):
        found["signal"] = signal
    changed = (line(key, 60) for key in islice(table(payload, "updatedFrom"), 20) if key != "updatedAt")
    if names := ", ".join(filter(None, changed)):
        found["changed"] = names
    return found


def _spoken(name: str) -> str:
    """`highRisk` as `high risk`."""
    return _HUMP.sub(" ", name[:200]).lower()


def _first_line(text: Any) -> str | None:
    return line(text[:4096].strip().partition("\n")[0]) if isinstance(text, str) else None


def _count(payload: Mapping[str, Any], key: str) -> int:
    return len(items(payload, key))
