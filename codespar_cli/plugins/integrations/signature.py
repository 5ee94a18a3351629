"""Signatures of webhook bodies: HMAC-SHA-256 over the bytes as received, compared in constant time.

The algorithm is ours to choose and never the header's: a sender who may pick SHA-1 has picked it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

_HEX_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def verify(payload: bytes | str, signature: Any, secret: Any, *, prefix: str = "") -> bool:
    """Whether any of the secrets made this signature.

    Every usable secret is tried, so that the time taken does not say which one matched. A missing, empty or blank
    secret verifies nothing; a signature that is not `prefix` and 64 hex digits is False.

    Raises:
        TypeError: `payload` is neither bytes nor text. A parsed body has lost the bytes that were signed.
    """
    body = _as_bytes(payload)
    keys = usable(secret)
    if body is None or not isinstance(signature, str) or not signature.startswith(prefix):
        return False
    digest = signature[len(prefix) :]
    if not keys or _HEX_DIGEST.fullmatch(digest) is None:
        return False
    given = bytes.fromhex(digest)
    matched = False
    for key in keys:
        matched |= hmac.compare_digest(hmac.digest(key, body, sha256), given)
    return matched


def sign(payload: bytes | str, secret: str, *, prefix: str = "") -> str:
    """The header's value for this body. Raises ValueError for a secret that would verify nothing."""
    body, keys = _as_bytes(payload), usable(secret)
    if body is None or not keys:
        raise ValueError("a signature needs a body and a secret that is not empty")
    return prefix + hmac.new(keys[0], body, sha256).hexdigest()


def usable(secret: str | Sequence[str] | None) -> list[bytes]:
    """The keys among these secrets that protect anything: text that is not blank."""
    candidates: Iterable[Any] = secret if isinstance(secret, list | tuple) else (secret,)
    keys = []
    for candidate in candidates:
        if isinstance(candidate, str) and candidate.strip():
            key = _as_bytes(candidate)
            if key is not None:
                keys.append(key)
    return keys


def _as_bytes(value: Any) -> bytes | None:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError:  # a lone surrogate: no sender can have signed that
            return None
    raise TypeError(f"a signature is over the raw body, bytes or text, not {type(value).__name__}")
