"""Files that hold secrets: whole or not at all, readable by their owner alone, never through a symbolic link."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import tempfile
from pathlib import Path

from codespar_cli.errors import StoreError, UsageError
from codespar_cli.storage.private_files import sync_directory

PRIVATE = 0o600
_ENDING = {signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT}


def check_target(path: Path, option: str) -> None:
    """Raises UsageError for what must not be replaced: a symbolic link, a directory, a device."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        words = (getattr(error, "strerror", None) or "not a path").lower()
        raise UsageError(f"{option}: {words}", file=str(path)) from None
    if stat.S_ISLNK(mode):
        raise UsageError(
            f"{option}: a symbolic link is not followed",
            code="symlink",
            file=str(path),
            hint=f"name the file itself, {option} FILE",
        )
    if not stat.S_ISREG(mode):
        raise UsageError(f"{option}: expected a file, found something else", file=str(path), hint=f"ls -ld {path}")


def write_private(path: Path, data: bytes, option: str) -> None:
    """Put the file in place with mode 0600, durably, in one step. Raises UsageError, StoreError.

    A signal that would end us waits until no half of it lies about.
    """
    check_target(path, option)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        _replace(path, data, option)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with contextlib.suppress(OSError):
        sync_directory(path.parent)


def _replace(path: Path, data: bytes, option: str) -> None:
    try:
        descriptor, name = tempfile.mkstemp(prefix=".codespar-", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, option, error) from None
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), PRIVATE)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, path)  # noqa: PTH105  a link that appeared meanwhile is replaced, not followed
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108
        if isinstance(error, OSError):
            raise _unwritable(path, option, error) from None
        raise


def _unwritable(path: Path, option: str, error: OSError) -> StoreError:
    words = (error.strerror or "it failed").lower()
    return StoreError(f"{option}: cannot be written: {words}", code="output_failed", file=str(path))
