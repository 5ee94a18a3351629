"""`durability = "batch"`: rows gather in memory and are written together, by a thread, at most 100 ms later.

For long-lived processes that record thousands of calls a second and may lose the last tenth of one to kill -9. A row
waits until a write has taken it: a store that is busy or full makes rows wait, and recording fail once too many do.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence

from codespar_cli.errors import CodesparError, StoreError
from codespar_cli.plugins.observability.admission import StoredRow
from codespar_cli.storage import forks  # noqa: F401  what is registered first is held last: buffers write to stores

BATCH_ROWS = 100
BATCH_AGE_S = 0.1
MAX_WAITING = 20_000
_LINGER_S = 5.0
_RETRY_S = 1.0


class WriteBuffer:
    """Rows on their way to `write`, which takes all it is given or raises CodesparError."""

    def __init__(self, write: Callable[[Sequence[StoredRow]], None]) -> None:
        self._write = write
        self.failure: CodesparError | None = None
        self._failed_at = 0.0
        self._reset()
        _buffers.add(self)

    def _reset(self) -> None:
        self._rows: list[StoredRow] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._some = threading.Event()
        self._enough = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        return len(self._rows)

    def add(self, row: StoredRow) -> None:
        """Raises StoreError when too many rows wait for a store that cannot be written; this one is then not kept."""
        if len(self._rows) >= MAX_WAITING:
            self._make_room()
        with self._lock:
            self._rows.append(row)
            if self._thread is None:
                self._start()
        self._some.set()
        if len(self._rows) >= BATCH_ROWS:
            self._enough.set()

    def flush(self) -> None:
        """Write everything that waits. Raises StoreError; the rows then go on waiting."""
        with self._writing:
            with self._lock:
                rows, self._rows = self._rows, []
                self._some.clear()
                self._enough.clear()
            if not rows:
                return
            try:
                self._write(rows)
            except BaseException as error:
                with self._lock:
                    self._rows[:0] = rows
                    self._some.set()
                if isinstance(error, CodesparError):
                    self.failure, self._failed_at = error, time.monotonic()
                raise
            self.failure = None

    # ── around a fork ──

    def hold(self) -> None:
        """Let no write be under way: a copied process would inherit its locks, and nobody to release them."""
        self._writing.acquire()

    def let_go(self) -> None:
        self._writing.release()

    def start_anew(self) -> None:
        """In the copied process: what waits belongs to the original, which writes it; threads are not copied."""
        self._reset()

    # ── inside ──

    def _make_room(self) -> None:
        failure = self.failure
        if failure is not None and time.monotonic() < self._failed_at + _RETRY_S:
            raise StoreError(f"{len(self._rows)} records wait for the store: {failure.message}", hint=failure.hint)
        self.flush()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="codespar-metrics", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return  # the interpreter is shutting down; `_flush_all` is yet to come
        self._thread = thread

    def _run(self) -> None:
        while True:
            if not self._some.wait(_LINGER_S):
                with self._lock:
                    if not self._rows:
                        self._thread = None
                        return
            self._enough.wait(BATCH_AGE_S)
            try:
                self.flush()
            except CodesparError:
                time.sleep(BATCH_AGE_S)  # kept, remembered in `failure`, tried again


# ── the end of the process, and its copies ──

_buffers: weakref.WeakSet[WriteBuffer] = weakref.WeakSet()
_held: list[WriteBuffer] = []


def _flush_all() -> None:
    for buffer in list(_buffers):
        try:
            buffer.flush()
        except CodesparError:
            pass  # nobody is left to be told


def _before_fork() -> None:
    for buffer in list(_buffers):
        buffer.hold()
        _held.append(buffer)


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().let_go()


def _after_fork_in_child() -> None:
    while _held:
        _held.pop().start_anew()


atexit.register(_flush_all)
os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
