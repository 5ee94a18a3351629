"""Every documented event of every provider, with as little in it as the event can have."""

import asyncio

import catalogue
import pytest

from codespar_cli.core.hooks import SEVERITIES
from codespar_cli.core.text import clean_line
from codespar_cli.plugins.integrations.datadog import Datadog
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.github_events import TOPICS
from codespar_cli.plugins.integrations.linear import TYPES, Linear
from codespar_cli.plugins.integrations.pagerduty import EVENTS, PagerDuty
from codespar_cli.plugins.integrations.sentry import Sentry

PAGE = "https://example.com/page"
GITHUB = {**catalogue.GITHUB, **catalogue.GITHUB_SERVER}


def handle(hook, payload, headers=None):
    event = asyncio.run(hook.handle_webhook(payload, headers or {}))
    assert event is not None
    assert event.severity in SEVERITIES
    assert event.title
    assert clean_line(event.title) == event.title
    assert len(event.title) <= 300
    return event


# ── GitHub: 79 events, 267 with their actions ──


def github_payload(event, action, **about):
    """A sender, a repository, and what the event's topic says it has."""
    payload = {"sender": {"login": "mona"}, "repository": {"full_name": "octo/pay", "html_url": PAGE + "/repo"}}
    topic = TOPICS[event]
    for path in topic.shape.split():
        within = payload
        *parents, key = path.split(".")
        for parent in parents:
            within = within.setdefault(parent, {})
        within.setdefault(key, {} if key != "ref" else "refs/heads/main")
    if topic.subject:
        payload[topic.subject] = {**(payload.get(topic.subject) or {}), "html_url": PAGE, **about}
    return {**payload, **({"action": action} if action else {})}


GITHUB_EVENTS = [(event, action) for event, actions in GITHUB.items() for action in actions.split() or [""]]


def test_the_catalogue_has_every_event_and_no_other():
    assert set(TOPICS) == set(GITHUB)
    assert len(GITHUB_EVENTS) == 267


@pytest.mark.parametrize(("event", "action"), GITHUB_EVENTS)
def test_github(event, action):
    told = handle(GitHub(), github_payload(event, action), {"X-GitHub-Event": event})
    name = f"{event}.{action}" if action else event
    assert told.event_type == name
    assert told.severity == catalogue.GITHUB_GRAVE.get(name, "info")
    assert told.url is None or told.url.startswith(PAGE)
    assert (told.url == PAGE) == bool(TOPICS[event].subject)
    assert told.actor == "mona"


@pytest.mark.parametrize(("event", "action"), GITHUB_EVENTS)
def test_github_without_a_page_has_no_url(event, action):
    payload = github_payload(event, action)
    payload["repository"].pop("html_url", None)
    payload.get(TOPICS[event].subject, {}).pop("html_url", None)
    assert handle(GitHub(), payload, {"X-GitHub-Event": event}).url is None


@pytest.mark.parametrize("event", ["check_run", "check_suite", "workflow_run", "workflow_job"])
@pytest.mark.parametrize(
    ("conclusion", "severity"),
    [
        ("failure", "error"), ("timed_out", "error"), ("startup_failure", "error"), ("action_required", "warning"),
        ("stale", "warning"), ("cancelled", "warning"), ("success", "info"), ("neutral", "info"), ("skipped", "info"),
        (None, "info"),
    ],
)  # fmt: skip
def test_githubs_conclusions(event, conclusion, severity):
    payload = github_payload(event, "completed", name="CI", status="completed", conclusion=conclusion, head_branch="a")
    told = handle(GitHub(), payload, {"X-GitHub-Event": event})
    assert told.severity == severity
    assert (conclusion or "completed").replace("_", " ") in told.title
    assert "_" not in told.title


# ── what tells one event from another of the same thing is in the title ──

