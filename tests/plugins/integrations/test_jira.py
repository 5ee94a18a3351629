import asyncio
import base64
import json
from pathlib import Path

import deliveries
import pytest
from any_json import JSON, altered, is_event_or_none
from hypothesis import given
from hypothesis import strategies as st
from provider_server import provider

from codespar_cli.core.headers import Headers
from codespar_cli.core.services import Services
from codespar_cli.errors import ConfigError
from codespar_cli.plugins.integrations.adf import plain_text
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.jira import Jira
from codespar_cli.plugins.integrations.sentry import Sentry
from codespar_cli.testing import IntegrationContract
from codespar_cli.webhooks.authenticity import refusal

NAMES = deliveries.payload_names("jira")
EXPECTED = deliveries.expected("jira")
# developer.atlassian.com/cloud/jira/platform/webhooks, "Available webhook events": all 57.
CLOUD = {
    "issue": "created updated deleted",
    "issue_property": "set deleted",
    "worklog": "created updated deleted",
    "comment": "created updated deleted",
    "attachment": "created deleted",
    "issuelink": "created deleted",
    "issuetype": "created updated deleted",
    "project": "created updated deleted soft_deleted restored_deleted archived restored_archived",
    "version": "created updated deleted released unreleased moved merged",
    "filter": "created updated deleted",
    "user": "created updated deleted",
    "option": "voting_changed watching_changed unassigned_issues_changed subtasks_changed issuelinks_changed"
    " timetracking_changed timetracking_provider_changed",
    "sprint": "created updated deleted started closed",
    "board": "created updated deleted configuration_changed",
    "app_access_to_objects": "blocked",
    "app_access_to_objects_in_container": "blocked",
    "jira_expression": "evaluation_failed",
}
EVENTS = [(resource, action) for resource, actions in CLOUD.items() for action in actions.split()]
# Only Data Center, or older: confluence.atlassian.com, "Managing webhooks".
SERVER = [("option", "attachments_changed"), ("project", "restored")]
PREFIXED = {"issue", "version"}
BODIES = {
    "issue": {"issue": {"key": "PAY-1", "fields": {"summary": "s"}}},
    "comment": {"comment": {"id": "1", "body": "b"}},
}


def handle(payload, headers=None, **options):
    return asyncio.run(Jira(**options).handle_webhook(payload, headers or {}))


def updated(**fields):
    payload = deliveries.payload("jira", "issue_updated__status")
    payload["issue"]["fields"].update(fields)
    return payload


class TestJiraContract(IntegrationContract):
    def make(self, tmp_path):
        return Jira.from_options({}, Services(state_dir=tmp_path))

    def samples(self):
        names = ("issue_created__cloud_adf", "issue_updated__status", "comment_created__without_issue", "old__comment",
                 "version_deleted__merged")  # fmt: skip
        return [(deliveries.payload("jira", name), {"X-Atlassian-Webhook-Flow": "Primary"}) for name in names]


@pytest.mark.parametrize("name", NAMES)
def test_each_event_becomes_what_is_expected(name):
    assert deliveries.as_told(handle(deliveries.payload("jira", name))) == EXPECTED[name]


def test_there_are_57_events_of_the_cloud():
    assert len(EVENTS) == 57


@pytest.mark.parametrize(("resource", "action"), EVENTS + SERVER)
def test_every_documented_event_has_its_name_severity_and_title(resource, action):
    name = f"{'jira:' if resource in PREFIXED else ''}{resource}_{action}"
    payload = {"timestamp": 1795183743512, "webhookEvent": name, **BODIES.get(resource, {})}
    event = handle(payload)
    assert event.event_type == f"{resource}.{action}"
    assert event.severity == ("warning" if resource.startswith(("app_", "jira_")) else "info")
    assert event.title
    assert "\n" not in event.title
    assert event.url is None


def test_the_issues_own_worklog_event_of_data_center():
    assert handle({"timestamp": 1, "webhookEvent": "jira:worklog_updated"}).event_type == "worklog.updated"


@pytest.mark.parametrize("name", NAMES)
def test_jiras_payloads_are_nobody_elses(name):
    for other in (GitHub, Sentry):
        assert asyncio.run(other().handle_webhook(deliveries.payload("jira", name), {})) is None


@pytest.mark.parametrize("other", ["github", "sentry", "linear"])
def test_nobody_elses_payloads_are_jiras(other):
    assert [name for name in deliveries.payload_names(other) if handle(deliveries.payload(other, name))] == []


@pytest.mark.parametrize(
    "name", ["", " ", "issue", "jira:", "a b_c", "x" * 200, 3, [], {}, "jira:issue_updated\n", "_", "é_x"]
)
def test_what_is_no_name_of_an_event_is_nothing(name):
    assert handle({**updated(), "webhookEvent": name}) is None


