"""One SQLite file, opened safely: private, migrated under a lock, written in short fair transactions.

Every store of codespar is a `Database` with a `Schema`. `write()` is the only way to change one: BEGIN IMMEDIATE behind
the turnstile, a bounded wait, commit or roll back. What a transaction promised is durable when `write()` is left:
against power loss with `durability="full"`, against crashes and kill -9 with `"normal"`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias
from weakref import WeakSet

import apsw

from codespar_cli.errors import CodesparError, StoreBusy, StoreCorrupt, StoreError, StoreSchemaNewer
from codespar_cli.storage.private_files import check_private_file, ensure_private_directory, ensure_private_file
from codespar_cli.storage.turnstile import Turnstile

Durability: TypeAlias = Literal["full", "normal"]
Row: TypeAlias = tuple[Any, ...]

BUSY_WAIT_S = 2.0
OPEN_WAIT_S = 20.0
# The WAL is folded back when it passes this many 4 KiB pages: small, since every cold start reads what is left of it.
_CHECKPOINT_PAGES = 512
_PRAGMAS = (
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}",
    f"PRAGMA journal_size_limit={_CHECKPOINT_PAGES * 4096}",
)


@dataclass(frozen=True, slots=True)
class Schema:
    """What a store looks like. `application_id` tells our files from others'; migration n makes version n."""

    application_id: int
    migrations: tuple[str, ...]


_databases: WeakSet[Database] = WeakSet()
_inherited: list[object] = []  # connections of a parent process: never closed, closing would release its locks


def _after_fork() -> None:
    for database in _databases:
        database.forget_parent()


os.register_at_fork(after_in_child=_after_fork)


