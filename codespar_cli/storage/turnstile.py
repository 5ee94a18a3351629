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

from codespar_cli.errors import StoreBusy, StoreError
from codespar_cli.storage.patience import Patience
from codespar_cli.storage.private_files import ensure_private_file, reason

_POLL_S = 0.001
_POLL_LIMIT_S = 0.002
_INITIALISED = b"1"
_PAGES = 8
_CLOSED = -1


class Turnstile:
    """One per store: `<store>.lock`. It also remembers that the store was once made, so that a lost one is noticed."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._descriptor = _CLOSED
        ensure_private_file(path)
        try:
            self._descriptor = _opened(path)
        except OSError as error:
            raise StoreError(f"cannot be opened: {reason(error)}", file=str(path)) from error

    def enter(self, patience: Patience) -> None:
        """Take it while `patience` lasts. Raises StoreBusy."""
        descriptor = self._descriptor
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EINTR):
                raise StoreError(f"cannot be locked: {reason(error)}", file=self.path) from error
        else:
            return
        pause = _POLL_S
        while patience.lasts():
            time.sleep(pause)
            pause = min(pause * 1.5, _POLL_LIMIT_S)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            return
        raise StoreBusy(
            f"another process held the store for {patience.waited_s:.1f} s",
            file=self.path,
            hint=f"fuser -v {self.path}",
        )

    def leave(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def show_progress(self) -> None:
        """Tell those who wait that somebody new has entered. For long stays only: it costs a write to the inode."""
        os.utime(self._descriptor)

    @property
    def progress(self) -> int:
        """Changes when somebody shows progress."""
        return os.fstat(self._descriptor).st_mtime_ns

    @property
    def store_was_made(self) -> bool:
        return os.pread(self._descriptor, 1, 0) == _INITIALISED

    def remember_store(self) -> None:
        os.pwrite(self._descriptor, _INITIALISED, 0)
        os.fsync(self._descriptor)

    @property
    def patience_pages(self) -> int:
        """Up to which length of the log nobody need try to fold it; 0 when no attempt has failed. For all processes."""
        return int.from_bytes(os.pread(self._descriptor, _PAGES, 1), "big")

    @patience_pages.setter
    def patience_pages(self, pages: int) -> None:
        os.pwrite(self._descriptor, pages.to_bytes(_PAGES, "big"), 1)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, _CLOSED
        if descriptor != _CLOSED:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()  # a store that is let go of unclosed, as SQLite's own connection, which closes itself then


def _opened(path: str | os.PathLike[str]) -> int:
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, os.O_RDWR | flags)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY | flags)  # a store can be read there, and SQLite refuses to write it
