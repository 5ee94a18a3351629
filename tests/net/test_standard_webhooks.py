"""Signatures as Standard Webhooks has them, against the vector of its reference library."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.net.standard_webhooks import headers, key_of, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'


@pytest.mark.parametrize("secret", [SECRET, SECRET.removeprefix("whsec_"), f" {SECRET}\n"])
def test_the_published_vector(secret):
    """standard-webhooks/standard-webhooks, libraries/javascript/src/webhook.test.ts, "sign function works"."""
    assert headers(secret, ID, AT, BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.binary(min_size=24, max_size=64), st.binary())
def test_any_change_is_another_signature(key, body):
    secret = "whsec_" + base64.b64encode(key).decode()
    assert key_of(secret) == key
    true = sign(key, ID, AT, body)
    assert len({true, sign(key, ID, AT + 1, body), sign(key, ID + "x", AT, body), sign(key, ID, AT, body + b"x")}) == 4


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "hush", "whsec_" + "A" * 28, "whsec_" + "A" * 92, "whsec_ä", "whsec_####"]
)
def test_a_secret_that_is_none_is_not_repeated(secret):
    with pytest.raises(ValueError, match=r"^expected `whsec_`") as error:
        key_of(secret)
    assert error.value.__context__ is None
