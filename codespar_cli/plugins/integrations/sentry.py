"""Sentry: the Integration Platform's signed webhooks, and the body of the unsigned WebHooks plugin before it.

Wire facts: docs.sentry.io, "Integration Platform: Webhooks" and the page of each resource. The resource is in a header
and not in the body, so a payload without its headers is told by its shape. The signature covers the body alone, neither
the timestamp nor the request's id; Sentry waits one second for the answer and documents no retry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from codespar_cli.core.administration.webhooks import Wire
from codespar_cli.core.headers import Headers
from codespar_cli.core.hooks import Severity
from codespar_cli.core.services import Services
from codespar_cli.plugins.integrations.api import Api, asked
from codespar_cli.plugins.integrations.connector import Connector, Facts, compose
from codespar_cli.plugins.integrations.fields import at, first, items, last, line, scalars, table

SEVERITIES: dict[str, Severity] = {
    # actions that put an issue or an alert to rest; asked before its level
    "resolved": "info",
    "ignored": "info",
    "archived": "info",
    # actions of metric_alert
    "critical": "critical",
    "metric_alert.open": "warning",
    # level of events and issues
    "fatal": "critical",
    "error": "error",
    "warning": "warning",
    "info": "info",
    "debug": "info",
    "sample": "info",
    # state of preprod_artifact
    "failed": "error",
    # no level at all: Sentry's own default is error
    "issue": "error",
    "event_alert": "error",
    "metric_alert": "warning",
}

# Which key of `data` tells the resource when its header is gone, the narrower before the wider.
_SHAPES = (
    ("activity_alert", "issue activity"),
    ("issue", "issue"),
    ("error", "error"),
    ("event_alert", "event"),
    ("metric_alert", "metric_alert"),
    ("comment", "comment_id"),
    ("seer", "run_id group_id"),
    ("preprod_artifact", "buildId"),
    ("installation", "installation"),
)
_SUBJECTS = ("event", "error", "issue", "metric_alert")
_LEGACY = "event_alert.triggered"
_RESOURCE = "Sentry-Hook-Resource"
_PROJECT_IN_API_URL = re.compile(r"/projects/[^/]+/([A-Za-z0-9._-]{1,100})/")


class Sentry(Connector):
    id = "sentry"
    name = "Sentry"
    severities = SEVERITIES
    wire = Wire(
        signature_header="Sentry-Hook-Signature",
        event_header=_RESOURCE,
        delivery_header="Request-ID",
        time_header="Sentry-Hook-Timestamp",
    )

    @classmethod
    def api_of(cls, options: Mapping[str, Any], services: Services) -> Api | None:
        return asked(
            options,
            services,
            provider=cls.id,
            default="https://sentry.io",
            is_providers=lambda host: host == "sentry.io" or host.endswith(".sentry.io"),
            path="/api/0/",
            headers=lambda token: {"authorization": f"Bearer {token}"},
        )

    def event_type(self, payload: Mapping[str, Any], headers: Headers) -> str | None:
        data = payload.get("data")
        if not isinstance(data, Mapping):
            return _LEGACY if _is_legacy(payload) else None
        resource = headers.get(_RESOURCE)
        if resource is None and _is_sentrys(payload):
            shapes = ((name, shape.split()) for name, shape in _SHAPES)
            resource = next((name for name, keys in shapes if all(key in data for key in keys)), None)
        return compose(resource, payload.get("action"))

    def facts(self, event_type: str, payload: Mapping[str, Any]) -> Facts | None:
        resource, _, action = event_type.partition(".")
        if not isinstance(data := payload.get("data"), Mapping):
            return _legacy_facts(payload)
        keys = next((shape.split() for name, shape in _SHAPES if name == resource), None)
        if not _is_sentrys(payload) or (keys and not all(key in data for key in keys)):
            return None
        # What it is about: an issue, one event of it, or an incident.
        about = first(data, *_SUBJECTS)
        about = about if isinstance(about, Mapping) else {}
        if not about and resource in {"issue", "error", "event_alert", "metric_alert", "activity_alert"}:
            return None
        return Facts(
            titles=_titles(resource, action, data, about),
            words=(event_type, action, about.get("level"), data.get("state"), resource),
            urls=_urls(data, about),
            times=_times(data, about, closed=action == "resolved"),
            detail=_detail(data, about),
            external_id=_external_id(data, about),
            actor=first(payload, "actor.name", "actor.id"),
            project=_project(data, about),
            files=_files(data, about),
            stack_trace=_stack_trace(about),
            native=_native(data, about),
        )


# ── is it Sentry's ──


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value)


def _is_sentrys(payload: Mapping[str, Any]) -> bool:
    """Every signed delivery has an action and says which installation it is for."""
    return isinstance(payload.get("action"), str) and isinstance(at(payload, "installation.uuid"), str)


def _is_legacy(payload: Mapping[str, Any]) -> bool:
    """The plugin's body has no envelope: an issue's facts beside one event."""
    named = first(payload, "message", "culprit", "url")
    return _is_object(payload.get("event")) and "project" in payload and "level" in payload and isinstance(named, str)


# ── what it says ──


def _titles(resource: str, action: str, data: Mapping[str, Any], about: Mapping[str, Any]) -> Iterator[Any]:
    verb, app = action.replace("_", " "), line(at(data, "appInfo.name"))
    match resource:
        case "metric_alert":  # its own `title` is a random name given to the incident
            yield data.get("description_title")
            yield at(about, "alert_rule.name")
        case "comment":
            text = line(data.get("comment"))
            yield f"comment {verb} on issue {line(data.get('issue_id')) or '?'}" + (f": {text}" if text else "")
        case "seer":
            yield f"{verb} for issue {line(data.get('group_id')) or '?'}"
        case "installation":
            yield f"installation {verb}: {line(at(data, 'installation.organization.slug')) or 'an organization'}"
        case "preprod_artifact":
            # "completed" only says that it is over
            done = verb.removesuffix(" completed") + " failed" if data.get("state") == "FAILED" else verb
            yield f"{app or 'build'} {line(at(data, 'appInfo.version')) or ''}: {done}"
    yield about.get("title")
    yield _named_exception(table(about, "metadata"))
    for path in ("message", "culprit", "shortId"):
        yield about.get(path)
    yield f"{resource.replace('_', ' ')} {verb}"


def _named_exception(metadata: Mapping[str, Any]) -> str | None:
    kind, value = line(metadata.get("type")), line(metadata.get("value"))
    return f"{kind}: {value}" if kind and value else kind or value


def _urls(data: Mapping[str, Any], about: Mapping[str, Any]) -> tuple[Any, ...]:
    """Links for people. `url`, `issue_url` and `project_url` are links of the API and never taken."""
    paths = ("web_url", "alert.web_url", "issue.web_url", "issue.permalink", "pull_requests.0.pull_request.pr_url")
    return (about.get("web_url"), about.get("permalink"), *(at(data, path) for path in paths))


def _times(data: Mapping[str, Any], about: Mapping[str, Any], *, closed: bool) -> tuple[Any, ...]:
    ended = (about.get("date_closed"),) if closed else ()
    keys = ("datetime", "timestamp", "lastSeen", "firstSeen", "date_detected", "date_started", "received")
    return (*ended, *(about.get(key) for key in keys), data.get("timestamp"))


def _detail(data: Mapping[str, Any], about: Mapping[str, Any]) -> Any:
    paths = (
        "description_text",
        "comment",
        "root_cause.description",
        "solution.description",
        "changes.0.description",
        "errorMessage",
        "activity.details.summary",
    )
    return first(data, *paths) or first(about, "message", "metadata.value", "culprit") or data.get("triggered_rule")


def _external_id(data: Mapping[str, Any], about: Mapping[str, Any]) -> Any:
    """The issue's id wherever there is one, so that an alert and the resolution of its issue can be told to belong."""
    paths = ("issue.id", "event.issue_id", "error.issue_id", "issue_id", "group_id", "buildId", "installation.uuid")
    return first(data, *paths) or first(about, "id", "event_id")


