import asyncio
import json
from pathlib import Path
from urllib.parse import urlencode

import deliveries
import pytest
from catalogue import DATADOG
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.administration.webhooks import Signing
from codespar_cli.core.services import Services
from codespar_cli.plugins.integrations.datadog import Datadog

NAMES = deliveries.payload_names("datadog")
EXPECTED = deliveries.expected("datadog")
EXAMPLE = Path(__file__).parents[3] / "examples" / "datadog-webhook"
TOKEN = "0123456789abcdef"


def handle(payload, headers=None, **options):
    return asyncio.run(Datadog(**options).handle_webhook(payload, headers or {}))


def sample(**changes):
    return {**deliveries.payload("datadog", "alert.triggered__no_priority"), **changes}


@pytest.mark.parametrize("name", NAMES)
def test_each_event_becomes_what_is_expected(name):
    event = handle(deliveries.payload("datadog", name))
    assert deliveries.as_told(event) == EXPECTED[name]
    assert event.event_type == name.partition("__")[0]


@pytest.mark.parametrize("name", NAMES)
def test_headers_change_nothing(name):
    payload = deliveries.payload("datadog", name)
    assert handle(payload, {"Content-Type": "application/json", "x-codespar-TOKEN": TOKEN}) == handle(payload)


@pytest.mark.parametrize("provider", ["github", "sentry", "pagerduty"])
def test_others_payloads_are_not_datadogs_and_the_other_way_round(provider):
    from codespar_cli.plugins.integrations.github import GitHub
    from codespar_cli.plugins.integrations.pagerduty import PagerDuty
    from codespar_cli.plugins.integrations.sentry import Sentry

    hook = {"github": GitHub, "sentry": Sentry, "pagerduty": PagerDuty}[provider]()
    for name in deliveries.payload_names(provider):
        assert handle(deliveries.payload(provider, name)) is None
    for name in NAMES:
        assert asyncio.run(hook.handle_webhook(deliveries.payload("datadog", name), {})) is None


# ── how it went ──


@pytest.mark.parametrize("transition", DATADOG)
@pytest.mark.parametrize("form", ["{}", "[{}] Checkout", "[{} on {{host:a}}] Checkout", "[P3] [{}] Checkout"])
def test_every_transition_in_the_template_and_in_the_title(transition, form):
    event_type, severity = DATADOG[transition]
    if form == "{}":
        payload = {"title": "Checkout", "alert_transition": transition}
    else:
        payload = {"title": form.format(transition), "event_type": "query_alert_monitor", "date": "1795183743000"}
    for spelled in (payload, json.loads(json.dumps(payload).replace(transition, transition.upper()))):
        event = handle(spelled)
        assert (event.event_type, event.severity) == (event_type, severity)


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        # over comes first, whatever the priority
        ({"alert_transition": "Recovered", "alert_type": "success", "alert_priority": "P1"}, "info"),
        ({"alert_transition": "Recovered", "alert_type": "error", "alert_priority": "P1"}, "info"),
        ({"alert_transition": "Triggered", "alert_type": "success", "alert_priority": "P1"}, "info"),
        # then the monitor's priority
        ({"alert_priority": "P1"}, "critical"),
        ({"alert_priority": "P2"}, "error"),
        ({"alert_priority": "p3"}, "warning"),
        ({"alert_priority": "P4"}, "info"),
        ({"alert_priority": "P5"}, "info"),
        ({"priority": "P1"}, "critical"),
        ({"title": "[P1] [Triggered] x"}, "critical"),
        # the event's priority is none
        ({"priority": "normal"}, "error"),
        ({"priority": "low"}, "error"),
        ({"alert_priority": "", "alert_type": "error"}, "error"),
        ({"alert_priority": None, "alert_type": "error"}, "error"),
        ({"alert_priority": "null", "alert_type": "warning"}, "warning"),
        # then the type
        ({"alert_transition": "No Data", "alert_type": "error"}, "error"),
        ({"alert_transition": "No Data", "alert_type": "info"}, "warning"),
        ({"alert_transition": "Triggered", "alert_type": ""}, "warning"),
        ({"alert_type": "ERROR"}, "error"),
        ({"alert_type": 7}, "warning"),
    ],
)
def test_the_order_of_severities(changes, severity):
    assert handle(sample(**changes)).severity == severity