TELLING = [
    ("check_suite", {"head_branch": None, "head_sha": "9f1c2e7a4d", "conclusion": "failure"}, "checks failure on 9f1c2e7"),
    ("check_suite", {"head_branch": "a", "app": {"name": "CI"}, "status": "queued"}, "CI checks queued on a"),
    ("check_run", {"name": "lint", "status": "queued", "check_suite": {"head_branch": "a"}}, "lint queued on a"),
    ("dependabot_alert", {"security_vulnerability": {"package": {"name": "lib"}}, "security_advisory": {"summary": "s"}},
     "lib: s"),
    ("dependabot_alert", {"security_advisory": {"summary": "s"}}, "s"),
    ("dependabot_alert", {"security_advisory": {"ghsa_id": "GHSA-1"}, "dependency": {"package": {"name": "lib"}}},
     "dependabot alert created: lib GHSA-1"),
    ("dependabot_alert", {"security_advisory": {"ghsa_id": "GHSA-1"}}, "dependabot alert created: GHSA-1"),
    ("commit_comment", {"commit_id": "9f1c2e7a4d", "body": "nice\nwork"}, "comment on 9f1c2e7: nice work"),
    ("release", {"name": "4.2"}, "release created: 4.2"),
    ("workflow_job", {"workflow_name": "CI", "name": "unit", "conclusion": "timed_out", "head_branch": "a"},
     "CI / unit timed out on a"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "about", "title"), TELLING)
def test_githubs_titles(event, about, title):
    assert handle(GitHub(), github_payload(event, "created", **about), {"X-GitHub-Event": event}).title == title


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({"created": True}, "tag v1 created"),
        ({"deleted": True}, "tag v1 deleted"),
        ({"forced": True}, "tag v1 moved"),
        ({"created": True, "head_commit": {"message": "Fix\n\nmore"}}, "tag v1 created: Fix"),
        ({"ref": "refs/heads/v1", "created": True}, "branch v1 created"),
        ({"ref": "refs/heads/v1", "deleted": True}, "branch v1 deleted"),
        ({"ref": "refs/heads/v1", "created": True, "commits": [{"message": "a"}]}, "1 commit pushed to v1"),
    ],
)
def test_githubs_pushes(change, title):
    payload = {**github_payload("push", ""), "ref": "refs/tags/v1", "commits": [], **change}
    assert handle(GitHub(), payload, {"X-GitHub-Event": "push"}).title == title


def test_a_deleted_branch_is_known_by_its_last_commit_and_not_by_zeros():
    payload = {**github_payload("push", ""), "before": "9f1c", "after": "0" * 40, "deleted": True}
    assert handle(GitHub(), payload, {"X-GitHub-Event": "push"}).external_id == "9f1c"


# ── Sentry ──


@pytest.mark.parametrize(
    ("resource", "action", "severity"),
    [(resource, action, how) for resource, actions in catalogue.SENTRY.items() for action, how in actions.items()],
)
def test_sentry(resource, action, severity):
    payload = {"action": action, "installation": {"uuid": "u"}, "data": catalogue.SENTRY_DATA[resource]}
    for headers in ({"Sentry-Hook-Resource": resource}, {}):
        told = handle(Sentry(), payload, headers)
        assert (told.event_type, told.severity, told.url) == (f"{resource}.{action}", severity, None)


# ── Linear ──


def test_linears_catalogue_is_whole():
    assert set(catalogue.LINEAR) == TYPES


@pytest.mark.parametrize(
    ("kind", "action", "severity"),
    [(kind, action, how) for kind, actions in catalogue.LINEAR.items() for action, how in actions.items()],
)
def test_linear(kind, action, severity):
    payload = {"type": kind, "action": action, "organizationId": "o", "oauthClientId": "c", "webhookTimestamp": 0}
    if kind not in catalogue.LINEAR_AT_THE_TOP:
        payload[catalogue.LINEAR_PLACE.get(kind, "data")] = {"id": "1"}
    told = handle(Linear(), payload)
    assert (told.event_type, told.severity, told.url) == (f"{kind.lower()}.{action}", severity, None)
    assert handle(Linear(), {**payload, "url": PAGE}).url == PAGE


# ── PagerDuty ──


@pytest.mark.parametrize("event_type", sorted(EVENTS))
def test_pagerduty(event_type):
    resource = event_type.partition(".")[0]
    told = handle(PagerDuty(), pagerduty_payload(event_type, id="P1", type=resource, summary="it"))
    assert (told.event_type, told.url) == (event_type, PAGE)
    assert told.severity == "info"
    assert "it" in told.title


