"""One schema in a PostgreSQL database: migrated under a lock, written in short transactions, never waited for too long.

Every call ends within two seconds, whatever the server does: not there, refusing, stopped, cut off, killed in the middle,
or locked by another. What a transaction promised is durable when `write()` is left; where the answer to a commit was lost
nobody knows, and the caller is told that it failed.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, LiteralString, TypeAlias

import psycopg
from psycopg import Pipeline

from codespar_cli.errors import StoreBusy, StoreError, StoreSchemaNewer
from codespar_cli.storage import forks
from codespar_cli.storage.postgres_connection import Connection, Deadline, Dialling
from codespar_cli.storage.postgres_errors import Place, TooLate, is_away

Row: TypeAlias = tuple[Any, ...]

WAIT_S = 1.6
_UNDO_WAIT_S = 0.2
# In one trip. Waiting for a lock is shorter than our own wait, so that a lock that is held is told from a server that is
# gone. Who vanishes in the middle of a transaction must not lock out the others for long.
_SET_UP: LiteralString = (
    "SELECT set_config('search_path', %s, false), set_config('lock_timeout', '1200', false),"
    " set_config('idle_in_transaction_session_timeout', '3000', false), set_config('synchronous_commit',"
    " replace(current_setting('synchronous_commit'), 'off', 'on'), false)"
)
_BEGIN_WRITE: LiteralString = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_BEGIN_READ: LiteralString = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_BATCH = 500

# The driver reports what it ignores while a broken connection is let go of, and would on stderr.
logging.getLogger("psycopg").addHandler(logging.NullHandler())
_inherited: list[Connection] = []  # of a parent process: never closed, closing would end the parent's session


@dataclass(frozen=True, slots=True)
class ServerSchema:
    """What a store looks like: a schema of its own, made by its migrations, of which number n makes version n.

    `lock` is the statement that every writer begins with: it locks a row that all of them lock, and answers it.
    """

    name: LiteralString
    migrations: tuple[LiteralString, ...]
    lock: LiteralString


class Session:
    """A transaction under way. What changes something is sent along with what is asked next, in one trip."""

    def __init__(self, connection: Connection, pipeline: Pipeline) -> None:
        self.first: list[Row] = []
        """What the schema's `lock` answered, in a write transaction."""
        self._connection = connection
        self._pipeline = pipeline

    def execute(self, statement: LiteralString, parameters: Sequence[Any] = ()) -> None:
        self._connection.execute(statement, parameters)
        self._connection.send_the_rest()

    def rows(self, statement: LiteralString, parameters: Sequence[Any] = ()) -> list[Row]:
        cursor = self._connection.execute(statement, parameters)
        self._connection.send_the_rest()
        # Only then is the server idle in the transaction, which is when it ends those that are silent for too long.
        self._pipeline.sync()
        return cursor.fetchall()

    def renew(self) -> None:
        """Give what comes next a deadline of its own: for work that takes many trips."""
        self._connection.deadline = Deadline(WAIT_S)

    def batches(self, statement: LiteralString, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows of one query, however many there are and however long it takes; each trip has its own deadline."""
        connection = self._connection
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.execute(f"DECLARE batches NO SCROLL CURSOR FOR {statement}", parameters)
        while True:
            connection.deadline = Deadline(WAIT_S)
            found = self.rows(f"FETCH {_BATCH} FROM batches")
            yield from found
            if len(found) < _BATCH:
                break
        connection.deadline = Deadline(WAIT_S)
        connection.execute("CLOSE batches")


class Server:
    """One store for one process; safe to share between its threads. Connects on first use, and anew after a failure."""

    def __init__(self, url: str, schema: ServerSchema) -> None:
        self.place = Place(url)
        self._url = url
        self._schema = schema
        self._mutex = threading.Lock()
        self._connection: Connection | None = None
        self._dialling: Dialling | None = None
        self._prepared = False
        self._was_there = False
        forks.register(self)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """The one write transaction there is, on any machine.

        Raises StoreUnreachable, StoreBusy, StoreCorrupt, StoreSchemaNewer, StoreError: nothing was written, or, if it
        was the commit that failed, nobody knows.
        """
        with self._mine() as deadline, ExitStack() as stack:
            yield stack.enter_context(self._transaction(deadline, _BEGIN_WRITE, self._schema.lock))

    @contextmanager
    def read(self) -> Iterator[Session | None]:
        """One snapshot; None where the store was never made, for looking creates nothing. Raises as `write` does."""
        with self._mine() as deadline, ExitStack() as stack:
            if self._prepare(self._connected(deadline), create=False):
                yield stack.enter_context(self._transaction(deadline, _BEGIN_READ, None))
            else:
                yield None

    def twin(self) -> Server:
        """Another connection to the same store, for a read that may take long."""
        return Server(self._url, self._schema)

    def close(self) -> None:
        """Let go of the server; the next use connects again."""
        with self._mutex:
            self._drop()
            if self._dialling is not None:
                self._dialling.abandon()
                self._dialling = None

    # ── around a fork, see `forks` ──

    def hold(self, wait_s: float) -> bool:
        return True  # the original goes on undisturbed: the copy never uses what it finds

    def let_go(self) -> None:
        pass

    def start_anew(self, *, usable: bool) -> None:
        self._mutex = threading.Lock()  # the other may be held by a thread that the copy does not have
        inherited, self._connection, self._dialling = self._connection, None, None
        if inherited is not None:
            _inherited.append(inherited)
            with suppress(Exception):  # its socket is gone already
                _take_away(inherited.pgconn.socket)

    # ── a transaction ──

    @contextmanager
    def _mine(self) -> Iterator[Deadline]:
        deadline, mutex = Deadline(WAIT_S), self._mutex
        if not mutex.acquire(timeout=deadline.left):
            raise StoreBusy("another thread of this process held the store", file=self.place.name)
        try:
            yield deadline
        except Exception as error:
            ours = self.place.in_our_words(error)
            if ours is None:
                raise
            raise ours from None  # what the driver says may hold what a statement was about
        finally:
            mutex.release()

    @contextmanager
    def _transaction(self, deadline: Deadline, begin: LiteralString, lock: LiteralString | None) -> Iterator[Session]:
        with ExitStack() as pipeline:
            connection, session = self._begin(deadline, begin, lock, pipeline)
            try:
                yield session
                if connection is not self._connection:
                    raise self.place.within_a_fork()
                ended = connection.execute("COMMIT")
                pipeline.close()
                if ended.statusmessage != "COMMIT":
                    raise StoreError("the server did not commit", file=self.place.name, hint="codespar doctor")
            except BaseException as error:
                self._undo(connection, error)
                raise

    def _begin(
        self, deadline: Deadline, begin: LiteralString, lock: LiteralString | None, pipeline: ExitStack
    ) -> tuple[Connection, Session]:
        while True:
            reused = self._connection is not None
            connection = self._connected(deadline)
            try:
                self._prepare(connection, create=lock is not None)
                session = Session(connection, pipeline.enter_context(connection.pipeline()))
                session.execute(begin)
                if lock is not None:
                    session.first = session.rows(lock)
                return connection, session
            except BaseException as error:
                self._drop()
                with suppress(psycopg.Error):
                    pipeline.close()
                # A session that ended while nobody used it: nothing is lost by beginning anew.
                if not (reused and is_away(error)):
                    raise

    def _undo(self, connection: Connection, error: BaseException) -> None:
        if connection is not self._connection:
            return  # a copy of its parent's
        if isinstance(error, TooLate | psycopg.Error) or not isinstance(error, Exception):
            self._drop()
            return
        connection.deadline = Deadline(_UNDO_WAIT_S)
        try:
            connection.execute("ROLLBACK")
        except Exception:
            self._drop()

    # ── a connection ──

    def _connected(self, deadline: Deadline) -> Connection:
        connection = self._connection
        if connection is None:
            connection = self._dialled(deadline)
            connection.deadline = deadline
            try:
                self._set_up(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        connection.deadline = deadline
        return connection

    def _dialled(self, deadline: Deadline) -> Connection:
        while True:
            dialling = self._dialling
            if fresh := dialling is None:
                dialling = self._dialling = Dialling(self._url)
            try:
                connection = dialling.connection(deadline)
            except TooLate:
                raise  # it goes on, and the next call may find it done
            except BaseException:
                self._dialling = None
                # That one which was begun for an earlier call has failed is no news.
                if fresh:
                    raise
            else:
                self._dialling = None
                return connection

    def _set_up(self, connection: Connection) -> None:
        connection.execute(_SET_UP, (f"{self._schema.name}, pg_temp",))
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise StoreError(
                f"the database is in {encoding}, expected UTF8",
                file=self.place.name,
                hint="createdb -E UTF8 -T template0",
            )

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._prepared = False
        if connection is not None:
            connection.close()

    # ── the schema ──

    def _prepare(self, connection: Connection, *, create: bool) -> bool:
        """Whether the store is there, in the version that this codespar knows."""
        if self._prepared:
            return True
        name = self._schema.name
        there = _one(connection, "SELECT to_regclass(%s) IS NOT NULL", (f"{name}.version",))
        if not there and self._was_there:
            raise StoreError(
                "the store is gone, and with it what it counted",
                code="store_missing",
                file=self.place.name,
                hint=f"restore the schema `{name}` from a backup",
            )
        if not there and not create:
            return False
        version = self._version(connection) if there else 0
        if version < len(self._schema.migrations):
            self._migrate(connection)
        self._prepared = self._was_there = True
        return True

    def _version(self, connection: Connection) -> int:
        version = _one(connection, "SELECT max(number) FROM version")
        if type(version) is not int:
            raise self.place.damaged("its version is missing")
        known = len(self._schema.migrations)
        if version > known:
            raise StoreSchemaNewer(
                f"written by a newer codespar (schema {version}, this one knows {known})",
                file=self.place.name,
                hint="pip install --upgrade codespar-cli",
            )
        return version

    def _migrate(self, connection: Connection) -> None:
        name = self._schema.name
        with connection.transaction():
            # Who waits here finds the work done.
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))
            if not _one(connection, "SELECT to_regnamespace(%s) IS NOT NULL", (name,)):
                connection.execute(f"CREATE SCHEMA {name}")
            connection.execute("CREATE TABLE IF NOT EXISTS version (number integer PRIMARY KEY)")
            done = _one(connection, "SELECT coalesce(max(number), 0) FROM version")
            for number, script in enumerate(self._schema.migrations[done:], done + 1):
                connection.execute(script)
                connection.execute("INSERT INTO version VALUES (%s)", (number,))


def _one(connection: Connection, statement: LiteralString, parameters: Sequence[Any] = ()) -> Any:
    row = connection.execute(statement, parameters).fetchone()
    return None if row is None else row[0]


def _take_away(descriptor: int) -> None:
    """Nothing that this process does reaches the parent's session, and the number stays taken."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)
