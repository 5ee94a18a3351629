import asyncio
import hashlib
import hmac
import json

import deliveries
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.plugins.integrations.pagerduty import EVENTS, PagerDuty

NAMES = deliveries.payload_names("pagerduty")
EXPECTED = deliveries.expected("pagerduty")
OLD = tuple(name for name in NAMES if name.startswith(("v1__", "v2__")))
# developer.pagerduty.com, "V2 Overview": webhook types
OLD_TYPES = {
    f"incident.{verb}"
    for verb in ("trigger", "acknowledge", "unacknowledge", "resolve", "assign", "escalate", "delegate", "annotate")
}
BODY = json.dumps(deliveries.payload("pagerduty", "incident.triggered__p1")).encode()
SECRET = "kSHuN0DHwHh/4Ka1zIxM9Ghz9ZrX2gQAnfeQa6F3eRk="  # looks like base64, and is used as it stands


def handle(payload, headers=None, **options):
    return asyncio.run(PagerDuty(**options).handle_webhook(payload, headers or {}))


def signature(body=BODY, secret=SECRET):
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def incident(**changes):
    payload = deliveries.payload("pagerduty", "incident.triggered__p1")
    payload["event"]["data"].update(changes)
    return payload


@pytest.mark.parametrize("name", NAMES)
def test_each_event_becomes_what_is_expected(name):
    assert deliveries.as_told(handle(deliveries.payload("pagerduty", name))) == EXPECTED[name]


@pytest.mark.parametrize("name", NAMES)
def test_headers_add_the_delivery_and_change_nothing_else(name):
    event = handle(deliveries.payload("pagerduty", name), {"x-webhook-ID": "5c6f", "X-PagerDuty-Signature": "v1=0"})
    assert event.delivery_id == "5c6f"
    assert deliveries.as_told(event) == EXPECTED[name]


def test_every_documented_type_has_a_fixture():
    assert len(EVENTS) == 30
    names = {name.partition("__")[0] for name in NAMES}
    assert names - {"v1", "v2"} == EVENTS | {"pagey.ping", "incident.something_new"}
    assert {EXPECTED[name]["event_type"] for name in OLD} == OLD_TYPES
    for name in set(NAMES) - set(OLD):
        assert EXPECTED[name]["event_type"] == name.partition("__")[0]


@pytest.mark.parametrize("name", NAMES)
def test_links_of_the_api_are_never_taken(name):
    assert "api.pagerduty.com" not in (handle(deliveries.payload("pagerduty", name)).url or "")


def test_a_link_for_people_comes_from_the_incident_where_the_event_has_none():
    payload = deliveries.payload("pagerduty", "incident.annotated__note")
    assert handle(payload).url == "https://octo-org.pagerduty.com/incidents/Q1PAYMENTS01"
    payload["event"]["data"]["incident"]["html_url"] = "javascript:alert(1)"
    assert handle(payload).url is None


# ── how grave ──


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"priority": {"summary": "P1"}, "status": "resolved"}, "info"),
        ({"priority": {"summary": "P1"}, "urgency": "low"}, "critical"),
        ({"priority": {"summary": "P2"}}, "error"),
        ({"priority": {"summary": "P3"}}, "warning"),
        ({"priority": {"summary": "P4"}}, "info"),
        ({"priority": {"summary": "P5"}}, "info"),
        ({"priority": {"summary": "P1 - Everything is down"}, "urgency": "low"}, "critical"),
        ({"priority": {"summary": "SEV2"}}, "error"),
        ({"priority": {"summary": "Sev 1"}}, "critical"),
        ({"priority": {"summary": "P10"}}, "error"),  # none of PagerDuty's: the urgency counts
        ({"priority": {"summary": "Whenever"}, "urgency": "low"}, "warning"),
        ({"priority": None, "urgency": "high"}, "error"),
        ({"priority": None, "urgency": "low"}, "warning"),
        ({"priority": None, "urgency": None}, "info"),
        ({"priority": 7, "urgency": ["high"]}, "info"),
    ],
)
def test_resolved_then_priority_then_urgency(changes, severity):
    assert handle(incident(**changes)).severity == severity


def test_the_users_words_override_the_table():
    assert handle(incident(priority={"summary": "Whenever"}), severity={"whenever": "info"}).severity == "info"
    assert handle(incident(), severity={"P1": "warning"}).severity == "warning"
    assert handle(incident(), severity={"incident.triggered": "info"}).severity == "info"
    assert handle(incident(status="resolved"), severity={"resolved": "warning"}).severity == "warning"


# ── which delivery ──


def test_the_delivery_is_the_headers_and_else_the_one_in_the_body():
    payload = deliveries.payload("pagerduty", "incident.triggered__p1")
    event_id = payload["event"]["id"]
    hook = PagerDuty()
    assert handle(payload, {"X-Webhook-Id": "abc"}).delivery_id == "abc"
    assert hook.delivery_id(payload, {"x-webhook-id": "abc"}) == "abc"
    assert handle(payload).delivery_id == event_id
    assert handle(payload, {"X-Webhook-Id": " "}).delivery_id == event_id
    assert hook.delivery_id(deliveries.payload("pagerduty", "v1__trigger"), {}) == "a52d3f80-d9a7"
    for nothing in (None, 7, [], {}, {"event": 7}, {"event": {"id": []}}, {"messages": [7]}):
        assert hook.delivery_id(nothing, {}) is None