class Database:
    """One file for one process; safe to share between its threads. Opened on first use."""

    def __init__(
        self,
        path: Path,
        schema: Schema,
        *,
        durability: Durability = "full",
        secure_delete: bool = False,
        busy_wait_s: float = BUSY_WAIT_S,
    ) -> None:
        self.path = path
        self._schema = schema
        self._durability = durability
        self._secure_delete = secure_delete
        self._busy_wait_s = busy_wait_s
        self._mutex = threading.RLock()
        self._connection: apsw.Connection | None = None
        self._turnstile: Turnstile | None = None
        _databases.add(self)

    @property
    def exists(self) -> bool:
        """Whether there is anything to read. A store that was made and is gone counts: opening it says so."""
        lock = self._lock_path
        return self.path.exists() or (lock.exists() and lock.stat().st_size > 0)

    @contextmanager
    def write(self) -> Iterator[apsw.Connection]:
        """A write transaction. Raises StoreBusy after a bounded wait, StoreError, StoreCorrupt."""
        with self._mutex, self._translated():
            connection = self._open()
            self._begin(connection)
            try:
                yield connection
            except BaseException:
                self._roll_back(connection)
                raise
            try:
                connection.execute("COMMIT")
            except apsw.Error:
                # After a failed sync nobody knows what is on the disk: start over from the file, not from the cache.
                self._roll_back(connection)
                self._drop()
                raise

    @contextmanager
    def read(self) -> Iterator[apsw.Connection]:
        """One snapshot for any number of queries."""
        with self._mutex, self._translated():
            connection = self._open()
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                self._roll_back(connection)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of one query."""
        with self._mutex, self._translated():
            return list(self._open().execute(sql, parameters))

    def check(self) -> None:
        """`PRAGMA quick_check`. Raises StoreCorrupt with what SQLite found."""
        for (finding,) in self.query("PRAGMA quick_check(1)"):
            if finding != "ok":
                raise self._corrupt(str(finding).splitlines()[-1].lower())

    def truncate_log(self) -> bool:
        """Move everything into the main file and empty the WAL. False when a reader is in the way."""
        with self._mutex, self._translated():
            busy, *_ = next(iter(self._open().execute("PRAGMA wal_checkpoint(TRUNCATE)")))
            return int(busy) == 0

    def close(self) -> None:
        with self._mutex:
            self._drop()

    def forget_parent(self) -> None:
        """In a forked child: begin anew. The mutex may be held by a thread that the child does not have."""
        self._mutex = threading.RLock()
        if self._connection is not None:
            _inherited.append(self._connection)
            self._connection = None
        if self._turnstile is not None:
            self._turnstile.close()  # the parent's lock stays the parent's; only our copy of its descriptor goes
            self._turnstile = None

    # ── opening ──

    @property
    def _lock_path(self) -> Path:
        return self.path.with_name(self.path.name + ".lock")

    def _open(self) -> apsw.Connection:
        if self._connection is not None:
            return self._connection
        ensure_private_directory(self.path.parent)
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
                check_private_file(self.path.with_name(self.path.name + suffix))
            except FileNotFoundError:
                pass
        try:
            check_private_file(self.path)
            made = self.path.stat().st_size > 0
        except FileNotFoundError:
            made = False
        if made:
            connection = self._configured()
            if self._version(connection) == len(self._schema.migrations):
                return connection
            connection.close()
        turnstile.enter(OPEN_WAIT_S)
        try:
            return self._migrated(turnstile)
        finally:
            turnstile.leave()

    def _configured(self) -> apsw.Connection:
        connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_handler(_BoundedWait(self._busy_wait_s))
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        connection.execute(f"PRAGMA synchronous={self._durability.upper()}")
        if self._secure_delete:
            connection.execute("PRAGMA secure_delete=ON")
        # The last one out must not pay for a checkpoint, and must not delete the log while others start.
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        return connection

    def _migrated(self, turnstile: Turnstile) -> apsw.Connection:
        # Whoever gets here has the turnstile, so the state of the file is looked at afresh.
        if turnstile.store_was_made and (not self.path.exists() or self.path.stat().st_size == 0):
            raise StoreError(
                "the store is gone, and with it what it counted",
                code="store_missing",
                file=str(self.path),
                hint=f"restore it from a backup, or start anew with: rm {self._lock_path}",
            )
        ensure_private_file(self.path)
        connection = self._configured()
        version, target = self._version(connection), len(self._schema.migrations)
        if version < target:
            self._switch_to_wal(connection)
            connection.execute("BEGIN IMMEDIATE")
            for script in self._schema.migrations[version:]:
                connection.execute(script)
            connection.execute(f"PRAGMA application_id={self._schema.application_id}")
            connection.execute(f"PRAGMA user_version={target}")
            connection.execute("COMMIT")
        if not turnstile.store_was_made:
            turnstile.remember_store()
        return connection

    def _switch_to_wal(self, connection: apsw.Connection) -> None:
        # The switch needs the file for itself and does not ask the busy handler: others may be looking at the version.
        deadline = time.monotonic() + OPEN_WAIT_S
        while True:
            try:
                mode = next(iter(connection.execute("PRAGMA journal_mode=WAL")))[0]
            except apsw.BusyError:
                mode = "busy"
            if mode == "wal":
                return
            if mode != "busy" or time.monotonic() > deadline:
                raise StoreError(
                    "write-ahead logging is not possible here, is this a network file system?",
                    file=str(self.path),
                    hint="set state_dir in plugins.toml to a local directory",
                )
            time.sleep(0.002)

    def _version(self, connection: apsw.Connection) -> int:
        version = int(next(iter(connection.execute("PRAGMA user_version")))[0])
        application = int(next(iter(connection.execute("PRAGMA application_id")))[0])
        tables = int(next(iter(connection.execute("SELECT count(*) FROM sqlite_schema")))[0])
        if application not in (0, self._schema.application_id) or (version == 0 and tables > 0):
            raise self._corrupt("it is not a codespar store of this kind")
        if version > len(self._schema.migrations):
            raise StoreSchemaNewer(
                f"written by a newer codespar (schema {version}, this one knows {len(self._schema.migrations)})",
                file=str(self.path),
                hint="pip install --upgrade codespar-cli",
            )
        foreign = "SELECT name FROM sqlite_schema WHERE type IN ('trigger', 'view') LIMIT 1"
        for (name,) in connection.execute(foreign):
            raise self._corrupt(f"it holds a trigger or view that is not ours: {name!a}")
        return version

    # ── transactions ──

    def _begin(self, connection: apsw.Connection) -> None:
        turnstile = self._turnstile
        assert turnstile is not None
        started = time.monotonic()
        turnstile.enter(self._busy_wait_s)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except apsw.BusyError:
            waited = time.monotonic() - started
            raise StoreBusy(
                f"another process held the store for {waited:.1f} s",
                file=str(self.path),
                hint=f"fuser -v {self.path}",
            ) from None
        finally:
            turnstile.leave()

    @staticmethod
    def _roll_back(connection: apsw.Connection) -> None:
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

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except CodesparError:
            raise
        except (apsw.CorruptError, apsw.NotADBError) as error:
            raise self._corrupt(str(error).lower()) from error
        except (apsw.BusyError, apsw.LockedError) as error:
            raise StoreBusy("the store stayed locked", file=str(self.path), hint=f"fuser -v {self.path}") from error
        except (apsw.FullError, apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
            raise StoreError(f"{str(error).lower()}", file=str(self.path), hint="codespar doctor") from error
        except OSError as error:
            words = (error.strerror or str(error)).lower()
            raise StoreError(f"cannot be used: {words}", file=str(self.path), hint="codespar doctor") from error

    def _corrupt(self, finding: str) -> StoreCorrupt:
        return StoreCorrupt(
            f"the store is damaged: {finding}",
            file=str(self.path),
            hint="keep the file, restore a backup; codespar never replaces a damaged store",
        )


class _BoundedWait:
    """SQLite's busy handler: short even sleeps up to a deadline, since the turnstile leaves one waiter at a time."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._deadline = 0.0

    def __call__(self, attempt: int) -> bool:
        now = time.monotonic()
        if attempt == 0:
            self._deadline = now + self._wait_s
        if now >= self._deadline:
            return False
        time.sleep(0.0001 if attempt < 20 else 0.001)
        return True
