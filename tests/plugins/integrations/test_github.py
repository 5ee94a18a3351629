import asyncio

import deliveries
import pytest

from codespar_cli.plugins.integrations.github import SEVERITIES, GitHub
from codespar_cli.plugins.integrations.github_events import TOPICS

NAMES = deliveries.payload_names("github")
EXPECTED = deliveries.expected("github")
HEADER_ALONE = {"issue_types__created"}  # not in the catalogue: nothing but the header tells it


def handle(payload, headers=None):
    return asyncio.run(GitHub().handle_webhook(payload, headers or {}))


@pytest.mark.parametrize("name", NAMES)
def test_each_event_becomes_what_is_expected(name):
    event = handle(deliveries.payload("github", name), deliveries.headers("github", name))
    assert deliveries.as_told(event) == EXPECTED[name]


@pytest.mark.parametrize("name", sorted(set(NAMES) - HEADER_ALONE))
def test_without_headers_the_shape_tells_the_same_event(name):
    payload = deliveries.payload("github", name)
    assert handle(payload) == handle(payload, deliveries.headers("github", name))


def test_every_event_of_the_catalogue_has_a_fixture():
    assert set(TOPICS) - {name.partition("__")[0] for name in NAMES} == set()
    assert len(TOPICS) > 70


def test_the_delivery_id_comes_from_its_header_in_any_case():
    payload = deliveries.payload("github", "ping")
    event = handle(payload, {"x-GITHUB-event": "ping", "X-Github-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"})
    assert event.delivery_id == "72d3162e-cc78-11e3-81ab-4c9367dc0958"


def test_an_event_whose_object_is_missing_is_nothing():
    assert handle({"action": "opened", "repository": {"full_name": "a/b"}}, {"X-GitHub-Event": "issues"}) is None
    assert handle({"action": "opened", "issue": 7}, {"X-GitHub-Event": "issues"}) is None
    assert handle({"action": "completed", "check_run": None}, {"X-GitHub-Event": "check_run"}) is None
    assert handle({}, {"X-GitHub-Event": "push"}) is None


def test_two_event_headers_are_no_event():
    payload = deliveries.payload("github", "ping")
    assert handle(payload, {"X-GitHub-Event": "ping", "x-github-event": "push"}) is None


def test_what_looks_like_github_but_names_nobody_is_not_githubs():
    assert handle({"action": "created", "issue": {"title": "mine"}}) is None
    assert handle({"action": "create", "type": "Issue", "data": {}, "url": "https://linear.app/x"}) is None
    assert handle({"webhookEvent": "jira:issue_created", "issue": {"key": "A-1"}, "user": {"name": "x"}}) is None


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (lambda raw: raw, {"X-GitHub-Event": "ping"}),
        (lambda raw: raw.decode(), {"X-GitHub-Event": "ping"}),
        (lambda raw: b"\xef\xbb\xbf" + raw, {}),
    ],
)
def test_the_raw_body_is_taken_too(body, headers):
    raw = (deliveries.HERE / "github" / "ping.json").read_bytes()
    assert handle(body(raw), headers).event_type == "ping"


def test_a_form_encoded_body_is_unwrapped():
    from urllib.parse import urlencode

    raw = (deliveries.HERE / "github" / "workflow_run__failure.json").read_text()
    expected = handle(deliveries.payload("github", "workflow_run__failure"))
    assert handle(urlencode({"payload": raw}).encode()) == expected
    assert handle({"payload": raw}) == expected


@pytest.mark.parametrize(
    "body", [b"", b"payload=", b"payload={}&payload={}", b"{", b"[" * 100_000, "\ud800", b"\xff\xfe{"]
)
def test_a_body_that_does_not_parse_is_nothing(body):
    assert handle(body, {"X-GitHub-Event": "ping"}) is None


def test_the_users_words_override_the_table():
    payload = deliveries.payload("github", "workflow_run__failure")
    for override in ({"failure": "critical"}, {"Failure": "critical"}, {"workflow_run.completed": "critical"}):
        event = asyncio.run(GitHub(severity=override).handle_webhook(payload, {}))
        assert event.severity == "critical"
    other = deliveries.payload("github", "workflow_run__timed_out")
    assert asyncio.run(GitHub(severity={"failure": "critical"}).handle_webhook(other, {})).severity == "error"


@pytest.mark.parametrize("conclusion", ["failure", "timed_out", "startup_failure"])
def test_a_run_that_did_not_pass_is_an_error(conclusion):
    assert SEVERITIES[conclusion] == "error"


@pytest.mark.parametrize("conclusion", ["finished", "", None, 7, ["failure"], {"failure": 1}])
def test_an_unknown_conclusion_is_info(conclusion):
    payload = deliveries.payload("github", "workflow_run__failure")
    payload["workflow_run"]["conclusion"] = conclusion
    assert handle(payload).severity == "info"


def test_hostile_text_is_made_harmless():
    payload = deliveries.payload("github", "issues__opened")
    payload["issue"]["title"] = "\x1b[2J\u202eevil\r\nlog line\x07" + "x" * 1000
    payload["issue"]["html_url"] = "javascript:alert(1)"
    payload["sender"]["login"] = "a\nb\x00"
    event = handle(payload)
    assert event.title.startswith("[2Jevil log line")
    assert len(event.title) == 300
    assert event.url == "https://github.com/octo-org/payments"
    assert event.actor == "a b"


@pytest.mark.parametrize("title", ["\ufe0f", "\u2800", " \u2800\u00a0", "\u034f\u180b", "\U000e0100"])
def test_a_title_that_nobody_sees_is_none(title):
    payload = deliveries.payload("github", "issues__opened")
    payload["issue"]["title"] = payload["issue"]["body"] = title
    event = handle(payload)
    assert (event.title, event.detail) == ("issues opened: octo-org/payments", None)


@pytest.mark.parametrize("message", ["Settle\n\nLong story", "\n Settle\r\nLong story", "Settle"])
def test_a_push_is_titled_by_the_first_line_of_its_commit(message):
    payload = deliveries.payload("github", "push__forced")
    payload["head_commit"]["message"] = payload["commits"][0]["message"] = message
    event = handle(payload)
    assert (event.title, event.detail) == ("1 commit force-pushed to main: Settle", "Settle")


def test_a_deploy_keys_material_is_not_passed_on():
    assert "AAAAB3" not in repr(handle(deliveries.payload("github", "deploy_key__created")))


def test_a_push_of_thousands_of_files_is_bounded():
    payload = deliveries.payload("github", "push__two_commits")
    payload["commits"] = [{"message": "m", "added": [f"f{n}-{m}" for m in range(100)]} for n in range(100)]
    event = handle(payload)
    assert len(event.affected_files) == 300
    assert event.title.startswith("100 commits pushed to main")
