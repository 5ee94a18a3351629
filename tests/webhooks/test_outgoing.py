"""What leaves for another address: which headers, which bytes, whose signature."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.headers import Headers
from codespar_cli.net.addresses import vetted
from codespar_cli.net.exchange import Target
from codespar_cli.plugins.integrations.datadog import Datadog
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.jira import Jira
from codespar_cli.plugins.integrations.linear import Linear
from codespar_cli.plugins.integrations.pagerduty import PagerDuty
from codespar_cli.plugins.integrations.sentry import Sentry
from codespar_cli.webhooks.authenticity import refusal, staleness
from codespar_cli.webhooks.outcome import Outcome
from codespar_cli.webhooks.outgoing import Message, fresh, kept_for_target, resigned
from codespar_cli.webhooks.payload import Payload
from codespar_cli.webhooks.resend import Resend

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOOKS = [GitHub(), Sentry(), Linear(), Jira(), Datadog(), PagerDuty()]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


class Silent:
    """A third party's hook that says nothing of its wire."""


@given(hook=st.sampled_from(HOOKS), value=st.dictionaries(st.text(max_size=5), JSON), ascii_only=st.booleans())
def test_what_is_made_for_a_provider_is_genuine_for_its_connector(hook, value, ascii_only):
    raw = json.dumps({**value, "webhookTimestamp": 1}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        message = resigned(hook, fresh(hook, raw, "issue", NOW), "s3cret", NOW, None)
    except ValueError:
        assert hook.id == "linear"  # half a surrogate pair is no body of its own
        return
    headers = Headers(message.headers)
    assert refusal(hook, hook.id, message.raw, headers, ["s3cret"]) is None
    assert refusal(hook, hook.id, message.raw, headers, ["other"]) is not None
    if hook.id == "linear":
        assert staleness(hook, json.loads(message.raw), headers, NOW) is None
    else:
        assert message.raw == raw


@pytest.mark.parametrize(
    "body",
    [
        '{"data": {"webhookTimestamp": 5}, "webhookTimestamp": 1700000000000}',
        '{"a": "\\"webhookTimestamp\\": 5", "webhookTimestamp" :\n 7}',
        '{"webhookTimestamp": -1.5, "data": {"webhookTimestamp": 5}}',
        '\ufeff{"webhookTimestamp": 0}  ',
    ],
)
def test_only_the_signed_time_changes(body):
    raw = body.encode()
    stamped = Linear().stamped(raw, NOW)
    before, after = json.loads(raw.decode("utf-8-sig")), json.loads(stamped.decode("utf-8-sig"))
    assert after == {**before, "webhookTimestamp": 1795435200000}
    assert len(raw) - len(str(before["webhookTimestamp"])) == len(stamped) - 13


@pytest.mark.parametrize("raw", [b"[]", b"{}", b'{"data": {"webhookTimestamp": 5}}', b"", b"\xff", b"nope"])
def test_a_body_without_a_time_cannot_be_stamped(raw):
    with pytest.raises(ValueError, match=r"\S"):
        Linear().stamped(raw, NOW)


def test_headers_of_the_connection_and_credentials_stay_here():
    headers = Headers(
        {
            "Host": "a",
            "Content-Length": "5",
            "Transfer-Encoding": "chunked",
            "X-Forwarded-For": "1.2.3.4",
            "Authorization": "x",
            "X-GitHub-Session": "x",
            "X-GitHub-Event": "push",
            "X-GitHub-Hook-ID": "7",
            "X-GitHub-Bad": "a\r\nInjected: 1",
            "Content-Type": "application/json",
        }
    )
    assert kept_for_target(GitHub(), headers) == {
        "x-github-event": "push",
        "x-github-hook-id": "7",
        "content-type": "application/json",
    }
    assert kept_for_target(Silent(), headers) == {"content-type": "application/json"}
    assert kept_for_target(Datadog(), Headers({"X-Codespar-Token": "the secret"})) == {}


def test_times_are_told_in_the_unit_they_were_told_in():
    old = {"sentry-hook-timestamp": "1700000000", "linear-timestamp": "1700000000000"}
    assert resigned(Sentry(), Message(b"{}", old), "s", NOW, None).headers["sentry-hook-timestamp"] == "1795435200"
    signed = resigned(Linear(), Message(b'{"webhookTimestamp": 1}', old), "s", NOW, None)
    assert signed.headers["linear-timestamp"] == "1795435200000"


@pytest.mark.parametrize("secret", ["", "  ", "whsec_", "whsec_AAAA", "whsec_not base64"])
def test_a_secret_that_protects_nothing_signs_nothing(secret):
    for hook in HOOKS:
        with pytest.raises(ValueError, match=r"\S") as error:
            resigned(hook, Message(b'{"webhookTimestamp": 1}', {}), secret, NOW, None)
        assert secret.strip() == "" or secret not in str(error.value).replace("`whsec_`", "")


def test_a_token_that_no_header_can_hold_is_refused_and_not_repeated():
    with pytest.raises(ValueError, match="no header can") as error:
        resigned(Datadog(), Message(b"{}", {}), "tok\r\nX: 1", NOW, None)
    assert "tok" not in str(error.value)


def test_who_signs_nothing_needs_a_standard_secret():
    with pytest.raises(ValueError, match="signs nothing"):
        resigned(Silent(), Message(b"{}", {}), "s", NOW, None)
    signed = resigned(Silent(), Message(b"{}", {}), "whsec_" + "A" * 32, NOW, "d-1")
    assert signed.headers["webhook-id"] == "d-1"


def test_an_id_from_outside_that_no_header_can_hold_is_not_sent():
    for name in ("ü", "a b", "", "x" * 300):
        signed = resigned(GitHub(), Message(b"{}", {}), "whsec_" + "A" * 32, NOW, name)
        assert signed.headers["webhook-id"].startswith("msg_")


def test_a_name_that_leads_elsewhere_the_second_time_is_refused():
    """DNS rebinding: the name is looked up for each request, and judged each time."""
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    target = Target.of("https://rebound.example/in")
    assert vetted(target.host, target.port, allow_private=False, look=lambda host, port: next(answers))
    resend = Resend(target, {"github": GitHub()}, clock=lambda: NOW, look=lambda host, port: next(answers))
    found = resend(Payload("x", {}, b"{}"), Outcome("x", "handled", "github"))
    assert (found.status, found.answered) == ("failed", None)
    assert "loopback" in found.error
