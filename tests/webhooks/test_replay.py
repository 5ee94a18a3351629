import asyncio
import json
from pathlib import Path

import pytest

from codespar_cli.core.headers import Headers
from codespar_cli.core.hooks import IntegrationEvent
from codespar_cli.core.services import Services
from codespar_cli.errors import SecretError
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.sentry import Sentry
from codespar_cli.webhooks.outcome import Outcome, Tally
from codespar_cli.webhooks.payload import Payload, payload_of
from codespar_cli.webhooks.payload_files import payloads_in
from codespar_cli.webhooks.replay import Replay

ROOT = Path(__file__).parents[2]
GITHUB = (ROOT / "payload.json").read_bytes()
SENTRY = (ROOT / "examples/quickstart/payloads/sentry-issue.json").read_text()
SECRETS = {"env:GITHUB": "github's", "env:OLD": "old", "env:SENTRY": "sentry's"}


class Foreign:
    """A third party's hook with the contract and nothing more."""

    id = "foreign"
    name = "Foreign"

    def __init__(self, answer=None):
        self.answer = answer

    async def handle_webhook(self, payload, headers):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def integrations(*hooks):
    services = Services(state_dir=Path("state"), resolve=SECRETS.get)
    built_in = (
        GitHub.from_options({"secret": ["env:GITHUB", "env:OLD"]}, services),
        Sentry.from_options({"secret": "env:SENTRY"}, services),
    )
    return {hook.id: hook for hook in (*built_in, *hooks)}


def payload(raw=GITHUB, **more):
    return payload_of("x", raw.decode(), raw)._replace(**more)


def replay(*payloads, hooks=None, **options):
    return list(Replay(integrations() if hooks is None else hooks, **options).run(payloads))


def signed(raw, secret="github's"):
    return Headers(
        {
            "X-GitHub-Event": "workflow_run",
            "X-Hub-Signature-256": GitHub().sign(raw, secret),
            "X-GitHub-Delivery": "d-1",
        }
    )


# ── from whom ──


def test_a_bare_payload_is_told_by_its_shape():
    [outcome] = replay(payload())
    assert (outcome.status, outcome.provider, outcome.event.event_type) == (
        "handled",
        "github",
        "workflow_run.completed",
    )


def test_a_record_says_who_sent_it():
    [outcome] = replay(payload_of("x", SENTRY))
    assert (outcome.provider, outcome.event.severity, outcome.delivery_id) == (
        "sentry",
        "critical",
        "5d0f5a7c9b2e4c51a2f7c0de61a3b9e4",
    )


def test_headers_decide_before_the_shape_does():
    [outcome] = replay(payload(headers=Headers({"Sentry-Hook-Resource": "issue"})))
    assert (outcome.status, outcome.provider) == ("ignored", "sentry")


def test_the_caller_speaks_for_payloads_that_do_not_say_it():
    bare = replay(payload(), provider="sentry")[0]
    assert (bare.status, bare.provider) == ("ignored", "sentry")
    recorded = replay(payload_of("x", SENTRY), provider="github")[0]
    assert (recorded.status, recorded.provider) == ("handled", "sentry")


def test_a_record_of_a_provider_that_is_not_active_says_so():
    [outcome] = replay(payload(provider="linear"))
    assert (outcome.status, outcome.provider) == ("ignored", "linear")
    assert "not an active integration" in outcome.error


def test_the_event_is_the_value_of_the_providers_own_header():
    body = payload(b'{"action": "deleted", "alert": {}, "sender": {"login": "x"}}')
    assert replay(body)[0].status == "ignored"
    assert replay(body, event="some_alert")[0].event.event_type == "some_alert.deleted"
    assert replay(payload(headers=signed(GITHUB)), event="ping")[0].event.event_type == "workflow_run.completed"


def test_nobody_asked_is_nobody_home():
    assert replay(payload(), hooks={})[0].status == "ignored"


# ── really from them ──


def test_a_good_signature_passes_with_any_of_the_secrets():
    for secret in ("github's", "old"):
        assert replay(payload(headers=signed(GITHUB, secret)), verify=True)[0].status == "handled"


def test_a_signature_may_come_from_the_caller():
    assert replay(payload(), headers=signed(GITHUB), verify=True)[0].status == "handled"


