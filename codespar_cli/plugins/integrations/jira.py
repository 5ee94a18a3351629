"""Jira: Cloud, Data Center, and servers too old to name the event.

Wire facts: developer.atlassian.com/cloud/jira/platform/webhooks and, for Data Center, confluence.atlassian.com,
"Managing webhooks". Atlassian documents one body, an issue's; of the rest only that it tells of its object. A webhook is
signed when an administrator gave it a secret, as `method=signature`: the method is pinned here to `sha256`, the only one
that Jira sends. The signed `timestamp` is when it happened, not when it was sent.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from codespar_cli.core.administration.webhooks import Wire
from codespar_cli.core.headers import Headers
from codespar_cli.core.hooks import IntegrationEvent, Severity
from codespar_cli.core.services import Services
from codespar_cli.errors import ConfigError
from codespar_cli.plugins.integrations.adf import plain_text
from codespar_cli.plugins.integrations.api import Api, asked
from codespar_cli.plugins.integrations.connector import Connector, Facts, compose
from codespar_cli.plugins.integrations.fields import at, first, items, line, scalars, seconds, table

SEVERITIES: dict[str, Severity] = {
    # names of priorities: Cloud's, Data Center's, and what administrators like to call theirs
    "highest": "critical",
    "blocker": "critical",
    "critical": "critical",
    "urgent": "critical",
    "p0": "critical",
    "p1": "critical",
    "sev0": "critical",
    "sev1": "critical",
    "high": "error",
    "major": "error",
    "p2": "error",
    "sev2": "error",
    "medium": "warning",
    "normal": "warning",
    "p3": "warning",
    "sev3": "warning",
    "low": "info",
    "lowest": "info",
    "minor": "info",
    "trivial": "info",
    "p4": "info",
    "p5": "info",
    "sev4": "info",
    "sev5": "info",
    "none": "info",
    "not set": "info",
    "undefined": "info",
    # any other name of a priority; what has no priority is info
    "unknown": "warning",
    # events that are about no issue
    "jira_expression.evaluation_failed": "warning",
    "app_access_to_objects.blocked": "warning",
    "app_access_to_objects_in_container.blocked": "warning",
}

# Resource -> the key of its object in the body.
_OBJECTS = {
    "issue": "issue",
    "comment": "comment",
    "worklog": "worklog",
    "attachment": "attachment",
    "issuelink": "issueLink",
    "issuetype": "issueType",
    "issue_property": "property",
    "project": "project",
    "version": "version",
    "filter": "filter",
    "user": "user",
    "option": "property",
    "sprint": "sprint",
    "board": "board",
    "jira_expression": "expression",
    "app_access_to_objects": "app",
    "app_access_to_objects_in_container": "app",
}
# Names of resources that have an underscore themselves, the longer before the shorter.
_LONG = ("app_access_to_objects_in_container", "app_access_to_objects", "issue_property", "jira_expression")
_EVENT_NAME = re.compile(r"(jira:)?[a-z][a-z0-9]*(_[a-z0-9]+){1,9}")
_KEY = re.compile(r"[A-Z][A-Z0-9_]{1,254}-[0-9]{1,12}")
_PROJECT_KEY = re.compile(r"[A-Z][A-Z0-9_]{1,254}")
# "P1 - Critical", "SEV-2": the number is what counts.
_NUMBERED = re.compile(r"(p|sev)[ -]?([0-5])\b", re.IGNORECASE)
_FLOW = "X-Atlassian-Webhook-Flow"
_NAMES = ("name", "filename", "displayName", "key", "id")
_PEOPLE = ("user", "comment.updateAuthor", "comment.author", "worklog.updateAuthor", "attachment.author")


class Jira(Connector):
    id = "jira"
    name = "Jira"
    severities = SEVERITIES
    wire = Wire(
        signature_header="X-Hub-Signature",
        signature_prefix="sha256=",
        delivery_header="X-Atlassian-Webhook-Identifier",
    )

    @classmethod
    def api_of(cls, options: Mapping[str, Any], services: Services) -> Api | None:
        if "token" in options and "api" not in options:
            raise ConfigError(
                "a `token` does not say which Jira to ask, expected `api` beside it",
                key="api",
                hint='api = "https://your-site.atlassian.net"',
            )
        return asked(
            options,
            services,
            provider="jira",
            default="",
            is_providers=_is_atlassians,
            path="/rest/api/2/myself",
            headers=lambda token: _credential(token, options.get("email")),
        )

    def event_type(self, payload: Mapping[str, Any], headers: Headers) -> str | None:
        name = payload.get("webhookEvent")
        if name is None:
            return _inferred(payload)
        if not isinstance(name, str) or len(name) > 100 or _EVENT_NAME.fullmatch(name) is None:
            return None
        bare = name.removeprefix("jira:")
        resource = next((long for long in _LONG if bare.startswith(long + "_")), None) or bare.partition("_")[0]
        if resource not in _OBJECTS and bare == name and not isinstance(payload.get("timestamp"), int):
            return None
        return compose(resource, bare[len(resource) + 1 :])

    def facts(self, event_type: str, payload: Mapping[str, Any]) -> Facts | None:
        resource, _, action = event_type.partition(".")
        subject = table(payload, _OBJECTS.get(resource, resource)) or table(payload, "configuration")
        if resource in {"issue", "comment"} and not subject:
            return None
        issue = table(payload, "issue")
        return Facts(
            titles=_titles(resource, action, payload, subject, issue),
            words=(event_type, payload.get("issue_event_type_name"), *_priority(issue)),
            urls=_urls(issue, payload),
            times=(
                *_times(payload),
                at(issue, "fields.updated"),
                *(subject.get(key) for key in ("updated", "created")),
            ),
            detail=_detail(resource, payload, subject, issue),
            external_id=first(issue, "key", "id") or first(subject, "id", "accountId", "key"),
            actor=_actor(resource, payload),
            project=_project(payload, issue),
            native=_native(payload, issue),
        )

    def _event(self, event_type: str, facts: Facts, delivery_id: str | None, headers: Headers) -> IntegrationEvent:
        # Secondary: what follows from something bigger, as the comments of a deleted issue.
        if flow := line(headers.get(_FLOW), 20):
            facts = facts._replace(native={**facts.native, "flow": flow})
        return super()._event(event_type, facts, delivery_id, headers)


def _credential(token: str, email: str | None) -> dict[str, str]:
    """An account's API token (Cloud) needs its `email`; a personal access token (Data Center) goes alone."""
    basic = b64encode(f"{email}:{token}".encode()).decode()
    return {"authorization": f"Basic {basic}" if email else f"Bearer {token}", "accept": "application/json"}


