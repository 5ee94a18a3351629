import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import deliveries
import pytest
from any_json import JSON, altered, is_event_or_none
from hypothesis import example, given
from hypothesis import strategies as st
from provider_server import provider

from codespar_cli.core.headers import Headers
from codespar_cli.core.services import Services
from codespar_cli.errors import ConfigError
from codespar_cli.plugins.integrations import OPTIONS
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.jira import Jira
from codespar_cli.plugins.integrations.linear import TYPES, Linear
from codespar_cli.plugins.integrations.sentry import Sentry
from codespar_cli.testing import IntegrationContract
from codespar_cli.webhooks.authenticity import refusal, staleness

NAMES = deliveries.payload_names("linear")
EXPECTED = deliveries.expected("linear")


def handle(payload, headers=None, **options):
    return asyncio.run(Linear(**options).handle_webhook(payload, headers or {}))


def issue(**data):
    payload = deliveries.payload("linear", "Issue__create")
    payload["data"].update(data)
    return payload


class TestLinearContract(IntegrationContract):
    def make(self, tmp_path):
        return Linear.from_options({}, Services(state_dir=tmp_path))

    def samples(self):
        names = ("Issue__update_state", "IssueSLA__breached", "AgentSessionEvent__prompted", "Reaction__create",
                 "PermissionChange__teamAccessChanged", "ProjectUpdate__at_risk")  # fmt: skip
        return [(deliveries.payload("linear", name), deliveries.headers("linear", name)) for name in names]