def test_a_payloads_own_headers_come_before_the_callers():
    [outcome] = replay(payload(headers=signed(GITHUB, "wrong")), headers=signed(GITHUB), verify=True)
    assert outcome.status == "bad_signature"


@pytest.mark.parametrize(
    "bad",
    [
        payload(),
        payload(headers=signed(GITHUB, "sentry's")),
        payload(headers=signed(GITHUB + b"\n")),
        payload(headers=Headers({"X-GitHub-Event": "workflow_run"})),
        payload(headers=Headers({"X-Hub-Signature-256": "sha256=" + "0" * 64})),
        payload(headers=Headers.of([("X-Hub-Signature-256", "sha256=" + "0" * 64), *signed(GITHUB).items()])),
        payload(headers=signed(GITHUB))._replace(raw=None),
        payload(headers=signed(GITHUB), provider="sentry"),
    ],
)
def test_what_is_not_signed_by_its_provider_is_not_handled(bad):
    [outcome] = replay(bad, verify=True)
    assert (outcome.status, outcome.event) == ("bad_signature", None)
    assert outcome.error


def record(body, signature):
    headers = {"X-GitHub-Event": "push", "X-Hub-Signature-256": signature, "X-GitHub-Delivery": "d-2"}
    return payload_of("x", json.dumps({"headers": headers, "body": body}))


@pytest.mark.parametrize("body", ["{bad", "", '{"a":1,"a":2}', "payload=", "[" * 100_000])
def test_a_body_that_does_not_parse_does_not_hide_its_signature(body):
    [bad] = replay(record(body, "sha256=" + "0" * 64), verify=True)
    assert (bad.status, bad.provider, bad.delivery_id) == ("bad_signature", "github", "d-2")
    assert bad.error.startswith("bad signature; ")
    [good] = replay(record(body, GitHub().sign(body, "github's")), verify=True)
    assert (good.status, good.provider, good.delivery_id) == ("malformed", "github", "d-2")
    assert replay(record(body, "sha256=" + "0" * 64))[0].status == "malformed"


@pytest.mark.parametrize("data", [b"{bad", b"", b"\xff", '{"a": 1}'.encode("utf-16")])
def test_bytes_that_nobody_signed_are_refused_whatever_they_are(data):
    outcomes = replay(*payloads_in("x", data), verify=True)
    assert [outcome.status for outcome in outcomes] == ["bad_signature"]
    given = Headers({"X-Hub-Signature-256": GitHub().sign(data, "github's")})
    assert [outcome.status for outcome in replay(*payloads_in("x", data), headers=given, verify=True)] == ["malformed"]


def test_a_broken_body_of_a_stranger_is_no_ones_signature():
    broken = payload_of("x", json.dumps({"headers": {}, "body": "{", "provider": "linear"}))
    assert [(outcome.status, outcome.provider) for outcome in replay(broken, verify=True)] == [("malformed", "linear")]


def test_without_a_secret_nothing_is_verified():
    [outcome] = replay(payload(headers=signed(GITHUB)), hooks={"github": GitHub()}, verify=True)
    assert outcome.status == "bad_signature"
    assert "no secret" in outcome.error


def test_a_hook_that_cannot_verify_is_not_taken_at_its_word():
    event = IntegrationEvent("foreign", "x", "info", "t")
    [outcome] = replay(payload(provider="foreign"), hooks=integrations(Foreign(event)), verify=True)
    assert outcome.status == "bad_signature"


def test_a_hook_whose_verification_breaks_verifies_nothing():
    class Broken(GitHub):
        def verify_signature(self, payload, signature, secret):
            raise KeyError("the secret is github's")

    hooks = {"github": Broken(secret="env:GITHUB", resolve=SECRETS.get)}
    [outcome] = replay(payload(headers=signed(GITHUB)), hooks=hooks, verify=True)
    assert (outcome.status, outcome.error) == ("bad_signature", "the signature cannot be verified: KeyError")


def test_secrets_are_fetched_once_and_only_to_verify():
    asked = []

    def resolve(reference):
        asked.append(reference)
        return "github's"

    hooks = {"github": GitHub(secret="secret:KEY", resolve=resolve)}
    replay(*[payload(headers=signed(GITHUB))] * 5, hooks=hooks)
    assert asked == []
    replay(*[payload(headers=signed(GITHUB))] * 5, hooks=hooks, verify=True)
    assert asked == ["secret:KEY"]


