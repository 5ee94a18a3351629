"""The vault's file: full durability for what changes it, crash durability for the record of a read."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from weakref import WeakSet

import apsw

from codespar_cli.errors import StoreCorrupt
from codespar_cli.plugins.secrets.vault_rows import VAULT_SCHEMA
from codespar_cli.storage.locked_scope import LockedScope
from codespar_cli.storage.sqlite import Database, Row

_stores: WeakSet[VaultStore] = WeakSet()


def _after_fork() -> None:
    for store in _stores:
        store.forget_parent()


os.register_at_fork(after_in_child=_after_fork)


class VaultStore:
    """`vault.db` for one process; safe to share between its threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path, VAULT_SCHEMA, durability="full", secure_delete=True)
        self._mutex = threading.RLock()
        self._synchronous = "FULL"
        self._transaction: AbstractContextManager[apsw.Connection]
        _stores.add(self)

    def forget_parent(self) -> None:
        """In a forked child: its connection is a new one, and the mutex may be held by a thread it does not have."""
        self._mutex = threading.RLock()
        self._synchronous = "FULL"

    @property
    def exists(self) -> bool:
        return self._database.exists

    def write(self, *, durable: bool) -> AbstractContextManager[apsw.Connection]:
        """A write transaction; not `durable` means durable against crashes and kill -9, not against power loss."""
        return LockedScope(self._mutex, partial(self._begin, "FULL" if durable else "NORMAL"), self._end)

    @contextmanager
    def read(self) -> Iterator[apsw.Connection]:
        with self._structure_trusted(), self._database.read() as connection:
            yield connection

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        with self._structure_trusted():
            return self._database.query(sql, parameters)

    def check(self) -> None:
        self._database.check()

    def empty_log(self) -> bool:
        """Fold the write-ahead log into the file and empty it. False when a reader was in the way."""
        with self._mutex, self._structure_trusted():
            return self._database.truncate_log()

    def close(self) -> None:
        self._database.close()

    def _begin(self, synchronous: str) -> apsw.Connection:
        try:
            # A connection that was opened afresh, after a fork say, starts FULL: the note can only err on the safe side.
            if self._synchronous != synchronous:
                self._database.query(f"PRAGMA synchronous={synchronous}")
                self._synchronous = synchronous
            transaction = self._database.write()
            connection = transaction.__enter__()
        except (apsw.Error, UnicodeDecodeError) as error:
            self._raise_damaged(error)
        self._transaction = transaction
        return connection

    def _end(self, connection: apsw.Connection, error: BaseException | None) -> None:
        try:
            self._transaction.__exit__(None if error is None else type(error), error, None)
        except apsw.Error as failure:
            self._raise_damaged(failure)
        if isinstance(error, (apsw.Error, UnicodeDecodeError)):
            self._raise_damaged(error)

    @contextmanager
    def _structure_trusted(self) -> Iterator[None]:
        try:
            yield
        except (apsw.Error, UnicodeDecodeError) as error:
            self._raise_damaged(error)

    def _raise_damaged(self, error: apsw.Error | UnicodeDecodeError) -> NoReturn:
        """Storage has named what can go wrong with a sound file; our statements fit our tables, so this one is not."""
        if isinstance(error, UnicodeDecodeError):
            raise StoreCorrupt("the store is damaged: a text is not UTF-8", file=str(self.path)) from None
        raise StoreCorrupt(
            f"the store is damaged: {type(error).__name__.removesuffix('Error').lower()} error",
            file=str(self.path),
            hint="keep the file, restore a backup; codespar never replaces a damaged store",
        ) from error