def test_the_users_words_override_the_table():
    for override in ({"error": "critical"}, {"alert.triggered": "critical"}, {"Alert.Triggered": "critical"}):
        assert handle(sample(), severity=override).severity == "critical"
    assert handle(sample(alert_transition="No Data", alert_type=""), severity={"No Data": "error"}).severity == "error"
    assert handle(sample(alert_priority="P1"), severity={"p1": "warning"}).severity == "warning"


@pytest.mark.parametrize(
    ("payload", "event_type"),
    [
        ({"title": "x", "event_type": "user_comment", "date": "1"}, "user_comment"),
        ({"title": "x", "event_type": "Deployment Event", "date": "1"}, "deployment_event"),
        ({"title": "x", "event_type": "service_check", "date": "1"}, "alert"),
        ({"title": "x", "event_type": "metric_alert_monitor", "alert_type": "error"}, "alert.triggered"),
        ({"title": "x", "event_type": "metric_alert_monitor", "alert_transition": "Null", "date": "1"}, "alert"),
        ({"title": "x", "alert_transition": "Alert Recovery!"}, "alert.alert_recovery"),
        ({"title": "x", "status": "Re-No Data"}, "alert.re_no_data"),
        ({"text": "x", "alertTransition": "Warn"}, "alert.warn"),
        ({"metadata": {"alert_title": "x", "alert_transition": "Warn"}}, "alert.warn"),
        ({"incident": {"title": "x", "uuid": "u", "status": "stable"}}, "incident.stable"),
    ],
)
def test_the_event_in_datadogs_own_words(payload, event_type):
    assert handle(payload).event_type == event_type


def test_a_template_with_little_left_is_told_by_the_token():
    payload = {"title": "Deployed", "text": "4.2.1"}
    assert handle(payload) is None
    assert handle(payload, {"X-Codespar-Token": TOKEN}).event_type == "event"
    assert handle({"text": ""}, {"X-Codespar-Token": TOKEN}) is None
    assert handle({"title": "$EVENT_TITLE"}, {"X-Codespar-Token": TOKEN}) is None


# ── what it says ──


def test_the_fences_of_markdown_are_gone():
    assert handle(sample(message="%%%\nTwo\nlines, 100 %%\n%%%")).detail == "Two\nlines, 100 %%"
    assert handle(sample(message="%%% one %%%")).detail == "one"
    assert handle(sample(message="%%%\n\n%%%")).detail is None


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "file:///etc/passwd", "$LINK", "null", "", 7, None, ["https://a"]]
)
def test_a_link_that_is_none_is_not_taken(link):
    assert handle(sample(link=link, message="see [it](https://evil.example/monitors/1)")).url is None


def test_of_links_in_the_text_only_datadogs_own_count():
    text = "[a](https://app.datadoghq.com.evil.example/monitors/1) [b](https://octo.datadoghq.eu/monitors/7?x=1)"
    assert handle(sample(link="", message=text)).url == "https://octo.datadoghq.eu/monitors/7?x=1"


@pytest.mark.parametrize("date", ["1795183743000", 1795183743000, "1795183743", 1795183743, "2026-11-20T14:09:03Z"])
def test_a_date_in_whatever_unit(date):
    assert handle(sample(date=date, last_updated=None)).occurred_at.isoformat() == "2026-11-20T14:09:03+00:00"