# ── V2 and V1 ──


def test_of_several_messages_the_last_that_is_one_counts():
    event = handle(deliveries.payload("pagerduty", "v2__several"))
    assert (event.event_type, event.severity, event.delivery_id) == ("incident.resolve", "info", "2")
    assert event.native["messages"] == 3


@pytest.mark.parametrize(
    "messages", [[], [7], [{}], [{"event": "incident.trigger"}], [{"role": "user", "content": "hello"}], {}, "x", None]
)
def test_messages_of_something_else_are_nothing(messages):
    assert handle({"messages": messages}) is None


@pytest.mark.parametrize("name", OLD)
def test_an_old_body_comes_without_a_signature_and_cannot_be_verified(name):
    raw = json.dumps(deliveries.payload("pagerduty", name)).encode()
    for absent in ("", None):
        assert PagerDuty().verify_signature(raw, absent, SECRET) is False


# ── is it PagerDuty's ──


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"event_type": "incident.triggered"},
        {"event_type": "incident.triggered", "resource_type": "incident"},
        {"event_type": "incident.triggered", "resource_type": "incident", "data": None},
        {"event_type": "incident triggered", "resource_type": "incident", "data": {}},
        {"event_type": "incident", "resource_type": "incident", "data": {}},
        {"event_type": "Incident.Triggered\n", "resource_type": "incident", "data": {}},
        {"event_type": ["incident.triggered"], "resource_type": "incident", "data": {}},
        {"event_type": "incident.triggered", "data": {"title": "somebody else's"}},
    ],
)
def test_what_only_looks_like_an_event_is_nothing(event):
    assert handle({"event": event}) is None


@pytest.mark.parametrize("provider", ["github", "sentry", "datadog"])
def test_others_payloads_are_not_pagerdutys_and_the_other_way_round(provider):
    from codespar_cli.plugins.integrations.datadog import Datadog
    from codespar_cli.plugins.integrations.github import GitHub
    from codespar_cli.plugins.integrations.sentry import Sentry

    hook = {"github": GitHub, "sentry": Sentry, "datadog": Datadog}[provider]()
    for name in deliveries.payload_names(provider):
        assert handle(deliveries.payload(provider, name)) is None
    for name in NAMES:
        assert asyncio.run(hook.handle_webhook(deliveries.payload("pagerduty", name), {})) is None


# ── signatures ──


@pytest.mark.parametrize(
    "header",
    [
        "{good}",
        "{good},{bad}",
        "{bad},{good}",
        "{bad}, {good}",
        "{bad} ,\t{good} ",
        "v2=abc,{good}",
        "nonsense,,=,v1=,{good}",
        "v2={digest},{good}",
    ],
)
def test_one_good_signature_among_several_will_do(header):
    good = signature()
    given_header = header.format(good=good, bad=signature(secret="old"), digest=good[3:])
    assert PagerDuty().verify_signature(BODY, given_header, SECRET) is True
    assert PagerDuty().verify_signature(BODY, given_header, ["new", SECRET]) is True
    assert PagerDuty().verify_signature(BODY + b" ", given_header, SECRET) is False
    assert PagerDuty().verify_signature(BODY, given_header, "another") is False


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{digest}",
        "v2={digest}",
        "V1={digest}",
        "v1 = {digest}",
        "v1={digest}0",
        "v1={digest};",
        "sha256={digest}",
        "v1=v1={digest}",
        "v1={digest}é",
    ],
)
def test_a_signature_in_another_form_is_none(header):
    assert PagerDuty().verify_signature(BODY, header.format(digest=signature()[3:]), SECRET) is False


def test_the_secret_is_text_and_not_base64():
    import base64

    decoded = hmac.new(base64.b64decode(SECRET), BODY, hashlib.sha256).hexdigest()
    assert PagerDuty().verify_signature(BODY, f"v1={decoded}", SECRET) is False


def test_a_header_of_thousands_costs_no_more_than_one():
    header = ",".join([signature(secret="no")] * 5000 + [signature()])
    assert PagerDuty().verify_signature(BODY, header, SECRET) is False
    assert PagerDuty().verify_signature(BODY, ",".join([signature(secret="no")] * 15 + [signature()]), SECRET) is True


@given(
    st.binary(max_size=50),
    st.lists(st.text(min_size=1).filter(str.strip).filter(str.isprintable), max_size=4),
    st.data(),
)
def test_any_of_the_secrets_in_use_verifies(body, others, data):
    parts = [signature(body, other) for other in others if other != SECRET]
    parts.insert(data.draw(st.integers(0, len(parts))), signature(body))
    assert PagerDuty().verify_signature(body, ", ".join(parts), SECRET) is True


def test_what_it_signs_is_pagerdutys_form():
    assert PagerDuty().sign(BODY, SECRET) == signature()
