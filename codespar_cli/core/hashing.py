"""Hashing what is small without letting go of the interpreter.

`hashlib` gives up the interpreter's lock for 2,048 bytes and more. In a server with several threads, getting it back takes
longer than hashing a webhook: up to the switch interval, 5 ms, for 10 us of work. Large bodies are hashed at one go, so
that the others run meanwhile.
"""

from __future__ import annotations

import sys

_STEP = 2047
_SMALL = 64 << 10


TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class _Hash(Protocol):
        def update(self, data: bytes | memoryview, /) -> None: ...

        def digest(self) -> bytes: ...


def sha256(data: bytes) -> bytes:
    found = _sha256()
    _feed(found, data)
    return found.digest()


def keyed_digest(data: bytes, key: bytes, size: int = 16) -> bytes:
    """BLAKE2b under a key of at most 64 bytes."""
    try:
        from _blake2 import blake2b  # what `hashlib` offers under this name
    except ImportError:
        from hashlib import blake2b
    return blake2b(data, key=key, digest_size=size).digest()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    import hashlib
    import hmac

    found = hmac.new(key, digestmod=hashlib.sha256)
    _feed(found, data)
    return found.digest()


def _sha256() -> _Hash:
    """CPython's own where OpenSSL is not there yet: loading that takes longer than hashing what a short process hashes."""
    if "hashlib" not in sys.modules:
        for name in ("_sha256", "_sha2"):  # before 3.12, and since
            try:
                return __import__(name).sha256()  # type: ignore[no-any-return]
            except ImportError:
                continue
    import hashlib

    return hashlib.sha256()


def _feed(found: _Hash, data: bytes) -> None:
    if not _STEP < len(data) <= _SMALL:
        found.update(data)
        return
    view = memoryview(data)
    for start in range(0, len(data), _STEP):
        found.update(view[start : start + _STEP])
