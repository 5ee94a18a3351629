"""GitHub: github.com, Enterprise Cloud and Enterprise Server.

Wire facts: docs.github.com, "Webhook events and payloads" and "Validating webhook deliveries". The event's name is in a
header and never in the body, so a payload without its headers is told by its shape. Deliveries are not repeated by
GitHub itself, and nothing it signs says when a delivery was sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from codespar_cli.core.administration.webhooks import Wire
from codespar_cli.core.headers import Headers
from codespar_cli.core.hooks import Severity
from codespar_cli.core.services import Services
from codespar_cli.plugins.integrations.api import Api, asked
from codespar_cli.plugins.integrations.connector import Connector, Facts, compose
from codespar_cli.plugins.integrations.fields import at, first, items, line, scalars, table
from codespar_cli.plugins.integrations.github_events import TOPICS, Topic, has_shape, inferred

SEVERITIES: dict[str, Severity] = {
    # conclusion of check_run, check_suite, workflow_run, workflow_job; state of status and deployment_status
    "failure": "error",
    "timed_out": "error",
    "startup_failure": "error",
    "error": "error",
    "errored": "error",
    "action_required": "warning",
    "stale": "warning",
    "cancelled": "warning",
    "success": "info",
    "neutral": "info",
    "skipped": "info",
    # what puts an alert or an advisory to rest; asked before its severity
    "fixed": "info",
    "dismissed": "info",
    "auto_dismissed": "info",
    "resolved": "info",
    "resolve": "info",
    "dismiss": "info",
    "closed_by_user": "info",
    "withdrawn": "info",
    # severity of alerts and advisories
    "critical": "critical",
    "high": "error",
    "medium": "warning",
    "moderate": "warning",
    "warning": "warning",
    "low": "info",
    "note": "info",
    "none": "info",
    # validity of a leaked secret: it still opens something
    "validity.active": "critical",
    # events that carry no word of their own
    "secret_scanning_alert.created": "critical",
    "secret_scanning_alert.reopened": "critical",
    "secret_scanning_alert.publicly_leaked": "critical",
    "secret_scanning_alert_location.created": "critical",
    "branch_protection_configuration.disabled": "warning",
}


_NAMES = (
    "title",
    "display_title",
    "full_name",
    "name",
    "summary",
    "tag_name",
    "login",
    "property_name",
    "head_ref",
    "token_name",
    "account.login",
    "sponsor.login",
)
_DETAILS = (
    "body",
    "output.summary",
    "description",
    "security_advisory.description",
    "rule.full_description",
    "most_recent_instance.message.text",
    "error.message",
    "external_reference",
)
_TIMES = ("updated_at", "completed_at", "submitted_at", "published_at", "starred_at", "started_at", "created_at")
_NATIVE = (
    "conclusion",
    "status",
    "state",
    "severity",
    "validity",
    "environment",
    "number",
    "run_number",
    "run_attempt",
)
_FILES = ("comment.path", "alert.most_recent_instance.location.path", "alert.dependency.manifest_path")
# A push's newest commit; of what was deleted, the last there was: then `after` is nothing but zeros.
_COMMITS = (("after",), ("before",))
_EVENT = "X-GitHub-Event"
_PLACEHOLDER = re.compile(r"\{([a-z0-9_.|]+)\}")


class GitHub(Connector):
    id = "github"
    name = "GitHub"
    severities = SEVERITIES
    wire = Wire(
        signature_header="X-Hub-Signature-256",
        signature_prefix="sha256=",
        event_header=_EVENT,
        delivery_header="X-GitHub-Delivery",
        max_body=25 << 20,
        content_types=("application/json", "application/x-www-form-urlencoded"),
    )

    @classmethod
    def api_of(cls, options: Mapping[str, Any], services: Services) -> Api | None:
        return asked(
            options,
            services,
            provider=cls.id,
            default="https://api.github.com",
            is_providers=lambda host: host == "api.github.com" or host.endswith(".ghe.com"),
            # Where no rate is limited (Enterprise Server's default) there is no `/rate_limit` to ask.
            path="/meta" if "api" in options else "/rate_limit",
            headers=lambda token: {"authorization": f"Bearer {token}", "accept": "application/vnd.github+json"},
        )

    def event_type(self, payload: Mapping[str, Any], headers: Headers) -> str | None:
        event = headers.get(_EVENT)
        if event is None:
            event = inferred(payload) if _is_githubs(payload) else None
        return compose(event, payload.get("action"))

    def facts(self, event_type: str, payload: Mapping[str, Any]) -> Facts | None:
        event = event_type.partition(".")[0]
        topic = TOPICS.get(event, Topic())
        subject = at(payload, topic.subject) if topic.subject else payload.get(event, {})
        if not isinstance(subject, Mapping) or not _belongs(event, topic, payload):
            return None
        # An event that is about no object says how it went at the top.
        stated = payload if topic.shape and not topic.subject else subject
        return Facts(
            titles=_titles(event, topic, payload, subject),
            words=_words(event_type, stated),
            urls=_urls(payload, subject),
            times=(*(subject.get(key) for key in _TIMES), *_payload_times(payload)),
            detail=_commit_messages(payload)
            if event == "push"
            else first(subject, *_DETAILS) or payload.get("description"),
            external_id=first(subject, "ghsa_id", "id", "number")
            or first(payload, "id", *_COMMITS[payload.get("deleted") is True], "sha", "ref", "workflow_run.id"),
            actor=first(payload, "sender.login", "pusher.name"),
            project=first(payload, "repository.full_name", "organization.login", "enterprise.slug"),
            files=chain(_pushed_files(payload), (at(payload, path) for path in _FILES), _located(payload)),
            native=_native(stated),
        )


# ── is it GitHub's ──


def _is_githubs(payload: Mapping[str, Any]) -> bool:
    """Every delivery names who sent it, or at least where; advisories and an app's ping name neither."""
    named = first(payload, "sender.login", "repository.full_name", "organization.login", "enterprise.slug")
    return isinstance(named or first(payload, "security_advisory.ghsa_id", "installation.account.login", "zen"), str)