def _is_atlassians(host: str) -> bool:
    return host.lower().endswith(".atlassian.net") or host.lower() == "api.atlassian.com"


# ── which event ──


def _inferred(payload: Mapping[str, Any]) -> str | None:
    """Old servers say in `issue_event_type_name` what happened, or nothing at all."""
    issue, comment, name = table(payload, "issue"), table(payload, "comment"), payload.get("issue_event_type_name")
    is_issue = _key(issue) is not None and isinstance(issue.get("fields"), Mapping)
    if not is_issue:
        return f"comment.{_made(comment)}" if comment and _site(comment) else None
    if isinstance(name, str) and name in {"issue_created", "issue_deleted"}:
        return "issue." + name.removeprefix("issue_")
    # A comment's own event names its author and no `user`; an issue's update always has one.
    if comment and name is None and "changelog" not in payload and "user" not in payload:
        return f"comment.{_made(comment)}"
    told = name is not None or comment or "changelog" in payload
    return "issue.updated" if told else f"issue.{_made(table(issue, 'fields'))}"


def _made(thing: Mapping[str, Any]) -> str:
    return "created" if thing.get("created") == thing.get("updated") else "updated"


# ── what it says ──


def _titles(
    resource: str, action: str, payload: Mapping[str, Any], subject: Mapping[str, Any], issue: Mapping[str, Any]
) -> Iterator[str | None]:
    key, summary = _key(issue), line(at(issue, "fields.summary"))
    what = f"{resource} {action}".replace("_", " ")
    if resource == "issue":
        yield summary
        yield f"{what}: {key}" if key else None
    if resource in {"comment", "worklog", "attachment"}:
        where = " ".join(filter(None, (key, summary)))
        said = line(_first_line(plain_text(subject.get("body")))) or line(first(subject, "filename", "timeSpent"))
        verb = resource if action == "created" else what
        yield ": ".join(filter(None, (f"{verb} on {where}" if where else verb, said))) if where or said else None
    if resource == "issuelink":
        ends = [line(subject.get(name)) or "?" for name in ("sourceIssueId", "destinationIssueId")]
        kind = line(at(subject, "issueLinkType.name"))
        yield f"{what}: {ends[0]} {kind} {ends[1]}" if kind else None
    name = next((text for known in _NAMES if (text := line(subject.get(known)))), None) or key
    merged = line(at(payload, "mergedTo.name"))
    yield f"{what}: {name}" + (f", merged into {merged}" if merged else "") if name else None
    yield what