def test_a_vault_that_cannot_be_opened_stops_everything():
    def resolve(reference):
        raise SecretError("the vault is closed")

    with pytest.raises(SecretError):
        replay(
            payload(headers=signed(GITHUB)), hooks={"github": GitHub(secret="secret:K", resolve=resolve)}, verify=True
        )


# ── what handlers do ──


@pytest.mark.parametrize(
    "failure", [ValueError("boom\x1b"), KeyError(), RecursionError(), SystemExit(3), BaseException()]
)
def test_a_handler_that_breaks_costs_its_own_payload(failure):
    hooks = {"foreign": Foreign(failure), **integrations()}
    taken, broken = replay(payload(), payload(b'{"mine": 1}'), hooks=hooks)
    assert taken.status == "handled"
    assert (broken.status, broken.provider) == ("failed", "foreign")
    assert type(failure).__name__ in broken.error
    assert "\x1b" not in broken.error


@pytest.mark.parametrize("answer", [{"title": "x"}, "x", True, []])
def test_an_answer_that_is_no_event_is_a_failure(answer):
    [outcome] = replay(payload(b"{}"), hooks={"foreign": Foreign(answer)})
    assert outcome.status == "failed"
    assert "IntegrationEvent" in outcome.error


def test_a_hook_that_really_waits_is_waited_for():
    class Slow(Foreign):
        async def handle_webhook(self, payload, headers):
            await asyncio.sleep(0)
            return IntegrationEvent("foreign", "x", "info", "t")

    assert replay(payload(b"{}"), hooks={"foreign": Slow()})[0].status == "handled"


@pytest.mark.parametrize("value", [None, 5, "x", [], True, [{"a": 1}]])
def test_a_value_that_is_no_object_is_ignored(value):
    assert replay(Payload("x", value, json.dumps(value).encode()))[0].status == "ignored"


def test_a_file_without_a_payload_stays_what_it_is():
    [outcome] = replay(Payload("x", trouble="malformed", error="not JSON"), verify=True)
    assert outcome == Outcome("x", "malformed", error="not JSON")


# ── how it ends ──


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ("handled", 0),
        ("handled ignored", 0),
        ("handled malformed", 0),
        ("ignored", 6),
        ("malformed", 6),
        ("", 6),
        ("handled missing", 6),
        ("handled failed", 1),
        ("handled unreadable", 1),
        ("failed missing ignored", 1),
        ("handled bad_signature failed missing", 5),
    ],
)
def test_the_gravest_outcome_decides(statuses, code):
    failure = Tally.of(Outcome("x", status) for status in statuses.split()).failure()
    assert (failure.exit_code if failure else 0) == code


def test_payloads_that_are_no_json_are_not_blamed_on_the_plugins():
    one, two = Tally.of([Outcome("x", "malformed")]).failure(), Tally.of([Outcome("x", "malformed")] * 2).failure()
    assert (one.message, one.hint) == ("1 of 1 payload is not readable JSON", None)
    assert (two.message, two.hint) == ("2 of 2 payloads are not readable JSON", None)
    mixed = Tally.of([Outcome("x", "malformed"), Outcome("x", "ignored")]).failure()
    assert "no integration" in mixed.message
    assert mixed.hint


def test_a_thousand_payloads_take_less_than_a_second():
    import time

    body = json.dumps(json.loads(GITHUB) | {"padding": {f"key{n}": ["x" * 50] * 3 for n in range(25)}})
    start = time.perf_counter()
    outcomes = replay(*payloads_in("x", "\n".join([body] * 1000).encode()))
    assert time.perf_counter() - start < 2  # alone it takes a third of a second
    assert {outcome.status for outcome in outcomes} == {"handled"}


def test_a_connector_of_ours_that_waits_after_all_gets_its_loop():
    class Waiting(GitHub):
        __module__ = "codespar_cli.plugins.integrations.waiting"
        begun = 0

        async def handle_webhook(self, payload, headers):
            type(self).begun += 1
            await asyncio.sleep(0)
            return await super().handle_webhook(payload, headers)

    [outcome] = Replay({"github": Waiting()}).run([Payload("x", json.loads(GITHUB))])
    assert (outcome.status, outcome.event.event_type, Waiting.begun) == ("handled", "workflow_run.completed", 2)
