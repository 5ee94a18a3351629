"""What a row keeps of a call's arguments: their size, and a digest that tells two calls apart and shows no value.

The digest is an HMAC-SHA256 over the arguments' canonical JSON, under a key of its own that lies beside the store:
without the key nobody can try values until one fits, and a copied store says nothing about them.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from codespar_cli.errors import StoreError
from codespar_cli.storage.private_files import check_private_file, ensure_private_directory, reason, sync_directory

KEY_BYTES = 32


class Sealed(NamedTuple):
    """`size` is the length of the canonical JSON in bytes. Both are None where there is no such JSON."""

    size: int | None
    digest: bytes | None


Seal: TypeAlias = Callable[[Mapping[str, Any]], Sealed]
UNKNOWN = Sealed(None, None)


def unsealed(arguments: Mapping[str, Any]) -> Sealed:
    """For who has no key: the size alone."""
    text = _canonical(arguments)
    return UNKNOWN if text is None else Sealed(len(text), None)


class ArgumentSeal:
    """Seals arguments with the key at `path`, which is made when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key: bytes | None = None

    def __call__(self, arguments: Mapping[str, Any]) -> Sealed:
        """Raises StoreError when the key cannot be read or made."""
        text = _canonical(arguments)
        if text is None:
            return UNKNOWN
        if self._key is None:
            self._key = _kept_key(self._path)
        return Sealed(len(text), hmac.digest(self._key, text, "sha256"))

    def __repr__(self) -> str:
        return f"<ArgumentSeal {self._path}>"


def _canonical(arguments: Mapping[str, Any]) -> bytes | None:
    # Whatever an agent passes: cycles, keys that do not sort, objects of its own. None of it may fail the record.
    try:
        return _encoder()(arguments if type(arguments) is dict else dict(arguments)).encode()
    except Exception:
        return None


@cache
def _encoder() -> Callable[[Any], str]:
    from codespar_cli.core.canonical_json import canonical_encoder  # json is not needed by who has no arguments

    return canonical_encoder()


def _kept_key(path: Path) -> bytes:
    ensure_private_directory(path.parent)
    try:
        try:
            return _read(path)
        except FileNotFoundError:
            _make(path)
            return _read(path)
    except OSError as error:
        raise StoreError(f"cannot be used: {reason(error)}", file=str(path)) from error


def _read(path: Path) -> bytes:
    check_private_file(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise StoreError(
            f"expected a key of {KEY_BYTES} bytes, found {len(key)}",
            file=str(path),
            hint=f"rm {path}  # makes a new one",
        )
    return key


def _make(path: Path) -> None:
    """Whole or not at all, and only by the first of many processes: a link never replaces what is there."""
    draft = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.fchmod(descriptor, 0o600)
            os.write(descriptor, secrets.token_bytes(KEY_BYTES))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        sync_directory(path.parent)
    finally:
        draft.unlink()
