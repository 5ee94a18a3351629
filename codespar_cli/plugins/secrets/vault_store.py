"""The vault's file: full durability for what changes it, crash durability for the record of a read."""

from __future__ import annotations

import os
import shlex
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from weakref import WeakSet

import apsw

from codespar_cli.errors import CodesparError, IntegrityError, StoreCorrupt, StoreError
from codespar_cli.plugins.secrets.vault_rows import VAULT_SCHEMA
from codespar_cli.storage.locked_scope import LockedScope
from codespar_cli.storage.private_files import facts_of, reason
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
        with self._structure_trusted():
            self._database.check()

    def require_unshared(self) -> None:
        """Raises StoreError when the file has a second name, or stands where others may put one in its place."""
        try:
            found, above = facts_of(self.path), facts_of(self.path.parent.parent)
        except OSError as error:
            raise StoreError(f"cannot be reached: {reason(error)}", file=str(self.path)) from error
        if found is not None and found.st_nlink > 1:
            raise StoreError(
                f"has {found.st_nlink} names: what is done under another one is not seen here",
                file=str(self.path),
                hint=f"find / -xdev -samefile {shlex.quote(str(self.path))}",
            )
        # Not for a group: where everybody has a group of their own, a umask of 002 makes directories that are safe.
        if above is not None and above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX:
            raise StoreError(
                f"others may put another directory in its place (mode {stat.S_IMODE(above.st_mode):04o} above it)",
                file=str(self.path.parent),
                hint=f"chmod o-w {shlex.quote(str(self.path.parent.parent))}",
            )

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
        except StoreError as error:
            raise self._told(error) from error
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
        except StoreError as error:
            raise self._told(error) from error

    def _told(self, error: StoreError) -> CodesparError:
        """A counter may be begun anew; a vault that is gone is evidence, and nobody is told to remove the rest of it."""
        if error.code != "store_missing":
            return error
        return IntegrityError(
            "the vault was made here, and is gone or empty",
            code="vault_gone",
            file=str(self.path),
            hint="keep what is left, restore a backup; codespar never makes a new vault in its place",
        )

    def _raise_damaged(self, error: apsw.Error | UnicodeDecodeError) -> NoReturn:
        """Storage has named what can go wrong with a sound file; our statements fit our tables, so this one is not."""
        if isinstance(error, UnicodeDecodeError):
            raise StoreCorrupt("the store is damaged: a text is not UTF-8", file=str(self.path)) from None
        raise StoreCorrupt(
            f"the store is damaged: {type(error).__name__.removesuffix('Error').lower()} error",
            file=str(self.path),
            hint="keep the file, restore a backup; codespar never replaces a damaged store",
        ) from error
