"""Signatures of messages as the Standard Webhooks specification says (standardwebhooks.com, "Webhook signatures").

A message is signed with its id and the time of this attempt, so that a receiver can refuse what is old or came before.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"
_SECRET_BYTES = range(24, 65)


def headers(secret: str, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a signed message; `timestamp` in seconds since the epoch. Raises ValueError, see `key_of`."""
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(key_of(secret), id, timestamp, body),
    }


def sign(key: bytes, id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of a message; `timestamp` in seconds since the epoch."""
    signed = f"{id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def key_of(secret: str) -> bytes:
    """The bytes of a `whsec_…` secret. Raises ValueError, which never repeats it."""
    expected = "expected `whsec_` and base64 of 24 to 64 bytes"
    try:
        key = base64.b64decode(secret.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in _SECRET_BYTES:  # outside of `except`: that exception holds the secret
        raise ValueError(expected)
    return key