@pytest.mark.parametrize("date", ["soon", "", "$DATE", 17, 10**30, True, [1], "179518374300000"])
def test_a_date_that_is_none(date):
    assert handle(sample(date=date, last_updated=None)).occurred_at is None


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("env:prod, service:pay", ["env:prod", "service:pay"]),
        (["env:prod", "service:pay", "env:prod", 7, None], ["env:prod", "service:pay"]),
        ("", ["host:web-1"]),
        ("$TAGS", ["host:web-1"]),
        ({"service": "x"}, ["host:web-1"]),
    ],
)
def test_tags_as_a_list_or_as_text(tags, expected):
    event = handle(sample(tags=tags))
    assert event.native["tags"] == expected
    assert event.project == ("pay" if "service:pay" in expected else "Octo Org")


# ── which delivery ──


@pytest.mark.parametrize(
    ("changes", "delivery"),
    [
        ({}, "8306082202796025694"),
        ({"id": 8306082202796025694}, "8306082202796025694"),
        ({"id": "AZm2k_event"}, "AZm2k_event"),
        ({"id": None}, "10367112367:triggered:1795183743000"),
        ({"id": "$ID"}, "10367112367:triggered:1795183743000"),
        ({"id": "ID"}, "10367112367:triggered:1795183743000"),
        ({"id": "1234"}, "10367112367:triggered:1795183743000"),  # the monitor's id: the same when it recovers
        ({"id": "", "date": None, "last_updated": None}, None),
        ({"id": "", "alert_cycle_key": ""}, None),
        ({"id": "", "alert_transition": "", "title": "x"}, None),
    ],
)
def test_what_tells_a_delivery_from_another(changes, delivery):
    payload = sample(**changes)
    assert handle(payload).delivery_id == delivery
    assert Datadog().delivery_id(payload, {}) == delivery


def test_an_organizations_id_is_no_deliverys():
    payload = deliveries.payload("datadog", "alert.triggered__default")
    del payload["id"]
    assert Datadog().delivery_id(payload, {}) is None


@pytest.mark.parametrize("payload", [None, 7, [], "x", {"id": []}, {"id": {"ID": []}}, {7: "x"}])
def test_no_delivery_id_of_what_is_none(payload):
    assert Datadog().delivery_id(payload, {}) is None


# ── a form ──


def test_encoded_as_a_form():
    payload = {key: value for key, value in sample().items() if isinstance(value, str)}
    raw = urlencode(payload).encode()
    assert handle(raw) == handle(payload)
    assert handle(raw).event_type == "alert.triggered"
    assert "application/x-www-form-urlencoded" in Datadog.wire.content_types


# ── the token ──


def test_the_token_is_compared_and_the_body_is_not():
    hook = Datadog()
    assert hook.verify_signature(b"anything", TOKEN, TOKEN) is True
    assert hook.verify_signature("anything", TOKEN, ["other", TOKEN]) is True
    assert hook.verify_signature(b"", "pässwörd", "pässwörd") is True


@pytest.mark.parametrize("given", ["", " ", TOKEN[:-1], TOKEN + "0", TOKEN.upper(), f"{TOKEN}, {TOKEN}", f" {TOKEN}", "\ud800", "é", None, 7, b"x", [TOKEN]])  # fmt: skip
def test_another_token_is_refused(given):
    assert Datadog().verify_signature(b"{}", given, TOKEN) is False


@pytest.mark.parametrize("secret", ["", " ", None, [], [""], ["", None], "\ud800", 7, {}])
def test_no_secret_verifies_nothing(secret):
    for token in ("", " ", "None", "\ud800", None):
        assert Datadog().verify_signature(b"{}", token, secret) is False


@given(st.text(), st.text())
def test_only_the_secret_itself(given_token, secret):
    same = given_token == secret and secret.strip() != ""
    assert Datadog().verify_signature(b"", given_token, secret) is same


@pytest.mark.parametrize("payload", [{}, [], None, 7])
def test_a_parsed_body_is_a_type_error(payload):
    with pytest.raises(TypeError, match="raw body"):
        Datadog().verify_signature(payload, TOKEN, TOKEN)


