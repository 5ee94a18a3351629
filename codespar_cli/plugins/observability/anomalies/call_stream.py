"""Recorded calls in the order of their own times, a page at a time, in read transactions that are short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from codespar_cli.plugins.observability.call_store import CallStore
from codespar_cli.plugins.observability.money import MICROS

__all__ = ["COLUMNS", "PAGE", "Call", "CallStream", "FileStream", "Newest", "calls_between"]

PAGE = 20_000
Call: TypeAlias = tuple[int, str, str, str, float, bool, float | None]
"""Time, tenant, agent, tool, latency in ms, success, cost."""
COLUMNS = "time, id, tenant, agent, tool, latency_ms, success, cost"
_PAGE_SQL = (
    f"SELECT {COLUMNS} FROM calls INDEXED BY calls_by_time "  # noqa: S608  constants
    "WHERE time >= ? AND time <= ? AND (time, id) > (?, ?) AND id <= ? ORDER BY time, id LIMIT ?"
)


class Newest(NamedTuple):
    """The highest id there is, and the latest time that is not in the future."""

    id: int
    time: int


class CallStream(Protocol):
    """Reads of one store. Everything raises StoreError."""

    def newest(self, until: int) -> Newest | None:
        """None when there is no row up to this time."""
        ...

    def time_of(self, id: int) -> int | None:
        """None when the row is not there any more."""
        ...

    def earliest_after(self, id: int, since: int) -> int | None:
        """The earliest time, from `since` on, of the rows that came after this one."""
        ...

    def start_of_last(self, count: int, until: int) -> int | None:
        """The time from which on there are so many calls; None when there are fewer."""
        ...

    def page(self, time: int, id: int, newest: Newest) -> Sequence[tuple[Any, ...]]:
        """The next PAGE rows after this time and id, by time and id, in the order of COLUMNS."""
        ...


def calls_between(stream: CallStream, after: int, newest: Newest) -> Iterator[Call]:
    """The calls with `after < time <= newest.time` that had arrived by then."""
    at, last = after, 2**62
    while True:
        page = stream.page(at, last, newest)
        for time, _id, tenant, agent, tool, latency_ms, success, cost in page:
            yield time, tenant, agent, tool, latency_ms, bool(success), None if cost is None else cost / MICROS
        if len(page) < PAGE:
            return
        at, last, *_ = page[-1]


class FileStream:
    """A SQLite file."""

    def __init__(self, store: CallStore) -> None:
        self._store = store

    def newest(self, until: int) -> Newest | None:
        if not self._store.exists:
            return None
        (row,) = self._store.database.query(
            "SELECT (SELECT max(id) FROM calls), (SELECT max(time) FROM calls WHERE time <= ?)", (until,)
        )
        return None if row[0] is None or row[1] is None else Newest(*row)

    def time_of(self, id: int) -> int | None:
        return self._first("SELECT time FROM calls WHERE id = ?", id)

    def earliest_after(self, id: int, since: int) -> int | None:
        # Without the sign SQLite would walk the index of times from its beginning.
        return self._first("SELECT min(+time) FROM calls WHERE id > ? AND +time >= ?", id, since)

    def start_of_last(self, count: int, until: int) -> int | None:
        return self._first("SELECT time FROM calls WHERE time <= ? ORDER BY time DESC LIMIT 1 OFFSET ?", until, count)

    def page(self, time: int, id: int, newest: Newest) -> Sequence[tuple[Any, ...]]:
        with self._store.snapshot() as connection:
            return list(connection.execute(_PAGE_SQL, (time, newest.time, time, id, newest.id, PAGE)))

    def _first(self, sql: str, *parameters: int) -> int | None:
        rows = self._store.database.query(sql, parameters)
        return None if not rows or rows[0][0] is None else int(rows[0][0])
