"""One SQLite file, opened safely: private, migrated under a lock, written in short fair transactions.

Every store of codespar is a `Database` with a `Schema`. `write()` is the only way to change one: BEGIN IMMEDIATE behind
the turnstile, a bounded wait, commit or roll back. What a transaction promised is durable when `write()` is left:
against power loss with `durability="full"`, against crashes and kill -9 with `"normal"`.
"""

from __future__ import annotations

import os
from _thread import RLock  # what `threading.RLock` is

import apsw

from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.errors import StoreError
from codespar_cli.storage import forks
from codespar_cli.storage.locked_scope import LockedScope
from codespar_cli.storage.patience import BusyHandler, Patience
from codespar_cli.storage.private_files import (
    check_private_file,
    ensure_private_directory,
    ensure_private_file,
    facts_of,
    file_at,
    store_exists,
)
from codespar_cli.storage.sqlite_errors import corrupt, gone, held_by_another, in_our_words, within_a_fork
from codespar_cli.storage.store_schema import Schema, version_of
from codespar_cli.storage.turnstile import Turnstile
from codespar_cli.storage.write_ahead import LogLength, switch_to_wal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Any, Literal, TypeAlias

__all__ = ["BUSY_WAIT_S", "LOG_PAGES", "Database", "Durability", "Row", "Schema"]

Durability: TypeAlias = 'Literal["full", "normal"]'
Row: TypeAlias = "tuple[Any, ...]"

BUSY_WAIT_S = 2.5
# Only while others get on with opening the store: many processes may meet at a new one, on a slow disk.
_OPEN_WAIT_S = 20.0
# The log is folded back when it passes this many 4 KiB pages: small, since every cold start reads what is left of it.
LOG_PAGES = 512
# Long enough for a writer who is about to commit, too short for a reader to be waited for.
_FOLD_WAIT_S = 0.01
_PRAGMAS = (
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
)


_inherited: list[object] = []  # connections of a parent process: never closed, closing would disturb its transaction


