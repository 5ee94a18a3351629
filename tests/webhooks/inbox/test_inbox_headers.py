"""What is stored of a delivery's headers."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.administration.webhooks import Wire
from codespar_cli.core.services import Services
from codespar_cli.plugins.integrations.datadog import Datadog
from codespar_cli.webhooks.inbox.kept_headers import kept_headers

GITHUB = Wire(
    signature_header="X-Hub-Signature-256", event_header="X-GitHub-Event", delivery_header="X-GitHub-Delivery"
)
SENTRY = Wire("Sentry-Hook-Signature", "", "Sentry-Hook-Resource", "Request-ID", "Sentry-Hook-Timestamp")
JIRA = Wire("X-Hub-Signature", delivery_header="X-Atlassian-Webhook-Identifier")
DATADOG = Wire(signature_header="X-Codespar-Token")

SECRET_NAMES = [
    "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "X-Auth", "X-GitHub-Token",
    "X-Amz-Security-Token", "X-Session-Id", "Client-Secret", "X-Codespar-Token", "X-JWT-Assertion",
]  # fmt: skip


def names(pairs, wire, secrets=()):
    return [name for name, _ in kept_headers(pairs, wire, secrets)]


def test_what_says_whose_delivery_it_is_stays_and_the_rest_goes():
    sent = [
        (b"host", b"example.org"),
        (b"x-github-event", b"push"),
        (b"x-github-delivery", b"72d3162e"),
        (b"x-hub-signature-256", b"sha256=00"),
        (b"x-github-hook-id", b"1"),
        (b"content-type", b"application/json"),
        (b"user-agent", b"GitHub-Hookshot/1"),
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"content-length", b"2"),
        (b"x-something", b"else"),
    ]
    assert names(sent, GITHUB) == [
        "x-github-event", "x-github-delivery", "x-hub-signature-256", "x-github-hook-id", "content-type", "user-agent",
    ]  # fmt: skip


def test_the_time_and_what_a_connector_reads_beside_its_wire_stay():
    sent = [("Sentry-Hook-Timestamp", "1"), ("Request-ID", "2"), ("X-Atlassian-Webhook-Flow", "Primary")]
    assert names(sent, SENTRY) == ["sentry-hook-timestamp", "request-id"]
    assert names(sent, JIRA) == ["x-atlassian-webhook-flow"]


@pytest.mark.parametrize("wire", [GITHUB, DATADOG, Wire(), Wire(signature_header="X-Session-Id")])
def test_what_opens_something_is_never_stored(wire):
    assert kept_headers([(name, "opens it") for name in SECRET_NAMES], wire) == ()


@pytest.mark.parametrize("header", ["X-Hook-Id", "x-my-hook", "Datadog", "X-Codespar-Token"])
def test_a_shared_token_is_not_stored_where_nobody_verifies_either(header):
    wire = Datadog.from_options({"header": header}, Services(state_dir=Path("state"))).wire
    assert names([(header.lower(), "opens it"), ("content-type", "application/json")], wire) == ["content-type"]


def test_a_shared_token_is_not_stored_whatever_its_header_is_called():
    wire = Wire(signature_header="X-My-Signature")
    sent = [(b"x-my-signature", "pässword".encode()), (b"x-my-copy", b"Bearer abc")]
    assert names(sent, wire, ["pässword", "abc"]) == []
    assert names(sent, wire, ["", " "]) == ["x-my-signature", "x-my-copy"]


def test_a_connector_that_names_no_header_may_read_any():
    assert names([("X-Event", "a"), ("Host", "b"), ("Cookie", "c")], Wire()) == ["x-event"]


TEXTS = st.text(alphabet=st.characters(max_codepoint=255), max_size=30)


@given(
    st.lists(st.tuples(st.sampled_from([*SECRET_NAMES, "X-GitHub-Event", "x"]) | TEXTS, TEXTS | st.binary())),
    st.sampled_from([GITHUB, SENTRY, DATADOG, Wire()]),
    st.lists(st.text(min_size=1)),
)
def test_any_headers_are_kept_harmless_in_their_order(pairs, wire, secrets):
    kept = kept_headers(pairs, wire, secrets)
    came = [(name.lower(), value.decode("latin-1") if isinstance(value, bytes) else value) for name, value in pairs]
    rest = iter(came)
    assert all(pair in rest for pair in kept)
    assert not {name for name, _ in kept} & {name.lower() for name in SECRET_NAMES}
    for secret in secrets:
        assert not secret.strip() or not any(secret in value for _, value in kept)


def test_neither_many_headers_nor_long_ones_fill_the_store():
    kept = kept_headers([("X-GitHub-Event", "y" * 99_999)] * 500, GITHUB)
    assert (len(kept), max(len(value) for _, value in kept)) == (64, 4096)
