import asyncio

import deliveries
import pytest

from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.sentry import Sentry

NAMES = deliveries.payload_names("sentry")
EXPECTED = deliveries.expected("sentry")
RESOURCES = {
    "activity_alert", "comment", "error", "event_alert", "installation", "issue", "metric_alert", "preprod_artifact", "seer",
}  # fmt: skip


def handle(payload, headers=None):
    return asyncio.run(Sentry().handle_webhook(payload, headers or {}))


@pytest.mark.parametrize("name", NAMES)
def test_each_event_becomes_what_is_expected(name):
    event = handle(deliveries.payload("sentry", name), deliveries.headers("sentry", name))
    assert deliveries.as_told(event) == EXPECTED[name]


@pytest.mark.parametrize("name", NAMES)
def test_without_headers_the_shape_tells_the_same_event(name):
    payload = deliveries.payload("sentry", name)
    assert handle(payload) == handle(payload, deliveries.headers("sentry", name))


def test_every_resource_has_a_fixture():
    assert {name.partition("__")[0] for name in NAMES} == RESOURCES | {"legacy"}


@pytest.mark.parametrize("name", NAMES)
def test_sentrys_payloads_are_not_githubs_and_the_other_way_round(name):
    assert asyncio.run(GitHub().handle_webhook(deliveries.payload("sentry", name), {})) is None
    for theirs in deliveries.payload_names("github"):
        assert handle(deliveries.payload("github", theirs)) is None


def test_the_title_of_a_metric_alert_is_not_its_random_name():
    assert "Marmot" not in handle(deliveries.payload("sentry", "metric_alert__critical")).title


def test_links_of_the_api_are_never_taken():
    payload = deliveries.payload("sentry", "event_alert__triggered")
    del payload["data"]["event"]["web_url"]
    assert handle(payload).url is None


def test_headers_give_the_delivery_and_the_time_of_sending():
    payload = deliveries.payload("sentry", "seer__root_cause_started")
    event = handle(
        payload, {"sentry-hook-resource": "seer", "request-id": "5d0f", "SENTRY-HOOK-TIMESTAMP": "1795183743"}
    )
    assert event.delivery_id == "5d0f"
    assert event.occurred_at.isoformat() == "2026-11-20T14:09:03+00:00"
    assert handle(payload, {"Sentry-Hook-Timestamp": "soon"}).occurred_at is None


def test_a_resource_nobody_has_heard_of_is_still_an_event():
    payload = {"action": "created", "installation": {"uuid": "u"}, "data": {"widget": {"title": "x"}}}
    event = handle(payload, {"Sentry-Hook-Resource": "widget"})
    assert (event.event_type, event.severity, event.title) == ("widget.created", "info", "widget created")
    assert handle(payload) is None


@pytest.mark.parametrize("data", [{}, {"issue": None}, {"issue": 3}, {"issue": {}}, [], "x", None])
def test_a_body_that_is_not_of_its_resource_is_nothing(data):
    payload = {"action": "created", "installation": {"uuid": "u"}, "data": data}
    assert handle(payload, {"Sentry-Hook-Resource": "issue"}) is None


def test_a_stack_trace_is_bounded():
    frame = {"filename": "f.py", "lineno": 1, "function": "g" * 1000, "in_app": True}
    payload = deliveries.payload("sentry", "error__created")
    payload["data"]["error"]["exception"] = {"values": [{"type": "E", "stacktrace": {"frames": [frame] * 10_000}}] * 50}
    event = handle(payload)
    assert 0 < len(event.stack_trace) <= 16_384
    assert event.affected_files == ("f.py",)


def frames(*names):
    return {"frames": [{"filename": f"{name}.py", "lineno": 1, "function": name, "in_app": True} for name in names]}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"stacktrace": frames("main", "send")}, ("send.py", "main.py")),
        ({"threads": {"values": [{"id": 1}, {"stacktrace": frames("idle")}]}}, ("idle.py",)),
        ({"threads": {"values": [{"stacktrace": frames("idle")}, {"current": True, "stacktrace": frames("a")},
                                 {"crashed": True, "stacktrace": frames("b")}]}}, ("b.py",)),
        ({"threads": {"values": [7, {"stacktrace": 7}, {"stacktrace": {"frames": []}}]}, "stacktrace": []}, ()),
        ({"exception": {"values": [{"type": "E", "stacktrace": frames("raise")}]}, "stacktrace": frames("other")},
         ("raise.py",)),
    ],
)  # fmt: skip
def test_a_message_or_a_crash_without_an_exception_has_its_frames(where, expected):
    payload = deliveries.payload("sentry", "error__without_frames")
    del payload["data"]["error"]["metadata"]
    payload["data"]["error"].update(where)
    event = handle(payload)
    assert event.affected_files == expected
    assert (event.stack_trace or "").count("at ") == len(expected)
    assert "None" not in (event.stack_trace or "")


def test_of_many_frames_the_innermost_are_told():
    payload = deliveries.payload("sentry", "error__created")
    trace = frames(*(f"f{number}" for number in range(20_000)))
    payload["data"]["error"]["exception"] = {"values": [{"type": "E", "stacktrace": trace}]}
    event = handle(payload)
    assert event.affected_files[0] == "f19999.py"
    assert "f19999.py" in event.stack_trace


def test_who_has_it_now():
    payload = deliveries.payload("sentry", "issue__assigned")
    payload["data"]["assignee"] = {"type": "team", "id": 7, "name": "payments"}
    assert handle(payload).native["assignee"] == "payments"