def test_an_event_nobody_has_heard_of_needs_a_time():
    payload = {"webhookEvent": "component_created", "component": {"name": "api"}}
    assert handle(payload) is None
    event = handle({**payload, "timestamp": 1795183743512})
    assert (event.event_type, event.title) == ("component.created", "component created: api")


@pytest.mark.parametrize("issue", [None, {}, [], "x", 3])
def test_an_issues_event_without_an_issue_is_nothing(issue):
    assert handle({"timestamp": 1, "webhookEvent": "jira:issue_updated", "issue": issue}) is None


# ── severity ──


@pytest.mark.parametrize(
    ("names", "severity"),
    [
        ("Highest|Blocker|Critical|P0|P1|P1 - Critical|SEV-1|sev 0", "critical"),
        ("High|Major|P2|P2: this week", "error"),
        ("Medium|P3|On fire|Hoch|Not critical", "warning"),
        ("Low|Lowest|Minor|Trivial|P4|P5|Not set", "info"),
    ],
)
def test_names_of_priorities(names, severity):
    for name in names.split("|"):
        for spelled in (name, name.upper(), f" {name} "):
            assert handle(updated(priority={"name": spelled})).severity == severity, spelled


@pytest.mark.parametrize("priority", [None, {}, [], "x", 3, {"name": None}, {"name": ["High"]}, {"name": " "}])
def test_no_priority_is_info(priority):
    assert handle(updated(priority=priority)).severity == "info"


def test_an_administrators_names_can_be_given_a_severity():
    payload = updated(priority={"name": "On fire"})
    assert handle(payload, severity={"on fire": "critical"}).severity == "critical"
    assert handle(payload, severity={"unknown": "info"}).severity == "info"
    assert handle(payload, severity={"issue_generic": "error"}).severity == "error"
    assert handle(payload, severity={"issue.updated": "info"}).severity == "info"


# ── the link ──


@pytest.mark.parametrize(
    ("address", "key", "url"),
    [
        ("https://x.atlassian.net/rest/api/2/10021", "KAN-22", "https://x.atlassian.net/browse/KAN-22"),
        ("http://j.example:8080/jira/rest/api/2/issue/1", "A_B2-7", "http://j.example:8080/jira/browse/A_B2-7"),
        ("https://api.atlassian.com/ex/jira/1a/rest/api/3/issue/1", "KAN-22", None),
        ("ftp://x.example/rest/api/2/issue/1", "KAN-22", None),
        ("javascript:alert(1)//rest/api/2/issue/1", "KAN-22", None),
        ("https://user:pw@x.example/rest/api/2/issue/1", "KAN-22", None),
        ("https://x.example/elsewhere", "KAN-22", None),
        ("https://x.example/rest/api/2/issue/1", "kan-22", None),
        ("https://x.example/rest/api/2/issue/1", "KAN-22/../../admin", None),
        ("https://x.example/rest/api/2/issue/1", "KAN-22\n", None),
        ("https://x.example/rest/api/2/issue/1", "KAN-٣", None),
        ("https://x.example/\u202e/rest/api/2/issue/1", "KAN-22", None),
        (None, "KAN-22", None),
        (7, 7, None),
    ],
)
def test_the_page_of_an_issue_is_made_of_its_own_address_and_key(address, key, url):
    payload = updated()
    del payload["issue"]["fields"]["project"]
    payload["issue"].update(self=address, key=key)
    assert handle(payload).url == url


# ── text ──


def test_a_documents_text_is_bounded_however_deep_or_wide():
    deep = {"type": "text", "text": "end"}
    for _ in range(100_000):
        deep = {"type": "paragraph", "content": [deep]}
    assert plain_text(deep) is None
    wide = {"type": "doc", "content": [{"type": "text", "text": "ab"}] * 100_000}
    assert 0 < len(plain_text(wide)) <= 10_000
    while "content" in deep:  # taken apart by hand: the interpreter would recurse
        deep = deep.pop("content")[0]


@given(JSON, st.sampled_from(["doc", "paragraph", "mention", "listItem", "text", "hardBreak"]))
def test_any_value_as_a_document_is_text_or_none(value, kind):
    found = plain_text({"type": kind, "text": value, "attrs": value, "content": [value, {"content": value}]})
    assert found is None or isinstance(found, str)


def test_a_change_is_told_with_both_of_its_values():
    payload = updated()
    payload["changelog"]["items"] = [
        {"field": "status", "fromString": "Open", "toString": "Done\x1b[2J"},
        None,
        {"toString": "x"},
    ]
    assert handle(payload).detail == "status: Open -> Done[2J"


# ── delivery ──


