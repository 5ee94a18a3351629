"""A queue in front of SQLite's write lock.

SQLite's lock is unfair: who has just released it takes it again while the others sleep, and with full durability a
process can starve for seconds. Everybody therefore passes a turnstile first, an flock on a sidecar file, and holds it
only until the write lock is theirs: whoever waits for the write lock is then alone in waiting, and whoever releases it
has to go to the back of the queue.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

from codespar_cli.errors import StoreBusy, StoreError
from codespar_cli.storage.private_files import ensure_private_file, reason

_POLL_S = 0.0002
_POLL_LIMIT_S = 0.002
_INITIALISED = b"1"


class Turnstile:
    """One per store: `<store>.lock`. It also remembers that the store was once made, so that a lost one is noticed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        ensure_private_file(path)
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise StoreError(f"cannot be opened: {reason(error)}", file=str(path)) from error

    def enter(self, wait_s: float) -> None:
        """Take it within `wait_s` seconds. Raises StoreBusy."""
        descriptor = self._descriptor
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EINTR):
                raise StoreError(f"cannot be locked: {reason(error)}", file=str(self.path)) from error
        else:
            return
        deadline, pause = time.monotonic() + wait_s, _POLL_S
        while time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(pause * 1.5, _POLL_LIMIT_S)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            return
        raise StoreBusy(
            f"another process held the store for {wait_s:g} s", file=str(self.path), hint=f"fuser -v {self.path}"
        )

    def leave(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    @property
    def store_was_made(self) -> bool:
        return os.pread(self._descriptor, 1, 0) == _INITIALISED

    def remember_store(self) -> None:
        os.pwrite(self._descriptor, _INITIALISED, 0)
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)