def _priority(issue: Mapping[str, Any]) -> Iterator[str]:
    name = line(at(issue, "fields.priority.name"), 200)
    if name is None:
        return
    yield name
    if numbered := _NUMBERED.match(name):
        yield numbered[1] + numbered[2]
    yield "unknown"


def _urls(issue: Mapping[str, Any], payload: Mapping[str, Any]) -> Iterator[str | None]:
    """A page for people: the body has links of the API only, and those are never taken."""
    site, key = _site(issue), _key(issue)
    yield f"{site}/browse/{key}" if site and key else None
    project = table(payload, "project")
    site, key = _site(project), project.get("key")
    is_key = isinstance(key, str) and _PROJECT_KEY.fullmatch(key)
    yield f"{site}/browse/{key}" if site and is_key else None
    yield at(payload, "filter.viewUrl")


def _site(thing: Mapping[str, Any]) -> str | None:
    """Where Jira is, context path and all: what stands before `/rest/` in the address of something in it."""
    address = thing.get("self")
    if not isinstance(address, str) or not address.startswith(("https://", "http://")):
        return None
    site, rest, _ = address[:2048].partition("/rest/")
    # An app's calls go through this host, and nobody can browse it.
    return site if rest and not site.startswith("https://api.atlassian.com/") else None


def _key(issue: Mapping[str, Any]) -> str | None:
    key = issue.get("key")
    return key if isinstance(key, str) and _KEY.fullmatch(key) else None


def _times(payload: Mapping[str, Any]) -> tuple[Any, ...]:
    stamp = payload.get("timestamp")
    return (seconds(stamp), stamp if isinstance(stamp, str) else None)


def _changes(payload: Mapping[str, Any]) -> Iterator[str]:
    """`status: Open -> Done`, a line for each changed field."""
    for change in items(payload, "changelog.items", 100):
        if name := line(at(change, "field"), 100):
            before, after = (line(at(change, key)) or "none" for key in ("fromString", "toString"))
            yield f"{name}: {before} -> {after}"


def _detail(
    resource: str, payload: Mapping[str, Any], subject: Mapping[str, Any], issue: Mapping[str, Any]
) -> str | None:
    said = plain_text(at(payload, "comment.body"))
    if resource == "issue":
        parts = [*_changes(payload), *([said] if said else [])]
        return "\n".join(parts) or plain_text(at(issue, "fields.description"))
    described = (plain_text(subject.get(key)) for key in ("comment", "description", "goal"))
    return said or next(filter(None, described), None) or "\n".join(_changes(payload))


def _actor(resource: str, payload: Mapping[str, Any]) -> str | None:
    # The user of a user's event is whom it happened to.
    people = (at(payload, path) for path in _PEOPLE) if resource != "user" else ()
    return next((name for who in people if (name := line(first(who, "displayName", "name", "key")))), None)


def _project(payload: Mapping[str, Any], issue: Mapping[str, Any]) -> Any:
    key = _key(issue)
    return first(payload, "issue.fields.project.key", "project.key") or (key.rpartition("-")[0] if key else None)


def _native(payload: Mapping[str, Any], issue: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(scalars(payload, "issue_event_type_name"))
    for name in ("priority", "status", "resolution", "issuetype"):
        if text := line(at(issue, f"fields.{name}.name"), 200):
            found[name] = text
    changed = (line(at(change, "field"), 60) for change in items(payload, "changelog.items", 20))
    if names := ", ".join(filter(None, changed)):
        found["changed"] = names
    return found


def _first_line(text: str | None) -> str | None:
    return text[:4096].strip().partition("\n")[0] if text else None