def test_headers_give_the_delivery_and_its_lane():
    payload = deliveries.payload("jira", "comment_deleted__secondary")
    event = handle(payload, {"x-atlassian-webhook-identifier": "9f-3", "x-atlassian-webhook-flow": "Secondary"})
    assert event.delivery_id == "9f-3"
    assert event.native["flow"] == "Secondary"
    assert "flow" not in handle(payload).native


def test_data_center_has_no_delivery_and_the_bytes_stand_for_it():
    assert Jira().delivery_id(updated(), Headers()) is None
    assert handle(updated()).delivery_id is None


@pytest.mark.parametrize("method", ["sha1=", "sha512=", "md5=", "SHA256=", "sha256:", "", "=", "sha256==", " sha256="])
def test_the_method_is_not_the_senders_to_choose(method):
    hook, raw = Jira(), json.dumps(updated()).encode()
    good = hook.sign(raw, "s3cret")
    assert good.startswith("sha256=")
    assert refusal(hook, "jira", raw, Headers({"X-Hub-Signature": good}), ["s3cret"]) is None
    bad = Headers({"X-Hub-Signature": method + good.removeprefix("sha256=")})
    assert refusal(hook, "jira", raw, bad, ["s3cret"]).cause == "bad_signature"


# ── health ──


def services(*, users_own=True, **values):
    return Services(
        state_dir=Path("state"),
        resolve=lambda reference: values.get(reference.removeprefix("env:")),
        users_own=users_own,
    )


def test_cloud_is_asked_with_the_accounts_email_and_token():
    with provider() as (address, asked):
        options = {"token": "env:T", "api": address, "email": "noor@octo.example"}
        assert asyncio.run(Jira.from_options(options, services(T="tok")).health_check()).state == "ok"
    [(method, path, headers, _)] = asked
    scheme, _, credential = headers["authorization"].partition(" ")
    assert (method, path, scheme) == ("GET", "/rest/api/2/myself", "Basic")
    assert base64.b64decode(credential) == b"noor@octo.example:tok"


def test_data_center_is_asked_with_a_personal_access_token_below_its_context_path():
    with provider() as (address, asked):
        options = {"token": "env:T", "api": f"{address}/jira/"}
        assert asyncio.run(Jira.from_options(options, services(T="pat")).health_check()).state == "ok"
    assert [(path, headers["authorization"]) for _, path, headers, _ in asked] == [
        ("/jira/rest/api/2/myself", "Bearer pat")
    ]


@pytest.mark.parametrize(
    ("status", "state"), [(401, "error"), (403, "error"), (404, "warning"), (302, "warning"), (503, "warning")]
)
def test_an_answer_that_is_no_yes_is_told_without_the_token(status, state):
    with provider(status) as (address, _):
        hook = Jira.from_options({"token": "env:T", "api": address}, services(T="canary-91ab"))
        health = asyncio.run(hook.health_check())
    assert health.state == state
    assert "canary" not in health.message


def test_without_a_token_nothing_is_asked():
    with provider() as (address, asked):
        assert asyncio.run(Jira.from_options({"api": address}, services()).health_check()).state == "ok"
    assert asked == []


def test_a_token_needs_to_know_where_it_goes():
    with pytest.raises(ConfigError) as raised:
        Jira.from_options({"token": "env:T"}, services())
    assert "api" in raised.value.hint
    assert raised.value.key == "api"


@pytest.mark.parametrize(
    "api", ["https://jira.octo.example", "https://evil.example/.atlassian.net", "https://atlassian.net.evil.example",
            "http://x.atlassian.net", "https://x.atlassian.net:8443", "https://evilatlassian.net"],
)  # fmt: skip
def test_a_projects_file_names_atlassians_own_addresses_only(api):
    with pytest.raises(ConfigError):
        Jira.from_options({"token": "env:T", "api": api}, services(users_own=False))
    assert Jira.from_options({"token": "env:T", "api": "https://x.atlassian.net"}, services(users_own=False)).connects


# ── anything at all ──


@given(st.sampled_from(EVENTS), JSON, st.dictionaries(st.text(max_size=20), JSON, max_size=5))
def test_any_value_under_any_event_is_an_event_or_none(event, value, more):
    resource, action = event
    keys = (
        "issue",
        "comment",
        "worklog",
        "attachment",
        "issueLink",
        "project",
        "version",
        "sprint",
        "user",
        "changelog",
    )
    assert is_event_or_none(handle({**more, "webhookEvent": f"{resource}_{action}", **dict.fromkeys(keys, value)}))
    assert is_event_or_none(
        handle({**more, "issue": {"key": "A1-1", "fields": value}, "comment": value, "issue_event_type_name": value})
    )


@given(st.sampled_from(NAMES), st.data())
def test_any_value_at_any_place_is_an_event_or_none(name, data):
    assert is_event_or_none(handle(altered(deliveries.payload("jira", name), data)))
