"""For every way in which a signature is known to go wrong: the doctor names that one, and what it says gives nothing away."""

import hmac
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.headers import Headers
from codespar_cli.core.services import Services
from codespar_cli.plugins.integrations.datadog import Datadog
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.jira import Jira
from codespar_cli.plugins.integrations.linear import Linear
from codespar_cli.plugins.integrations.pagerduty import PagerDuty
from codespar_cli.plugins.integrations.sentry import Sentry
from codespar_cli.webhooks.diagnosis import Doctor
from codespar_cli.webhooks.payload import Payload, payload_of

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KINDS = {kind.id: kind for kind in (GitHub, Sentry, Linear, Jira, Datadog, PagerDuty)}
SIGNING = [name for name in KINDS if name != "datadog"]
SECRETS = {f"env:{name}": f"{name}-secret-0123456789" for name in KINDS} | {"env:acme": "the tenant acme's own secret"}
FAULTS = {}


def hooks(**secrets):
    def make(name, kind):
        options = {"secret": f"env:{name}", "tenants": {"acme": {"secret": "env:acme"}} if name == "github" else {}}
        return kind.from_options(options, Services(state_dir=Path("state"), resolve=({**SECRETS, **secrets}).get))

    return {name: make(name, kind) for name, kind in KINDS.items()}


def mac(raw, secret, name="sha256"):
    return hmac.new(secret.encode(), raw, name)


def body(value, **options):
    return json.dumps({"webhookTimestamp": int(NOW.timestamp() * 1000), **value}, **options).encode()


def examine(name, raw, headers, now=NOW, **secrets):
    payload = Payload("x", json.loads(raw) if raw[:1] == b"{" else None, raw, Headers(headers))
    return Doctor(hooks(**secrets), now).examine(payload, name)


def fault(cause):
    def register(build):
        FAULTS[build.__name__] = (cause, build)
        return build

    return register


class Case:
    def __init__(self, name):
        self.name = name
        self.wire = KINDS[name].wire
        self.secret = SECRETS[f"env:{name}"]

    def signed(self, raw, signed_as=None, secret=None):
        digest = mac(raw if signed_as is None else signed_as, self.secret if secret is None else secret).hexdigest()
        return raw, {self.wire.signature_header: self.wire.signature_prefix + digest}


# Each answers (raw, headers) with one mistake in it. `value` has a key out of order, a letter beyond ASCII and a slash.


@fault("other_secret")
def of_another_provider(case, value):
    other = next(name for name in SIGNING if name != case.name)
    return case.signed(body(value), secret=SECRETS[f"env:{other}"])


@fault("other_secret")
def of_a_tenant(case, value):
    return case.signed(body(value), secret=SECRETS["env:acme"])


@fault("body_rewritten")
def pretty_was_compact(case, value):
    return case.signed(body(value, indent=2), body(value, separators=(",", ":")))


@fault("body_rewritten")
def compact_was_pretty(case, value):
    return case.signed(body(value, separators=(",", ":")), body(value, indent=2))


@fault("body_rewritten")
def spaced_by_python(case, value):
    return case.signed(body(value), body(value, separators=(",", ":"), ensure_ascii=False))


@fault("body_rewritten")
def escaped(case, value):
    return case.signed(body(value, ensure_ascii=False), body(value))


@fault("body_rewritten")
def sorted_before(case, value):
    return case.signed(body(value), body(value, sort_keys=True, separators=(",", ":")))


@fault("body_rewritten")
def slashes_escaped(case, value):
    return case.signed(body(value), body(value, separators=(",", ":")).replace(b"/", b"\\/"))


@fault("trailing_newline_added")
def newline_added(case, value):
    return case.signed(body(value) + b"\n", body(value))


@fault("trailing_newline_missing")
def newline_missing(case, value):
    return case.signed(body(value), body(value) + b"\n")


@fault("line_ends")
def crlf(case, value):
    return case.signed(body(value, indent=1).replace(b"\n", b"\r\n"), body(value, indent=1))


