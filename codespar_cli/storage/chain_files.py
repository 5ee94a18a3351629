"""The hash-chained records of a state directory: which there are, and how to read one without its plugin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw

from codespar_cli.errors import IntegrityError, StoreError
from codespar_cli.storage import chain
from codespar_cli.storage.private_files import check_private_file, facts_of, reason
from codespar_cli.storage.sqlite_errors import DAMAGE

CHAINED_STORES = ("policy", "vault", "gate")


@dataclass(frozen=True, slots=True)
class ChainFile:
    """A store with a chained record; `name` is the file's stem."""

    name: str
    path: Path

    @contextmanager
    def open(self) -> Iterator[apsw.Connection]:
        """A snapshot to read from. Raises StoreError, or IntegrityError when the store or its record is gone."""
        try:
            if facts_of(self.path) is None:
                raise IntegrityError(
                    f"the record `{self.name}` is gone: its store was removed", code="chain_broken", file=str(self.path)
                )
            check_private_file(self.path)
            connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
            connection.set_busy_timeout(2000)
            try:
                connection.execute("PRAGMA trusted_schema=OFF")
                connection.execute("BEGIN")
                if not list(connection.execute("SELECT 1 FROM sqlite_schema WHERE type='table' AND name='chain'")):
                    raise IntegrityError(
                        f"the record `{self.name}` is gone from its store", code="chain_broken", file=str(self.path)
                    )
                yield connection
            finally:
                connection.close()
        except DAMAGE as error:
            raise IntegrityError(
                f"the record `{self.name}` cannot be read: {str(error).lower()}",
                code="chain_broken",
                file=str(self.path),
            ) from error
        except OSError as error:
            raise StoreError(f"cannot be read: {reason(error)}", file=str(self.path)) from error
        except apsw.Error as error:
            raise StoreError(f"cannot be read: {str(error).lower()}", file=str(self.path)) from error

    def renamed(self, name: str) -> ChainFile:
        return ChainFile(name, self.path)

    def verify(self) -> chain.ChainHead:
        """Recompute the chain. Raises IntegrityError."""
        with self.open() as connection:
            return chain.verify(connection, self.name)

    def records(self, after: int = 0) -> Iterator[chain.ChainRecord]:
        with self.open() as connection:
            yield from chain.read(connection, after=after, name=self.name)


def chain_files(state_dir: Path) -> list[ChainFile]:
    """Every store that was ever made, also one that has been removed since. Raises StoreError."""
    return [ChainFile(name, path) for name in CHAINED_STORES if _was_made(path := state_dir / f"{name}.db")]


def _was_made(path: Path) -> bool:
    """Whether there ever was a record. A first opening may have failed, on a full disk, before it made one."""
    try:
        lock, store = facts_of(path.with_name(f"{path.name}.lock")), facts_of(path)
    except OSError as error:
        raise StoreError(f"cannot be read: {reason(error)}", file=str(path)) from error
    if lock is not None and lock.st_size > 0:
        return True
    return store is not None and store.st_size > 0 and not _is_blank(path)


def _is_blank(path: Path) -> bool:
    """Whether it is a database that holds nothing at all. One that cannot be read holds something, for all we know."""
    try:
        check_private_file(path)
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            return not list(connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1"))
        finally:
            connection.close()
    except (StoreError, OSError, apsw.Error, UnicodeDecodeError):
        return False
