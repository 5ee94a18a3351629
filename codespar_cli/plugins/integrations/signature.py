"""Signatures of webhook bodies: HMAC-SHA-256 over the bytes as received, compared in constant time.

The algorithm is ours to choose and never the header's: a sender who may pick SHA-1 has picked it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

from codespar_cli.core.hashing import hmac_sha256

_HEX_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def verify(payload: bytes | str, signature: Any, secret: Any, *, prefix: str = "") -> bool:
    """Whether any of the secrets made this signature.

    Every usable secret is tried, so that the time taken does not say which one matched. A missing, empty or blank
    secret verifies nothing; a signature that is not `prefix` and 64 hex digits is False.

    Raises:
        TypeError: `payload` is neither bytes nor text. A parsed body has lost the bytes that were signed.
    """
    return verify_any(payload, (signature,), secret, prefix=prefix)


def verify_any(payload: bytes | str, signatures: Iterable[Any], secret: Any, *, prefix: str = "") -> bool:
    """The same for a provider that sends several signatures while its secret is rotated: whether one of them is good.

    Each key hashes the body once, however many signatures came. Raises TypeError like `verify`.
    """
    body, keys = _as_bytes(payload), usable(secret)
    given = [digest for signature in signatures if (digest := _digest(signature, prefix)) is not None]
    if body is None or not given:
        return False
    matched = False
    for key in keys:
        ours = hmac_sha256(key, body)
        for theirs in given:
            matched |= hmac.compare_digest(ours, theirs)
    return matched


def is_token(payload: bytes | str, given: Any, secret: Any) -> bool:
    """Whether `given` is one of the secrets itself, for a provider that sends a shared token in place of a signature.

    It says nothing about the body. Compared as digests, so that the time taken tells neither a matching start nor a
    length. Raises TypeError like `verify`, for a caller that takes it for a signature.
    """
    _as_bytes(payload)
    token = usable(given) if isinstance(given, str) else []
    theirs = sha256(token[0]).digest() if token else b""
    matched = False
    for key in usable(secret):
        matched |= hmac.compare_digest(sha256(key).digest(), theirs)
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


def _digest(signature: Any, prefix: str) -> bytes | None:
    if not isinstance(signature, str) or not signature.startswith(prefix):
        return None
    digits = signature[len(prefix) :]
    return bytes.fromhex(digits) if _HEX_DIGEST.fullmatch(digits) else None


def _as_bytes(value: Any) -> bytes | None:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError:  # a lone surrogate: no sender can have signed that
            return None
    raise TypeError(f"a signature is over the raw body, bytes or text, not {type(value).__name__}")