def test_the_header_is_the_users_to_name():
    hook = Datadog.from_options({"header": "Authorization"}, Services(state_dir=Path("state")))
    assert hook.wire.signature_header == "Authorization"
    assert Datadog.wire.signature_header == "X-Codespar-Token"


def test_it_signs_nothing_because_it_would_show_the_secret():
    assert not isinstance(Datadog(), Signing)


# ── the template under examples/ ──


def filled(values):
    text = (EXAMPLE / "payload.json").read_text()
    for name, value in sorted(values.items(), key=lambda item: -len(item[0])):
        text = text.replace(f'"${name}"', json.dumps(value))
    return json.loads(text)


VALUES = {
    "ID": "8306082202796025694", "EVENT_TYPE": "query_alert_monitor", "EVENT_TITLE": "[Triggered] Checkout is slow",
    "ALERT_TRANSITION": "Triggered", "ALERT_TYPE": "error", "ALERT_PRIORITY": "P2", "ALERT_ID": "1234",
    "ALERT_CYCLE_KEY": "10367112367", "AGGREG_KEY": "9bd4", "ALERT_METRIC": "m", "ALERT_SCOPE": "host:a",
    "ALERT_STATUS": "s", "HOSTNAME": "a", "TAGS": "service:checkout,env:prod", "TEXT_ONLY_MSG": "Look at it.",
    "LINK": "https://app.datadoghq.com/monitors/1234", "USER": "", "DATE": "1795183743000",
    "LAST_UPDATED": "1795183744000", "ORG_ID": "1", "ORG_NAME": "Octo Org", "INCIDENT_PUBLIC_ID": "null",
    "INCIDENT_TITLE": "", "INCIDENT_STATUS": "null", "INCIDENT_SEVERITY": "null", "INCIDENT_MSG": "", "INCIDENT_URL": "null",
}  # fmt: skip


def test_the_example_asks_for_variables_that_exist_and_no_others():
    assert "$" not in json.dumps(filled(VALUES))
    for name in VALUES:
        assert f'"${name}"' in (EXAMPLE / "payload.json").read_text()


@pytest.mark.parametrize("transition", DATADOG)
def test_the_example_filled_gives_the_whole_event(transition):
    event = handle(filled({**VALUES, "ALERT_TRANSITION": transition}))
    assert event.event_type == DATADOG[transition][0]
    assert event.severity == ("info" if transition == "Recovered" else "error")
    assert event.title == "[Triggered] Checkout is slow"
    assert (event.url, event.detail) == ("https://app.datadoghq.com/monitors/1234", "Look at it.")
    assert event.occurred_at.isoformat() == "2026-11-20T14:09:03+00:00"
    assert (event.delivery_id, event.external_id) == ("8306082202796025694", "10367112367")
    assert event.project == "checkout"


def test_the_example_filled_for_an_incident():
    incident = {"INCIDENT_PUBLIC_ID": "421", "INCIDENT_TITLE": "Checkout is down", "INCIDENT_STATUS": "active",
                "INCIDENT_SEVERITY": "SEV-1", "INCIDENT_MSG": "All hands.", "INCIDENT_URL": "https://app.datadoghq.com/incidents/421"}  # fmt: skip
    event = handle(filled({**dict.fromkeys(VALUES, ""), **incident}))
    assert (event.event_type, event.severity, event.title) == ("incident.active", "critical", "Checkout is down")
    assert (event.url, event.detail) == ("https://app.datadoghq.com/incidents/421", "All hands.")


def test_the_example_that_is_filled_already():
    event = handle(json.loads((EXAMPLE / "triggered.json").read_text()))
    assert (event.event_type, event.severity) == ("alert.triggered", "critical")
    assert (
        json.loads((EXAMPLE / "triggered.json").read_text()).keys()
        == json.loads((EXAMPLE / "payload.json").read_text()).keys()
    )
    assert json.loads((EXAMPLE / "headers.json").read_text()).keys() >= {Datadog.wire.signature_header}
