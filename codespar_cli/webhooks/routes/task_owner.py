"""Under which name a dispatcher holds its tasks, so that the next one knows what a killed one left behind.

A name lies in a file of the state directory, locked as long as its dispatcher lives. Whoever gets the lock knows that the
one before is gone, whatever ended it, and that what it held is free.
"""

from __future__ import annotations

import fcntl
import os
import platform
import uuid
from collections.abc import Callable
from pathlib import Path

from codespar_cli.errors import StoreError
from codespar_cli.storage.private_files import ensure_private_directory

_MOST = 64


class TaskOwner:
    """`name` is a prefix of its own; nobody else begins with it. Holds its lock until `close`."""

    def __init__(self, state_dir: Path) -> None:
        """Raises StoreError, and what an unsafe state directory raises."""
        ensure_private_directory(state_dir)
        self._state_dir = state_dir
        self._gone: list[str] = []
        self.name = ""
        self._lock = -1
        try:
            self._take()
        except OSError as error:
            words = (error.strerror or "unknown").lower()
            raise StoreError(f"the lock of the routes in {state_dir} cannot be had: {words}") from None

    def free_what_is_left(self, release: Callable[[str], None]) -> None:
        """Tell `release` the names of those that are gone. Raises what it raises; what was not told is told next time."""
        while self._gone:
            release(self._gone[-1])
            self._gone.pop()

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _take(self) -> None:
        for number in range(_MOST):
            path = self._state_dir / f"routes-{number}.lock"
            if self._lock >= 0 and not path.exists():
                return
            found = _locked(path)
            if found is None:
                continue
            name = _name_in(found)
            self._gone.append(name)
            if self._lock < 0:
                self._lock, self.name = found, name
            else:
                os.close(found)
        if self._lock < 0:
            self.name = f"{uuid.uuid4().hex}:"  # so many at once: its tasks wait for the end of their lease


def _locked(path: Path) -> int | None:
    found = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(found)
        return None
    return found


def _name_in(file: int) -> str:
    """The host's name is in it: a copy of the state directory on another machine is another owner."""
    text = os.pread(file, 64, 0).decode("ascii", "replace").strip()
    if len(text) != 32 or not text.isalnum():
        text = uuid.uuid4().hex
        os.ftruncate(file, 0)
        os.pwrite(file, text.encode() + b"\n", 0)
        os.fsync(file)
    return f"{text}@{platform.node()[:64]}:"