def _belongs(event: str, topic: Topic, payload: Mapping[str, Any]) -> bool:
    """With the header there, the body must still be one of that event."""
    if topic.subject:
        return True
    return has_shape(payload, topic.shape) if topic.shape else _is_githubs(payload)


# ── what it says ──


def _titles(event: str, topic: Topic, payload: Mapping[str, Any], subject: Mapping[str, Any]) -> Iterator[str | None]:
    if event == "push":
        yield _push_title(payload)
    for template in topic.titles:
        yield _filled(template, payload, subject)
    name = line(first(subject, *_NAMES))
    what = " ".join(filter(None, (event.replace("_", " "), (line(payload.get("action"), 100) or "").replace("_", " "))))
    where = line(first(payload, "repository.full_name", "organization.login", "sender.login"))
    # An issue's title says it all; a label's or a team's needs the event beside it.
    yield name if name and "title" in subject and event not in {"deploy_key", "milestone"} else None
    yield name if event in {"security_advisory", "repository_advisory"} else None
    yield f"{what}: {name or where}" if name or where else what


def _filled(template: str, payload: Mapping[str, Any], subject: Mapping[str, Any]) -> str | None:
    """The template with its `{paths}` filled, `s` standing for the subject; None when one of them leads nowhere."""
    found: dict[str, str] = {}
    for alternatives in _PLACEHOLDER.findall(template):
        values = (_spoken(path, payload, subject) for path in alternatives.split("|"))
        value = next(filter(None, values), None)
        if value is None:
            return None
        found[alternatives] = value
    return _PLACEHOLDER.sub(lambda match: found[match[1]], template)


def _spoken(path: str, payload: Mapping[str, Any], subject: Mapping[str, Any]) -> str | None:
    """What lies there as a title says it: `timed out`, a branch's bare name, the start of a commit's hash."""
    text = line(at(subject, path[2:]) if path.startswith("s.") else at(payload, path))
    match path.rpartition(".")[2]:
        case "action" | "conclusion" | "status" | "state":
            return text and text.replace("_", " ")
        case "ref" | "head_ref" | "head_branch":
            return text and _bare(text)
        case "head_sha" | "commit_id":
            return text and text[:7]
    return text


def _bare(ref: str) -> str:
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def _push_title(payload: Mapping[str, Any]) -> str | None:
    ref, count = line(payload.get("ref")), len(items(payload, "commits"))
    if ref is None:
        return None
    is_tag = ref.startswith("refs/tags/")
    place = f"{'tag' if is_tag else 'branch'} {_bare(ref)}"
    if payload.get("deleted") is True:
        return f"{place} deleted"
    head = line(_subject_line(at(payload, "head_commit.message")))
    about = f": {head}" if head else ""
    if payload.get("created") is True and (is_tag or count == 0):
        return f"{place} created" + about
    if is_tag:
        return f"{place} moved" + about
    forced = "force-pushed" if payload.get("forced") is True else "pushed"
    return f"{count} commit{'' if count == 1 else 's'} {forced} to {_bare(ref)}" + about


def _words(event_type: str, subject: Mapping[str, Any]) -> tuple[Any, ...]:
    """GitHub's own words for how bad it is; that an alert was closed comes before how bad the alert is."""
    event, _, action = event_type.partition(".")
    closing = action if event.endswith(("_alert", "_advisory")) else None
    return (
        event_type,
        closing,
        subject.get("state"),
        *_levels(subject),
        f"validity.{line(subject.get('validity'), 20)}",
        subject.get("conclusion"),
        subject.get("status"),
    )


def _levels(subject: Mapping[str, Any]) -> Iterator[Any]:
    for path in ("rule.security_severity_level", "rule.severity", "security_vulnerability.severity"):
        yield at(subject, path)
    yield first(subject, "security_advisory.severity", "severity")


def _native(subject: Mapping[str, Any]) -> dict[str, Any]:
    level = next((word for word in map(line, _levels(subject)) if word), None)
    return {**dict(scalars(subject, *_NATIVE)), **({"severity": level} if level else {})}


def _urls(payload: Mapping[str, Any], subject: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        subject.get("html_url"),
        at(subject, "_links.html.href"),
        *(subject.get(key) for key in ("log_url", "target_url", "details_url", "environment_url")),
        payload.get("compare"),
        payload.get("target_url"),
        *(
            at(payload, f"{key}.html_url")
            for key in ("pages.0", "issue", "pull_request", "discussion", "commit", "workflow_run")
        ),
        at(payload, "repository.html_url"),
    )


def _payload_times(payload: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        *(payload.get(key) for key in _TIMES),
        at(payload, "head_commit.timestamp"),
        at(payload, "repository.pushed_at"),
    )


def _commit_messages(payload: Mapping[str, Any]) -> str:
    subjects = (_subject_line(at(commit, "message")) for commit in items(payload, "commits", 100))
    return "\n".join(filter(None, subjects))


def _subject_line(message: Any) -> str | None:
    """A commit's first line; its body is for whoever opens the commit."""
    return message[:4096].strip().partition("\n")[0] if isinstance(message, str) else None


def _pushed_files(payload: Mapping[str, Any]) -> Iterator[Any]:
    for commit in items(payload, "commits", 2048):
        for change in ("added", "modified", "removed"):
            yield from items(commit, change)


def _located(payload: Mapping[str, Any]) -> Iterator[Any]:
    yield table(payload, "location.details").get("path")