@fault("line_ends")
def lf(case, value):
    return case.signed(body(value, indent=1), body(value, indent=1).replace(b"\n", b"\r\n"))


@fault("bom")
def mark_added(case, value):
    return case.signed(b"\xef\xbb\xbf" + body(value), body(value))


@fault("bom")
def mark_missing(case, value):
    return case.signed(body(value), b"\xef\xbb\xbf" + body(value))


@fault("form_unwrapped")
def unwrapped(case, value):
    return case.signed(body(value), b"payload=" + quote_plus(body(value)).encode())


@fault("form_wrapped")
def wrapped(case, value):
    return case.signed(b"payload=" + quote_plus(body(value)).encode(), body(value))


@fault("wrong_prefix")
def prefix(case, value):
    raw, headers = case.signed(body(value))
    return raw, {name: "hmac-sha256=" + text.rpartition("=")[2] for name, text in headers.items()}


@fault("missing_prefix")
def no_prefix(case, value):
    raw, headers = case.signed(body(value))
    return raw, {name: text.rpartition("=")[2] for name, text in headers.items()}


@fault("wrong_header")
def header(case, value):
    raw, headers = case.signed(body(value))
    return raw, {"X-Forwarded-Signature": next(iter(headers.values()))}


@fault("wrong_algorithm")
def sha1(case, value):
    raw = body(value)
    digest = mac(raw, case.secret, "sha1").hexdigest()
    return raw, {case.wire.signature_header: case.wire.signature_prefix + digest}


@fault("wrong_algorithm")
def sha512(case, value):
    raw = body(value)
    return raw, {case.wire.signature_header: case.wire.signature_prefix + mac(raw, case.secret, "sha512").hexdigest()}


@fault("base64")
def in_base64(case, value):
    raw = body(value)
    text = b64encode(mac(raw, case.secret).digest()).decode()
    return raw, {case.wire.signature_header: case.wire.signature_prefix + text}


@fault("secret_whitespace")
def newline_in_the_senders_secret(case, value):
    return case.signed(body(value), secret=case.secret + "\n")


@fault("secret_whitespace")
def quotes_in_the_senders_secret(case, value):
    return case.signed(body(value), secret=f'"{case.secret}"')


@fault("empty_secret")
def empty(case, value):
    return case.signed(body(value), secret="")


@fault("header_missing")
def unsigned(case, value):
    return body(value), {}


@fault("malformed_signature")
def cut(case, value):
    raw, headers = case.signed(body(value))
    return raw, {name: text[:-3] for name, text in headers.items()}


@fault("unknown_secret")
def foreign(case, value):
    return case.signed(body(value), secret="nobody's")


VALUES = st.dictionaries(st.text("abcxyz/", min_size=1, max_size=5), st.text('aé☃/ "\\', max_size=8), max_size=4).map(
    lambda more: {"zulu": "é/☃", "alpha": [1, {"b": None}], **more}
)


@pytest.mark.parametrize("kind", FAULTS)
@given(name=st.sampled_from(SIGNING), value=VALUES)
def test_a_fault_is_found(kind, name, value):
    cause, build = FAULTS[kind]
    if cause == "missing_prefix" and not KINDS[name].wire.signature_prefix:
        return
    raw, headers = build(Case(name), value)
    diagnosis = examine(name, raw, headers)
    assert not diagnosis.genuine
    assert [finding.cause for finding in diagnosis.findings] == [cause]
    said = repr(diagnosis)
    for private in (*SECRETS.values(), *headers.values()):
        assert private not in said
    for finding in diagnosis.findings:
        assert finding.message == finding.message.strip(". \n")
        assert "\n" not in finding.message + finding.fix


@given(name=st.sampled_from(SIGNING), value=VALUES)
def test_what_is_genuine_is_healthy(name, value):
    raw, headers = Case(name).signed(body(value))
    assert examine(name, raw, headers)[2:] == (True, ())


