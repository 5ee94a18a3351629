"""A connection on which no wait is longer than its deadline, whatever the server does.

The driver's own limits are not enough: a connect timeout is two seconds at least, and a server that hangs never answers
a statement. So every wait of the driver asks the deadline, and connecting, where a name may never be resolved, is left
to a thread that the caller can walk away from.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg import waiting
from psycopg.pq.abc import PGconn

from codespar_cli.storage.postgres_errors import TooLate

T = TypeVar("T")
_TICK_S = 0.05
# For an attempt that nobody waits for any more; the driver accepts no less.
_CONNECT_TIMEOUT_S = 2


class Deadline:
    """Some seconds from now."""

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(self._end - time.monotonic(), 0.0)


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """Autocommit, and begins transactions by statement. Its `deadline` is for whoever uses it next to set."""

    deadline = Deadline(0.0)

    def wait(self, gen: Generator[Any, Any, T], interval: float = _TICK_S, timeout: float | None = None) -> T:
        """Raises TooLate; the connection is of no use then."""
        return waiting.wait(_until(gen, self.deadline), self.pgconn.socket, interval=_TICK_S)

    def send_the_rest(self) -> None:
        """The driver's pipeline sends once, and then waits for an answer: to a statement that is larger than the
        socket's buffer none would ever come. Raises TooLate."""
        if self.pgconn.flush():
            self.wait(_sent(self.pgconn))

    def __del__(self, *_: Any) -> None:
        pass  # a process that ends lets go of its session, and nobody need be warned of it


class Dialling:
    """One attempt to connect, under way in a thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._done = threading.Event()
        self._abandoned = False
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._dial, name="codespar-postgres", daemon=True).start()

    @property
    def done(self) -> bool:
        return self._done.is_set()

    def connection(self, deadline: Deadline) -> Connection:
        """Raises TooLate, and may be asked again; or what the driver raised."""
        if not self._done.wait(deadline.left):
            raise TooLate
        if self._error is not None:
            raise self._error
        assert self._connection is not None
        return self._connection

    def abandon(self) -> None:
        """Nobody will ask any more."""
        with self._lock:
            self._abandoned = True
            if self._connection is not None:
                self._connection.close()

    def _dial(self) -> None:
        try:
            made = Connection.connect(
                self._url,
                autocommit=True,
                connect_timeout=_CONNECT_TIMEOUT_S,
                client_encoding="utf8",
                fallback_application_name="codespar",
            )
            with self._lock:
                self._connection = made
                if self._abandoned:
                    made.close()
        except BaseException as error:  # told to whoever waits
            self._error = error
        finally:
            self._done.set()


def _sent(connection: PGconn) -> Generator[waiting.Wait, waiting.Ready, None]:
    while connection.flush():
        if (yield waiting.Wait.RW) & waiting.Ready.R:
            connection.consume_input()  # who never listens is not listened to


def _until(waited: Generator[Any, Any, T], deadline: Deadline) -> Generator[Any, Any, T]:
    try:
        wanted = next(waited)
        while True:
            ready = yield wanted
            if not ready and not deadline.left:
                raise TooLate
            wanted = waited.send(ready)
    except StopIteration as end:
        result: T = end.value
        return result
