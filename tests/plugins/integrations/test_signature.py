import hashlib
import hmac

import pytest

from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.sentry import Sentry
from codespar_cli.plugins.integrations.signature import sign, usable, verify

# docs.github.com, "Validating webhook deliveries": the vector GitHub publishes
SECRET = "It's a Secret to Everybody"
BODY = b"Hello, World!"
DIGEST = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_githubs_own_vector():
    assert GitHub().verify_signature(BODY, f"sha256={DIGEST}", SECRET) is True
    assert GitHub().verify_signature(BODY.decode(), f"sha256={DIGEST}", SECRET) is True
    assert GitHub().sign(BODY, SECRET) == f"sha256={DIGEST}"


def test_sentry_sends_the_digest_bare():
    assert Sentry().verify_signature(BODY, DIGEST, SECRET) is True
    assert Sentry().verify_signature(BODY, f"sha256={DIGEST}", SECRET) is False
    assert GitHub().verify_signature(BODY, DIGEST, SECRET) is False


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "sha256=",
        f"sha256={DIGEST[:-1]}",
        f"sha256={DIGEST}0",
        f"sha256= {DIGEST}",
        f"sha256={DIGEST}\n",
        f"sha256={DIGEST}, sha256={DIGEST}",
        f"SHA256={DIGEST}",
        f"sha1={DIGEST}",
        "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest(),
        "sha256=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest(),
        "sha512=" + hmac.new(SECRET.encode(), BODY, hashlib.sha512).hexdigest(),
        f"sha256={DIGEST[:-1]}é",
        f"sha256={DIGEST[:-1]}\ud800",
        "sha256=" + "٣" * 64,
        "sha256=" + "0" * 64,
        None,
        b"sha256=" + DIGEST.encode(),
        7,
    ],
)
def test_anything_but_the_exact_signature_is_refused(signature):
    assert GitHub().verify_signature(BODY, signature, SECRET) is False


@pytest.mark.parametrize("secret", ["", None, "  ", "\t\n", [], [""], ["", " ", None], (), {}, 0, "\ud800", b"bytes"])
def test_no_secret_verifies_nothing(secret):
    for key in (b"", b" ", b"  "):
        forged = "sha256=" + hmac.new(key, BODY, hashlib.sha256).hexdigest()
        assert GitHub().verify_signature(BODY, forged, secret) is False


def test_any_of_several_secrets_will_do_while_rotating():
    assert verify(BODY, DIGEST, ["new", SECRET]) is True
    assert verify(BODY, DIGEST, [SECRET, "old"]) is True
    assert verify(BODY, DIGEST, ("", SECRET)) is True
    assert verify(BODY, DIGEST, ["new", "old"]) is False


@pytest.mark.parametrize("payload", [{"a": 1}, [], None, 5, object()])
def test_a_parsed_body_is_a_type_error(payload):
    with pytest.raises(TypeError, match="raw body"):
        GitHub().verify_signature(payload, f"sha256={DIGEST}", SECRET)


def test_bytes_are_signed_as_they_are():
    for body in (b"\xff\xfe\x00", "é".encode("latin-1"), b'{"a": 1}', b'{"a":1}', bytearray(b"x"), memoryview(b"x")):
        assert verify(body, sign(body, SECRET), SECRET) is True
    assert verify(b'{"a":1}', sign(b'{"a": 1}', SECRET), SECRET) is False
    assert verify("é", sign("é".encode(), SECRET), SECRET) is True
    assert verify("\ud800", DIGEST, SECRET) is False


def test_the_same_digest_in_capitals_is_the_same_digest():
    assert verify(BODY, DIGEST.upper(), SECRET) is True


def test_signing_needs_a_secret_that_protects():
    for secret in ("", " ", "\ud800"):
        with pytest.raises(ValueError, match="not empty"):
            sign(BODY, secret)
    assert usable(["a", "", None, "b"]) == [b"a", b"b"]
