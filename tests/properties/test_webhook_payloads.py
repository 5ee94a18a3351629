"""Whatever a payload holds, a connector answers an event that keeps every promise of its contract, or None."""

import asyncio
import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codespar_cli.core.hooks import SEVERITIES, IntegrationEvent
from codespar_cli.core.text import clean_block, clean_line
from codespar_cli.plugins.integrations.datadog import Datadog
from codespar_cli.plugins.integrations.fields import web_url
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.github_events import TOPICS
from codespar_cli.plugins.integrations.pagerduty import PagerDuty
from codespar_cli.plugins.integrations.sentry import Sentry
from codespar_cli.plugins.integrations.signature import sign, verify

FIXTURES = Path(__file__).parents[1] / "plugins" / "integrations" / "fixtures"
PAYLOADS = {
    (provider, path.stem): path.read_text()
    for provider in ("github", "sentry", "datadog", "pagerduty")
    for path in sorted((FIXTURES / provider).glob("*.json"))
    if path.stem != "expected"
}
HOOKS = {
    "github": (GitHub(), "X-GitHub-Event"),
    "sentry": (Sentry(), "Sentry-Hook-Resource"),
    "datadog": (Datadog(), "X-Codespar-Token"),  # names no event, and may say that anything with a title is Datadog's
    "pagerduty": (PagerDuty(), "X-Webhook-Id"),
}
TEXT = st.text(st.characters(exclude_categories=()), max_size=40)  # surrogates, controls and all
LEAF = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXT,
    st.sampled_from(["x" * 5000, 10**400, "https://a.example/" + "b" * 3000]),
)
JSON = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
EVENTS = st.sampled_from([*TOPICS, "issue", "error", "event_alert", "metric_alert", "seer", "installation", "nonsense"])


def handle(provider, payload, headers):
    return asyncio.run(HOOKS[provider][0].handle_webhook(payload, headers))


def keeps_its_promises(event, provider):
    if event is None:
        return
    assert isinstance(event, IntegrationEvent)
    assert event.source == provider
    assert event.severity in SEVERITIES
    for text, limit in ((event.event_type, 201), (event.title, 300)):
        assert text
        assert len(text) <= limit
        assert clean_line(text) == text
    for text in (event.external_id, event.actor, event.project, event.delivery_id):
        assert text is None or (text and len(text) <= 200 and clean_line(text) == text)
    for text, limit in ((event.detail, 8192), (event.stack_trace, 16_384)):
        assert text is None or (text and len(text) <= limit and clean_block(text) == text)
    assert event.url is None or web_url(event.url) == event.url
    assert event.occurred_at is None or (
        isinstance(event.occurred_at, datetime) and event.occurred_at.utcoffset() is not None
    )
    assert len(event.affected_files) <= 300
    assert all(name and clean_line(name, 1024) == name for name in event.affected_files)
    json.dumps(event.native, allow_nan=False).encode()


def paths(value, at=()):
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*at, key)
        yield from paths(item, (*at, key))


def replace(value, path, new):
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = new


@pytest.mark.parametrize("provider", HOOKS)
@settings(max_examples=300)
@given(data=st.data())
def test_a_real_payload_with_anything_in_any_place(provider, data):
    name = data.draw(st.sampled_from(sorted(name for owner, name in PAYLOADS if owner == provider)))
    payload = json.loads(PAYLOADS[provider, name])
    headers = data.draw(st.sampled_from([{}, {HOOKS[provider][1]: name.partition("__")[0]}]))
    for path in data.draw(st.lists(st.sampled_from(list(paths(payload))), max_size=4)):
        try:
            replace(payload, path, data.draw(JSON))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier replacement took the place away
    keeps_its_promises(handle(provider, payload, headers), provider)


@pytest.mark.parametrize("provider", HOOKS)
@given(payload=JSON, event=EVENTS | TEXT)
def test_any_json_under_any_event(provider, payload, event):
    keeps_its_promises(handle(provider, payload, {HOOKS[provider][1]: event}), provider)
    assert handle(provider, payload, {}) is None


@pytest.mark.parametrize("provider", HOOKS)
@given(raw=st.binary(max_size=200), headers=st.dictionaries(TEXT, st.none() | TEXT | st.binary() | st.lists(TEXT)))
def test_any_bytes_with_any_headers(provider, raw, headers):
    keeps_its_promises(handle(provider, raw, headers), provider)


@given(
    st.binary(), st.text(min_size=1).filter(str.strip).filter(lambda text: text.isprintable()), st.integers(min_value=0)
)
def test_a_signature_is_of_exactly_one_body_and_one_secret(body, secret, where):
    signature = sign(body, secret)
    assert verify(body, signature, secret)
    assert not verify(body, signature, secret + "x")
    assert not verify(body + b"\0", signature, secret)
    if body:
        position = where % (8 * len(body))
        flipped = bytearray(body)
        flipped[position // 8] ^= 1 << position % 8
        assert not verify(flipped, signature, secret)
    broken = list(signature)
    broken[where % 64] = "0" if broken[where % 64] != "0" else "1"
    assert not verify(body, "".join(broken), secret)


@given(st.binary(), st.none() | TEXT | st.integers() | st.binary(), st.none() | TEXT | st.lists(TEXT | st.none()))
def test_no_signature_and_no_secret_make_verify_raise(body, signature, secret):
    for prefix in ("", "sha256="):
        assert verify(body, signature, secret, prefix=prefix) is False


WORDS = st.sampled_from(
    [
        "title",
        "alert_transition",
        "ALERT_TYPE",
        "alertPriority",
        "event_type",
        "body",
        "link",
        "tags",
        "date",
        "alert",
        "org",
        "id",
    ]
)
SAID = LEAF | st.sampled_from(
    ["Triggered", "re-no data", "[Recovered on {a}] b", "P1", "error", "%%%\na\n%%%", "1795183743000"]
)


@given(st.dictionaries(WORDS, SAID | st.dictionaries(WORDS, SAID) | st.lists(SAID, max_size=3)), st.booleans())
def test_any_template_of_datadogs_words(payload, with_token):
    headers = {"X-Codespar-Token": "x"} if with_token else {}
    keeps_its_promises(handle("datadog", payload, headers), "datadog")