@pytest.mark.parametrize("name", NAMES)
def test_each_event_becomes_what_is_expected(name):
    event = handle(deliveries.payload("linear", name), deliveries.headers("linear", name))
    assert deliveries.as_told(event) == EXPECTED[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_body_says_the_event_without_headers(name):
    payload = deliveries.payload("linear", name)
    assert handle(payload) == handle(payload, deliveries.headers("linear", name))


@pytest.mark.parametrize("name", NAMES)
def test_the_event_is_the_type_in_lower_case_and_the_action_as_it_is_written(name):
    payload = deliveries.payload("linear", name)
    assert handle(payload).event_type == f"{payload['type'].lower()}.{payload['action']}"


def test_every_type_has_a_fixture():
    assert {name.partition("__")[0] for name in NAMES} == TYPES


@pytest.mark.parametrize("name", NAMES)
def test_linears_payloads_are_nobody_elses(name):
    for other in (GitHub, Sentry, Jira):
        assert asyncio.run(other().handle_webhook(deliveries.payload("linear", name), {})) is None


@pytest.mark.parametrize("other", ["github", "sentry", "jira"])
def test_nobody_elses_payloads_are_linears(other):
    assert [name for name in deliveries.payload_names(other) if handle(deliveries.payload(other, name))] == []


# ── severity ──


@pytest.mark.parametrize(
    ("priority", "label", "severity"),
    [
        (1, "Urgent", "critical"),
        (2, "High", "error"),
        (3, "Medium", "warning"),
        (4, "Low", "info"),
        (0, "No priority", "info"),
        (1.0, None, "critical"),
        (None, "High", "error"),
        (True, None, "info"),  # true is no priority, though Python calls it 1
        (99, "Whatever", "info"),
        ("1", None, "info"),
        ([], {}, "info"),
    ],
)
def test_priorities(priority, label, severity):
    assert handle(issue(priority=priority, priorityLabel=label)).severity == severity


@pytest.mark.parametrize(("action", "severity"), [("breached", "error"), ("highRisk", "warning"), ("set", "info")])
@pytest.mark.parametrize("priority", [0, 1, 4])
def test_a_service_levels_severity_is_not_its_issues(action, severity, priority):
    payload = deliveries.payload("linear", "IssueSLA__set")
    payload["action"] = action
    payload["issueData"]["priority"] = priority
    assert handle(payload).severity == severity


def test_words_and_whole_events_can_be_overridden():
    assert handle(issue(priority=1), severity={"Urgent": "warning"}).severity == "warning"
    assert handle(issue(priority=1), severity={"issue.create": "info"}).severity == "info"
    off_track = deliveries.payload("linear", "ProjectUpdate__off_track")
    assert handle(off_track, severity={"offTrack": "critical"}).severity == "critical"


# ── title, url, who ──


def test_the_top_level_url_comes_before_the_objects_own():
    payload = issue()
    payload["url"] = "https://linear.app/first"
    assert handle(payload).url == "https://linear.app/first"
    payload["url"] = "javascript:alert(1)"
    assert handle(payload).url == payload["data"]["url"]
    del payload["data"]["url"]
    assert handle(payload).url is None


def test_what_was_removed_may_be_an_id_and_nothing_more():
    payload = {"action": "remove", "type": "Issue", "data": {"id": "3443a709"}}
    event = handle(payload)
    assert (event.event_type, event.title, event.external_id) == ("issue.remove", "issue remove", "3443a709")


def test_the_body_is_signed_and_the_header_is_not():
    assert handle(issue(), {"linear-event": "Project"}).event_type == "issue.create"
    payload = issue()
    del payload["type"]
    assert handle(payload, {"linear-event": "Issue"}).event_type == "issue.create"
    assert handle(payload) is None


def test_a_type_nobody_has_heard_of_is_an_event_of_an_organization():
    payload = {"action": "create", "type": "Widget", "data": {"id": "7", "name": "w"}}
    assert handle(payload) is None
    event = handle({**payload, "organizationId": "o"})
    assert (event.event_type, event.severity, event.title) == ("widget.create", "info", "widget create: w")


def test_the_prompts_context_is_detail_and_nothing_else():
    event = handle(deliveries.payload("linear", "AgentSessionEvent__created"))
    assert "ignore all previous instructions" in event.detail
    assert "ignore" not in event.title + json.dumps(event.native)


@pytest.mark.parametrize("data", [None, [], {}, "x", 3, True])
@pytest.mark.parametrize("kind", ["Issue", "IssueSLA", "AgentSessionEvent", "AppUserNotification"])
def test_a_body_without_what_it_is_about_is_nothing(kind, data):
    keys = ("data", "issueData", "agentSession", "notification")
    payload = {"action": "create", "type": kind, "organizationId": "o", **dict.fromkeys(keys, data)}
    assert handle(payload, {"Linear-Event": kind}) is None


# ── delivery and time ──


def test_the_subscriptions_id_is_never_the_deliverys():
    payload = issue()
    assert handle(payload).delivery_id is None
    assert handle(payload, {"LINEAR-DELIVERY": "234d1a4e"}).delivery_id == "234d1a4e"
    assert Linear().delivery_id(payload, {}) is None
    assert payload["webhookId"] not in json.dumps(deliveries.as_told(handle(payload)))


NOW = datetime(2026, 11, 20, 14, 9, 3, 512000, tzinfo=UTC)


def test_the_signed_time_is_in_milliseconds():
    assert Linear().signed_at(issue(), Headers()) == NOW


@pytest.mark.parametrize(
    "stamp", [None, "1795183743512", True, 1795183743, -1, 10**400, float("nan"), float("inf"), [], {}]
)
def test_what_is_no_time_in_milliseconds_is_none(stamp):
    payload = {"webhookTimestamp": stamp}
    assert Linear().signed_at(payload, Headers({"Linear-Timestamp": "1795183743512"})) is None
    assert staleness(Linear(), payload, Headers(), NOW).cause == "outside_window"


@pytest.mark.parametrize("payload", [None, [], "x", 3, {}, [{"webhookTimestamp": 1}]])
def test_a_body_of_any_shape_has_no_signed_time(payload):
    assert Linear().signed_at(payload, Headers()) is None


@given(st.integers(-200_000, 200_000))
@example(60_000)
@example(60_001)
@example(-60_001)
@example(120_001)
def test_the_window_is_as_wide_as_configured_on_both_sides(offset):
    now = NOW + timedelta(milliseconds=offset)
    assert (staleness(Linear(), issue(), Headers(), now) is None) == (abs(offset) <= 60_000)
    wide = Linear.from_options({"skew": "2m"}, Services(state_dir=Path("state")))
    assert (staleness(wide, issue(), Headers(), now) is None) == (abs(offset) <= 120_000)


def test_the_signature_is_bare_hex_and_has_no_window_of_its_own():
    hook, raw = Linear(), json.dumps(issue()).encode()
    signature = hook.sign(raw, "lin_wh_secret")
    assert len(signature) == 64
    assert hook.verify_signature(raw, signature, ["new", "lin_wh_secret"])
    assert not hook.verify_signature(raw, "sha256=" + signature, "lin_wh_secret")
    # a replay of years ago has a good signature
    assert refusal(hook, "linear", raw, Headers({"linear-signature": signature}), ["lin_wh_secret"]) is None


def test_options():
    def problems(options):
        return [problem for key, value in options.items() for problem in OPTIONS["linear"][key](value, (key,))]

    assert problems({"skew": "5m", "token": "env:LINEAR", "secret": "env:S"}) == []
    assert problems({"skew": 60})
    assert problems({"token": "lin_api_plain"})


# ── health ──


def services(values, *, users_own=True):
    return Services(state_dir=Path("state"), resolve=values.get, users_own=users_own)


@pytest.mark.parametrize(("token", "sent"), [("lin_api_x", "lin_api_x"), ("lin_oauth_x", "Bearer lin_oauth_x")])
def test_the_api_is_asked_who_we_are(token, sent):
    with provider() as (address, asked):
        hook = Linear.from_options({"token": "env:T", "api": address}, services({"env:T": token}))
        assert asyncio.run(hook.health_check()).state == "ok"
    [(method, path, headers, body)] = asked
    assert (method, path, headers["authorization"]) == ("POST", "/graphql", sent)
    assert json.loads(body) == {"query": "{ viewer { id } }"}


@pytest.mark.parametrize(("status", "state"), [(401, "error"), (403, "error"), (400, "warning"), (500, "warning")])
def test_an_answer_that_is_no_yes_is_told_without_the_token(status, state):
    with provider(status) as (address, _):
        hook = Linear.from_options({"token": "env:T", "api": address}, services({"env:T": "canary-91ab"}))
        health = asyncio.run(hook.health_check())
    assert health.state == state
    assert "canary" not in health.message


def test_without_a_token_nothing_is_asked():
    with provider() as (address, asked):
        hook = Linear.from_options({"api": address}, services({}))
        assert asyncio.run(hook.health_check()).state == "ok"
        unset = Linear.from_options({"api": address, "token": "env:T"}, services({}))
        assert asyncio.run(unset.health_check()).state == "warning"
    assert asked == []


def test_a_projects_file_cannot_send_the_token_elsewhere():
    with pytest.raises(ConfigError):
        Linear.from_options(
            {"token": "env:T", "api": "https://api.linear.app.evil.example"}, services({}, users_own=False)
        )


# ── anything at all ──


@given(
    st.sampled_from(sorted(TYPES)), st.text(max_size=20), JSON, st.dictionaries(st.text(max_size=20), JSON, max_size=5)
)
def test_any_value_under_any_type_is_an_event_or_none(kind, action, value, more):
    keys = ("data", "issueData", "agentSession", "notification")
    assert is_event_or_none(handle({**more, "type": kind, "action": action, **dict.fromkeys(keys, value)}))


@given(st.sampled_from(NAMES), st.data())
def test_any_value_at_any_place_is_an_event_or_none(name, data):
    assert is_event_or_none(handle(altered(deliveries.payload("linear", name), data)))