def _project(data: Mapping[str, Any], about: Mapping[str, Any]) -> Any:
    named = first(about, "project.slug", "project.name", "projects.0") or first(data, "project_slug", "projectSlug")
    if named is None and isinstance(url := about.get("url"), str):
        match = _PROJECT_IN_API_URL.search(url[:2048])
        named = match[1] if match else None
    return named or first(about, "project", "project_slug", "project_name")


def _native(data: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(scalars(about, "level", "status", "substatus", "priority", "platform", "environment", "shortId"))
    found.update(scalars(data, "state", "errorCode", "triggered_rule", "run_id"))
    found.update(("assignee", name) for _, name in scalars(table(data, "assignee"), "name"))
    found.update(("activity", kind) for _, kind in scalars(table(data, "activity"), "type"))
    return found


def _legacy_facts(payload: Mapping[str, Any]) -> Facts:
    event = table(payload, "event")
    level = first(payload, "level") or event.get("level")
    return Facts(
        titles=(
            event.get("title"),
            _named_exception(table(event, "metadata")),
            payload.get("message"),
            payload.get("culprit"),
        ),
        words=(_LEGACY, level, "event_alert"),
        urls=(payload.get("url"), event.get("web_url")),
        times=(event.get("datetime"), event.get("timestamp"), event.get("received")),
        detail=first(payload, "message", "culprit"),
        external_id=first(payload, "id") or event.get("event_id"),
        project=first(payload, "project_slug", "project", "project_name"),
        files=_files({}, event),
        stack_trace=_stack_trace(event),
        native={**dict(scalars(payload, "level", "logger", "culprit")), "legacy": True},
    )


# ── where it happened ──

_MAX_EXCEPTIONS, _MAX_FRAMES, _MAX_THREADS = 8, 60, 200


def _exceptions(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The chain as the SDK recorded it, the one that was raised last at the end."""
    interface = event.get("sentry.interfaces.Exception")  # what stores before version 10 called it
    places = ((event, "exception.values"), (event, "exception"), (interface, "values"))
    values = next(filter(None, (last(within, path, _MAX_EXCEPTIONS) for within, path in places)), [])
    return [value for value in values if isinstance(value, Mapping)] or _threads(event)


def _threads(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Where a message was sent from, or the thread that crashed: frames without an exception (develop.sentry.dev,
    "Stack Trace Interface" and "Threads Interface")."""
    threads = [event, *items(event, "threads.values", _MAX_THREADS)]
    traced = [thread for thread in threads if last(thread, "stacktrace.frames", 1)]
    marked = (thread for mark in ("crashed", "current") for thread in traced if at(thread, mark) is True)
    found = next(marked, traced[0]) if traced else {}
    return [{"stacktrace": found["stacktrace"]}] if found else []


def _frames(exception: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [frame for frame in last(exception, "stacktrace.frames", _MAX_FRAMES) if isinstance(frame, Mapping)]


def _stack_trace(event: Mapping[str, Any]) -> str | None:
    """Oldest frame first, as Sentry sends them and Python prints them."""
    found: list[str] = []
    for exception in _exceptions(event):
        for frame in _frames(exception):
            where = _part(first(frame, "filename", "abs_path", "module")) or "?"
            found.append(f"at {where}:{line(frame.get('lineno')) or '?'} in {_part(frame.get('function')) or '?'}")
            if text := _part(frame.get("context_line")):
                found.append(f"    {text}")
        if text := _named_exception(exception):
            found.append(text)
    return "\n".join(found) or None


def _part(text: Any) -> str | None:
    """Of a frame's text, of which there may be a thousand, no more than is told is looked at."""
    return line(text[:256]) if isinstance(text, str) else line(text)


def _files(data: Mapping[str, Any], about: Mapping[str, Any]) -> Iterator[Any]:
    """Files of the application's own frames, innermost first; all frames when none is marked as its own."""
    frames = [frame for exception in reversed(_exceptions(about)) for frame in reversed(_frames(exception))]
    own = [frame for frame in frames if frame.get("in_app") is True]
    for frame in own or frames:
        yield first(frame, "filename", "abs_path")
    for step in items(data, "root_cause.steps"):
        path = at(step, "relevant_code_file.file_path")
        yield None if path == "N/A" else path
    if not frames:
        yield at(about, "metadata.filename")