def test_two_faults_are_both_told():
    raw, headers = Case("github").signed(body({}) + b"\n", body({}), secret=SECRETS["env:sentry"])
    found = examine("github", raw, headers)
    assert {finding.cause for finding in found.findings} == {"other_secret", "trailing_newline_added"}
    assert "`sentry`" in found.findings[0].message


def test_whose_secret_it_was_is_named_with_its_tenant():
    found = examine("sentry", *Case("sentry").signed(body({}), secret=SECRETS["env:acme"]))
    assert "`github` of the tenant `acme`" in found.findings[0].message


def test_white_space_in_our_own_secret_is_found():
    raw, headers = Case("github").signed(body({}))
    found = examine("github", raw, headers, **{"env:github": f"{SECRETS['env:github']}\n "})
    assert [finding.cause for finding in found.findings] == ["secret_whitespace"]


def test_upper_case_digits_are_remarked_and_genuine():
    raw, headers = Case("github").signed(body({}))
    upper = {name: "sha256=" + text[7:].upper() for name, text in headers.items()}
    found = examine("github", raw, upper)
    assert found.genuine
    assert [finding.cause for finding in found.findings] == ["hex_case"]


@pytest.mark.parametrize("seconds", [-61, 61, 86_400])
def test_a_clock_that_is_off_is_told_for_linear_only(seconds):
    for name, genuine in (("linear", False), ("github", True)):
        found = examine(name, *Case(name).signed(body({})), now=NOW + timedelta(seconds=seconds))
        assert found.genuine is genuine
        assert [finding.cause for finding in found.findings] == ([] if genuine else ["clock"])


def test_the_time_of_receipt_counts_for_a_delivery_that_was_kept():
    raw, headers = Case("linear").signed(body({}))
    record = {"headers": headers, "body": raw.decode(), "received_at": "2026-11-23T12:00:30Z"}
    found = Doctor(hooks(), NOW + timedelta(days=3)).examine(payload_of("x", json.dumps(record)), "linear")
    assert found.genuine


def test_a_token_is_compared_and_not_searched_in_the_body():
    token = SECRETS["env:datadog"]
    raw = body({})
    for headers, causes in (
        ({"X-Codespar-Token": token}, []),
        ({"X-Codespar-Token": f"Bearer {token}"}, ["wrong_prefix"]),
        ({"Authorization": token}, ["wrong_header"]),
        ({"X-Codespar-Token": SECRETS["env:github"]}, ["other_secret"]),
        ({"X-Codespar-Token": "x"}, ["unknown_secret"]),
        ({}, ["header_missing"]),
    ):
        found = examine("datadog", raw, headers)
        assert [finding.cause for finding in found.findings] == causes
        assert token not in repr(found)


def test_a_record_without_bytes_and_a_stranger_have_their_own_findings():
    doctor = Doctor(hooks(), NOW)
    parsed = payload_of("x", json.dumps({"headers": {"X-Hub-Signature-256": "sha256=00"}, "body": {"a": 1}}))
    assert doctor.examine(parsed, "github").findings[0].cause == "body_parsed"
    assert doctor.examine(parsed, None).findings[0].cause == "unknown_provider"
    assert doctor.examine(parsed, "nobody").findings[0].cause == "unknown_provider"
    no_secret = Doctor({"github": GitHub()}, NOW).examine(Payload("x", {}, b"{}", Headers()), "github")
    assert no_secret.findings[0].cause in {"no_secret", "header_missing"}


@given(raw=st.binary(max_size=200), value=st.text(max_size=90), name=st.sampled_from([*KINDS]))
def test_whatever_comes_in_is_answered(raw, value, name):
    found = examine(name, b"\x00" + raw, {KINDS[name].wire.signature_header: value, "x-other": value[::-1]})
    assert not found.genuine
    assert found.findings


def test_the_hash_of_a_large_body_is_not_taken_for_every_thinkable_pair():
    raw = body({"text": "x" * (4 << 20)})
    found = examine("github", *Case("github").signed(raw + b"\n", raw))
    assert [finding.cause for finding in found.findings] == ["trailing_newline_added"]
