"""Switching a new store to write-ahead logging, while others look at the same file."""

from __future__ import annotations

import time

import apsw

from codespar_cli.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def switch_to_wal(connection: apsw.Connection, path: str, lasts: Callable[[], bool]) -> bool:
    """False when the file stayed busy for as long as it `lasts`. Raises StoreError where there can be no such log.

    The switch needs the file for itself and does not ask the busy handler: others may be looking at the version.
    """
    while True:
        try:
            mode = next(iter(connection.execute("PRAGMA journal_mode=WAL")))[0]
        except apsw.BusyError:
            mode = "busy"
        if mode == "wal":
            return True
        if mode != "busy":
            raise StoreError(
                "write-ahead logging is not possible here, is this a network file system?",
                file=path,
                hint="set state_dir in plugins.toml to a local directory",
            )
        if not lasts():
            return False
        time.sleep(0.002)


class LogLength:
    """How many pages the log has, as SQLite tells after every commit. Knows nobody: a connection that knew its database
    would keep it alive."""

    __slots__ = ("pages",)

    def __init__(self) -> None:
        self.pages = 0

    def __call__(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self.pages = pages
        return apsw.SQLITE_OK
