"""No secret that this process has in hand is kept with what somebody's program said."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.webhooks.keys import Keys
from codespar_cli.webhooks.known_secrets import KnownSecrets

SECRET = 'hush "hush"/2026'
values = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=12, max_size=40).filter(
    lambda value: value.strip() == value and len(value.splitlines()) == 1
)


@pytest.mark.parametrize(
    "spelled", [SECRET, json.dumps(SECRET)[1:-1], base64.b64encode(SECRET.encode()).decode(), SECRET.encode().hex()]
)
def test_what_was_noted_is_masked_however_it_is_spelled(spelled):
    known = KnownSecrets()
    assert known.masked(f"a {spelled} b") == f"a {spelled} b"
    assert known.noted(SECRET) == SECRET
    shown = known.masked(f"a {spelled} b")
    assert shown.startswith("a ********")
    assert spelled[:8] not in shown
    assert shown.endswith(" b")


@given(values, st.text(st.characters(exclude_categories=("Cs",)), max_size=50), st.data())
def test_no_value_comes_through_a_stream_however_it_is_cut(value, around, data):
    known = KnownSecrets()
    known.noted(value)
    whole = (around + value + around).encode()
    masker, out, at = known.masker(), b"", 0
    while at < len(whole):
        step = data.draw(st.integers(1, 30))
        out += masker.feed(whole[at : at + step])
        at += step
    out += masker.finish()
    assert value.encode() not in out


def test_the_latest_of_others_count():
    keys = Keys(tuple)
    known = KnownSecrets(lambda: keys.latest)
    keys.prime(["first-secret"])
    assert known.masked("first-secret second-secret") == "******** second-secret"
    keys.prime(["second-secret"])
    assert known.masked("second-secret") == "********"


def test_the_password_of_an_address_is_known_by_itself():
    known = KnownSecrets()
    known.noted("postgresql://me:pass-word-9@db.example/inbox")
    assert known.masked("password authentication with pass-word-9 failed for me") == (
        "password authentication with ******** failed for me"
    )
    for odd in ("://", "http://[", "a://b", ""):
        known.noted(odd)


class Resolving:
    def __call__(self, reference):
        return {"env:A": "value-of-a"}.get(reference)

    def advice(self, reference):
        return f"set {reference}"


def test_what_a_resolver_answers_is_known_and_it_goes_on_advising():
    known = KnownSecrets()
    resolve = known.noting(Resolving())
    assert (resolve("env:A"), resolve("env:B"), resolve.advice("env:B")) == ("value-of-a", None, "set env:B")
    assert known.masked("value-of-a") == "********"
    assert "value-of-a" not in f"{known!r} {known} {resolve!r}"
