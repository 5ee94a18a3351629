"""Hashing what is small without letting go of the interpreter.

`hashlib` gives up the interpreter's lock for 2,048 bytes and more. In a server with several threads, getting it back takes
longer than hashing a webhook: up to the switch interval, 5 ms, for 10 us of work. Large bodies are hashed at one go, so
that the others run meanwhile.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Protocol

_STEP = 2047
_SMALL = 64 << 10


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...


def sha256(data: bytes) -> bytes:
    found = hashlib.sha256()
    _feed(found, data)
    return found.digest()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    found = hmac.new(key, digestmod=hashlib.sha256)
    _feed(found, data)
    return found.digest()


def _feed(found: _Hash, data: bytes) -> None:
    if not _STEP < len(data) <= _SMALL:
        found.update(data)
        return
    view = memoryview(data)
    for start in range(0, len(data), _STEP):
        found.update(view[start : start + _STEP])