class Database:
    """One file for one process; safe to share between its threads. Opened on first use."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        schema: Schema,
        *,
        durability: Durability = "full",
        secure_delete: bool = False,
        busy_wait_s: float = BUSY_WAIT_S,
        log_pages: int = LOG_PAGES,
    ) -> None:
        self._name = os.fspath(path)
        self._schema = schema
        self._durability = durability
        self._secure_delete = secure_delete
        self._busy_wait_s = busy_wait_s
        self._mutex = RLock()
        self._connection: apsw.Connection | None = None
        self._opened_file: tuple[int, int] | None = None
        self._turnstile: Turnstile | None = None
        self._busy = BusyHandler(busy_wait_s)
        self._copied_open = False
        self._log = LogLength()
        self._fold_at = self._log_pages = log_pages
        forks.register(self)

    @property
    def path(self) -> Path:
        from pathlib import Path

        return Path(self._name)

    @property
    def exists(self) -> bool:
        """Whether there is anything to read. A store that was made and is gone counts: opening it says so."""
        return store_exists(self._name)

    def write(self) -> AbstractContextManager[apsw.Connection]:
        """A write transaction. Raises StoreBusy after a bounded wait, StoreError, StoreCorrupt."""
        return LockedScope(self._mutex, self._begin_write, self._end_write)

    def read(self) -> AbstractContextManager[apsw.Connection]:
        """One snapshot for any number of queries."""
        return LockedScope(self._mutex, lambda: self._begun(True), self._end_read)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of one query."""
        with self._opened() as connection:
            return list(connection.execute(sql, parameters))

    def check(self) -> None:
        """`PRAGMA quick_check`. Raises StoreCorrupt with what SQLite found."""
        for (finding,) in self.query("PRAGMA quick_check(1)"):
            if finding != "ok":
                raise corrupt(self._name, str(finding).splitlines()[-1].lower())

    def truncate_log(self) -> bool:
        """Move everything into the main file and empty the WAL. False when a reader is in the way."""
        with self._opened() as connection:
            busy, *_ = next(iter(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")))
            return int(busy) == 0

    def leave_stale_file(self) -> bool:
        """Let go of the opened file if it is no longer the one at `path`. True if it was not.

        What is written to such a file is lost, and what is read from it is old. The next use opens what is at `path`
        now, or says that the store is gone. Within a transaction nothing is changed.
        """
        with LockedScope(self._mutex, lambda: None, self._raise_after):
            return self._leave_stale_file()

    def close(self) -> None:
        with self._mutex:
            self._drop()

    # ── around a fork, see `forks` ──

    def hold(self, wait_s: float) -> bool:
        if not self._mutex.acquire(timeout=wait_s):
            return False
        if self._connection is not None and self._connection.in_transaction:
            self._mutex.release()  # the very thread that forks is inside
            return False
        try:
            self._drop()
        except apsw.Error:
            pass
        return True

    def let_go(self) -> None:
        self._mutex.release()

    def start_anew(self, *, usable: bool) -> None:
        self._mutex = RLock()  # the other may be held by a thread that the copy does not have
        self._copied_open = not usable
        if self._connection is not None:
            _inherited.append(self._connection)
            self._connection = None
        if self._turnstile is not None:
            self._turnstile.close()  # the parent's lock stays the parent's; only our copy of its descriptor goes
            self._turnstile = None

    # ── opening ──

    @property
    def _lock_path(self) -> str:
        return self._beside(".lock")

    def _open(self) -> apsw.Connection:
        if self._connection is not None:
            return self._connection
        if self._copied_open:
            raise within_a_fork(self._name)
        ensure_private_directory(os.path.dirname(self._name) or os.curdir)
        turnstile = Turnstile(self._lock_path)
        try:
            self._connection = self._connect(turnstile)
        except BaseException:
            turnstile.close()
            raise
        self._turnstile = turnstile
        return self._connection

    def _connect(self, turnstile: Turnstile) -> apsw.Connection:
        for suffix in ("-wal", "-shm"):
            try:
                check_private_file(self._beside(suffix))
            except FileNotFoundError:
                pass
        try:
            check_private_file(self._name)
            made = os.stat(self._name).st_size > 0
        except FileNotFoundError:
            made = False
        if made:
            connection, version = self._configured()
            if version == len(self._schema.migrations):
                return connection
            connection.close()
        patience = Patience(self._busy_wait_s, signs=lambda: self._signs(turnstile), at_most_s=_OPEN_WAIT_S)
        turnstile.enter(patience)
        try:
            turnstile.show_progress()
            self._busy.patience = patience
            return self._migrated(turnstile, patience)
        finally:
            self._busy.patience = None
            turnstile.leave()

    def _signs(self, turnstile: Turnstile) -> object:
        """What changes when whoever has the turnstile gets on: another has it now, or the store grows."""
        return turnstile.progress, *(
            facts and facts.st_size for facts in (facts_of(self._name), facts_of(self._beside("-wal")))
        )

    def _beside(self, suffix: str) -> str:
        return self._name + suffix

    def _configured(self) -> tuple[apsw.Connection, int]:
        # Looked at before it is opened: if it is replaced in between, it counts as replaced.
        self._opened_file = file_at(self._name)
        connection = apsw.Connection(self._name, flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_handler(self._busy)
            connection.set_wal_hook(self._log)
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            connection.execute(f"PRAGMA synchronous={self._durability.upper()}")
            connection.execute(f"PRAGMA journal_size_limit={self._log_pages * 4096}")
            if self._secure_delete:
                connection.execute("PRAGMA secure_delete=ON")
            # The last one out must not pay for a checkpoint, and must not delete the log while others start.
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            connection.execute("BEGIN")  # one snapshot: a migration that commits in between would look like damage
            version = version_of(connection, self._schema, self._name)
            connection.execute("COMMIT")  # `with connection` would hide why it failed: a read error would be damage
        except BaseException:
            connection.close()  # left open it would go on holding its locks
            raise
        return connection, version

    def _migrated(self, turnstile: Turnstile, patience: Patience) -> apsw.Connection:
        # Whoever gets here has the turnstile, so the state of the file is looked at afresh.
        if turnstile.store_was_made and (not os.path.exists(self._name) or os.stat(self._name).st_size == 0):
            raise gone(self._name, self._lock_path)
        ensure_private_file(self._name)
        connection, version = self._configured()
        try:
            if version == 0 and turnstile.store_was_made:
                raise gone(self._name, self._lock_path)  # all there was, was in a log that somebody has removed
            if version < len(self._schema.migrations):
                if not switch_to_wal(connection, self._name, patience.lasts):
                    raise held_by_another(self._name, patience.waited_s)
                self._migrate(connection, version)
            if not turnstile.store_was_made:
                turnstile.remember_store()
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: apsw.Connection, version: int) -> None:
        connection.execute("BEGIN IMMEDIATE")
        for script in self._schema.migrations[version:]:
            connection.execute(script)
        connection.execute(f"PRAGMA application_id={self._schema.application_id}")
        connection.execute(f"PRAGMA user_version={len(self._schema.migrations)}")
        connection.execute("COMMIT")

    # ── transactions ──

    def _begin(self, connection: apsw.Connection) -> None:
        turnstile = self._turnstile
        assert turnstile is not None
        patience = Patience(self._busy_wait_s)
        turnstile.enter(patience)
        try:
            self._busy.patience = patience
            connection.execute("BEGIN IMMEDIATE")
        except apsw.BusyError:
            raise held_by_another(self._name, patience.waited_s) from None
        finally:
            self._busy.patience = None
            turnstile.leave()

    def _leave_stale_file(self) -> bool:
        connection = self._connection
        if connection is None or connection.in_transaction or file_at(self._name) == self._opened_file:
            return False
        self._drop()
        return True

    def _opened(self) -> AbstractContextManager[apsw.Connection]:
        return LockedScope(self._mutex, lambda: self._begun(False), self._raise_after)

    def _begun(self, snapshot: bool) -> apsw.Connection:
        try:
            connection = self._open()
            if snapshot:
                connection.execute("BEGIN")
        except Exception as error:
            self._raise_in_our_words(error)
            raise
        return connection

    def _end_read(self, connection: apsw.Connection, error: BaseException | None) -> None:
        self._roll_back(connection)
        self._raise_after(connection, error)

    def _raise_after(self, _: object, error: BaseException | None) -> None:
        if error is not None:
            self._raise_in_our_words(error)

    def _begin_write(self) -> apsw.Connection:
        try:
            self._leave_stale_file()
            connection = self._connection or self._open()
            self._begin(connection)
        except Exception as error:
            self._raise_in_our_words(error)
            raise
        return connection

    def _end_write(self, connection: apsw.Connection, error: BaseException | None) -> None:
        if error is not None:
            self._roll_back(connection)
            self._raise_in_our_words(error)
        elif self._copied_open:
            self._roll_back(connection)
            raise within_a_fork(self._name)
        else:
            self._commit(connection)

    def _commit(self, connection: apsw.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except apsw.Error as error:
            # After a failed sync nobody knows what is on the disk: start over from the file, not from the cache.
            self._roll_back(connection)
            self._drop()
            self._raise_in_our_words(error)
            raise
        if self._log.pages >= self._fold_at:
            self._fold_log(connection)

    def _fold_log(self, connection: apsw.Connection) -> None:
        """Move the log into the file and begin it anew, with everybody else kept out by the turnstile.

        SQLite's own checkpoint runs after a commit while the next writer is under way, who keeps the log from beginning
        anew: it then grows for ever, and every commit pays for another attempt. A reader keeps it from it, too: after an
        attempt that one thwarts, no process makes another before the log has doubled.
        """
        pages, turnstile = self._log.pages, self._turnstile
        assert turnstile is not None
        self._fold_at = max(turnstile.patience_pages, self._log_pages)
        if pages < self._fold_at:
            return
        try:
            turnstile.enter(Patience(10 * _FOLD_WAIT_S))
        except StoreError:
            return
        try:
            self._busy.patience = Patience(_FOLD_WAIT_S)
            busy, *_ = next(iter(connection.execute("PRAGMA wal_checkpoint(RESTART)")))
            turnstile.patience_pages = 2 * pages if busy else 0
            if not busy:
                # It begins anew with the next write: until then whoever opens the store alone reads all of the old one.
                connection.execute(f"PRAGMA user_version={len(self._schema.migrations)}")
        except apsw.Error:
            pass  # what was committed is committed; the next transaction finds out what is wrong with the disk
        finally:
            self._busy.patience = None
            turnstile.leave()

    def _roll_back(self, connection: apsw.Connection) -> None:
        if connection is not self._connection:
            return  # a copy of its parent's: undoing there would undo in the log that both share
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except apsw.Error:
            pass  # SQLite has rolled back by itself, as it does after some I/O errors

    def _drop(self) -> None:
        connection, turnstile = self._connection, self._turnstile
        self._connection = self._turnstile = None
        if connection is not None:
            connection.close()
        if turnstile is not None:
            turnstile.close()

    def _raise_in_our_words(self, error: BaseException) -> None:
        ours = in_our_words(error, self._name)
        if ours is not None:
            raise ours from error