@pytest.mark.parametrize("event_type", sorted(event for event in EVENTS if event.startswith("incident.")))
@pytest.mark.parametrize("urgency", ["high", "low"])
def test_pagerdutys_urgency(event_type, urgency):
    expected = {"high": "error", "low": "warning"}[urgency]
    told = handle(PagerDuty(), pagerduty_payload(event_type, id="P1", type="incident", title="it", urgency=urgency))
    assert (told.severity, told.title) == ("info" if event_type == "incident.resolved" else expected, "it")


def pagerduty_payload(event_type, **data):
    resource = event_type.partition(".")[0]
    event = {"id": "01", "event_type": event_type, "resource_type": resource, "occurred_at": "2026-11-20T14:00:00Z"}
    return {"event": {**event, "data": {"html_url": PAGE, **data}}}


INCIDENT = {"id": "Q1", "type": "incident_reference", "summary": "Checkout is down", "html_url": PAGE}


@pytest.mark.parametrize(
    ("event_type", "data", "title"),
    [
        ("incident.annotated", {"content": "rolled back\nwatching", "type": "incident_note"},
         "note on Checkout is down: rolled back watching"),
        ("incident.status_update_published", {"message": "a fix is on its way"},
         "status update on Checkout is down: a fix is on its way"),
        ("incident.responder.added", {"user": {"summary": "Maeve"}, "state": "pending", "message": "please"},
         "responder added on Checkout is down: Maeve: pending"),
        ("incident.responder.added", {"user": None, "escalation_policy": {"summary": "Night"}, "state": "pending"},
         "responder added on Checkout is down: Night: pending"),
        ("incident.responder.replied", {"user": {"summary": "Maeve"}, "state": "declined"},
         "responder replied on Checkout is down: Maeve: declined"),
        ("incident.workflow.completed", {"summary": "", "incident_workflow": {"summary": "Major"}},
         "workflow completed on Checkout is down: Major"),
        ("incident.conference_bridge.updated", {"conference_url": None}, "conference bridge updated on Checkout is down"),
        ("incident.annotated", {"content": "x" * 500}, "note on Checkout is down: " + "x" * 129 + "…"),
    ],
)  # fmt: skip
def test_what_happens_to_an_incident_is_in_the_title(event_type, data, title):
    told = handle(PagerDuty(), pagerduty_payload(event_type, html_url=None, incident=INCIDENT, **data))
    assert (told.title, told.url, told.external_id) == (title, PAGE, "Q1")


# ── Datadog ──


@pytest.mark.parametrize("transition", catalogue.DATADOG)
@pytest.mark.parametrize("kind", [None, *catalogue.DATADOG_TYPES])
@pytest.mark.parametrize("priority", [None, *catalogue.DATADOG_PRIORITIES])
def test_datadog(transition, kind, priority):
    event_type, alone = catalogue.DATADOG[transition]
    payload = {"title": "slow", "alert_transition": transition, "alert_type": kind, "alert_priority": priority}
    told = handle(Datadog(), payload)
    graver = catalogue.DATADOG_PRIORITIES.get(priority) or catalogue.DATADOG_TYPES.get(kind) or alone
    over = transition == "Recovered" or kind == "success"
    assert (told.event_type, told.severity, told.url) == (event_type, "info" if over else graver, None)


@pytest.mark.parametrize("transition", catalogue.DATADOG)
def test_datadogs_default_payload_says_the_transition_in_its_title(transition):
    payload = {"id": "1", "last_updated": "1795183744000", "event_type": "query_alert_monitor", "date": "1795183743000",
               "title": f"[{transition} on {{host:a}}] slow", "body": "%%%\nslow\n%%%", "org": {"id": "1", "name": "o"}}  # fmt: skip
    told = handle(Datadog(), payload)
    assert (told.event_type, told.severity) == catalogue.DATADOG[transition]
    assert (told.detail, told.delivery_id, told.project) == ("slow", "1", "o")


def test_a_template_may_keep_its_words_under_labels_and_annotations():
    payload = {
        "alert_name": "slow", "status": "Triggered", "fire_time": "1795183743000",
        "labels": {"tags": "service:pay,env:prod"}, "annotations": {"text_only_msg": "it is", "alert_priority": "P2"},
    }  # fmt: skip
    told = handle(Datadog(), payload)
    assert (told.event_type, told.severity, told.title) == ("alert.triggered", "error", "slow")
    assert (told.detail, told.project, told.occurred_at.year) == ("it is", "pay", 2026)
