"""Sums over the calls on a server, from one snapshot: cells of whole hours, and rows where a period begins or ends
within an hour, where rows have expired, and where nobody has folded yet.

Every statement looks at a bounded number of rows or cells, since every one has to answer within a deadline.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, LiteralString, NamedTuple

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.clock import to_micros
from codespar_cli.errors import StoreCorrupt, StoreError
from codespar_cli.plugins.observability.rollup import UNITS, Dimension, of_rows_alone
from codespar_cli.plugins.observability.rollup_cover import FOREVER
from codespar_cli.plugins.observability.rollup_schema import HOUR_US
from codespar_cli.plugins.observability.stores import postgres_fold
from codespar_cli.plugins.observability.stores.postgres_calls import PostgresCalls, floor_sql
from codespar_cli.plugins.observability.stores.postgres_fold import BUCKET_SQL, OUTCOME_SQL, ROW_SUMS
from codespar_cli.plugins.observability.stores.postgres_selection import of_series, select
from codespar_cli.storage.postgres import Row, Session

AT_ONCE = 100_000
"""Rows, or calls in cells, that one statement adds up: about a tenth of a second."""

_CALL_SQL: dict[str, LiteralString] = {
    "tool": "tool",
    "agent": "agent",
    "project": "project",
    "tenant": "tenant",
    "outcome": OUTCOME_SQL,
    "source": "cost_source",
    **{name: floor_sql("time", unit) for name, unit in UNITS.items()},
}
_CELL_SQL: dict[str, LiteralString] = {
    "tool": "s.tool",
    "agent": "s.agent",
    "project": "s.project",
    "tenant": "s.tenant",
    "outcome": "s.outcome",
    "source": "s.source",
    **{name: floor_sql("c.hour", unit) for name, unit in UNITS.items()},
}
# numeric, whatever it adds up, where a sum may not fit 64 bits.
_CELL_SUMS: LiteralString = (
    "sum(calls)::bigint AS calls, sum(errors)::bigint AS errors, sum(latency_sum) AS latency_sum,"
    " min(latency_min) AS latency_min, max(latency_max) AS latency_max, sum(priced)::bigint AS priced, sum(cost) AS cost,"
    " sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens"
)
_BEHIND: LiteralString = "SELECT folded < newest OR EXISTS (SELECT 1 FROM hours WHERE stale) FROM head"
_MAY_EXCEED: LiteralString = (
    "SELECT (SELECT count(*) FROM (SELECT 1 FROM series LIMIT %s) AS counted) + newest - folded > %s FROM head"
)
_ENDS: LiteralString = "SELECT newest, folded, coalesce((SELECT min(id) FROM calls), newest + 1) FROM head"
_HOURS: LiteralString = "SELECT hour, calls, stale FROM hours WHERE hour > %s AND hour < %s ORDER BY hour"


class _Hour(NamedTuple):
    hour: int
    calls: int
    stale: bool


class PostgresSums:
    def __init__(self, store: PostgresCalls) -> None:
        self._store = store

    def catch_up(self) -> bool:
        while self._is_behind():
            try:
                with self._store.writing.write() as session:
                    if not postgres_fold.step(session):
                        break
            except StoreCorrupt:
                raise
            except StoreError:
                return False  # a standby, no right to write, busy: what is not folded in is read as rows
        return True

    def may_exceed(self, groups: int) -> bool:
        with self._store.reading.read() as session:
            return session is not None and bool(session.rows(_MAY_EXCEED, (groups + 1, groups))[0][0])

    def answers(self, wanted: MetricFilter, by: Sequence[Dimension], *, sums: bool) -> Iterator[Row]:
        with self._store.reading.read() as session:
            if session is not None:
                yield from _Reading(session, wanted, by, sums=sums).rows()

    def _is_behind(self) -> bool:
        with self._store.reading.read() as session:
            return session is not None and bool(session.rows(_BEHIND)[0][0])


class _Reading:
    """One answer, from one snapshot."""

    def __init__(self, session: Session, wanted: MetricFilter, by: Sequence[Dimension], *, sums: bool) -> None:
        self._session = session
        self._by = by
        self._sums = sums
        self._of_rows = of_rows_alone(wanted) or not {"minute", "slice"}.isdisjoint(by)
        self._chosen = select(wanted)
        self._of_series = of_series(wanted)
        self._start = -FOREVER if wanted.since is None else to_micros(wanted.since)
        self._end = FOREVER if wanted.until is None else to_micros(wanted.until)

    def rows(self) -> Iterator[Row]:
        newest, folded, oldest = self._session.rows(_ENDS)[0]
        # Every row that is folded in lies in one of these hours.
        hours = [_Hour(*row) for row in self._session.rows(_HOURS, (self._start - HOUR_US, self._end))]
        for whole, several in groupby(hours, self._is_whole):
            for piece in _pieces(several):
                yield from self._from_cells(piece) if whole else self._from_hours(piece, folded)
        for start in range(max(folded, oldest - 1), newest, AT_ONCE):
            yield from self._from_rows("id > %s AND id <= %s", (start, min(start + AT_ONCE, newest)))

    def _is_whole(self, hour: _Hour) -> bool:
        """Whether its cells say all that is asked for."""
        if self._of_rows or hour.stale:
            return False
        return hour.hour >= self._start and hour.hour + HOUR_US <= self._end

    def _from_hours(self, hours: Sequence[_Hour], folded: int) -> Iterator[Row]:
        """From the rows of some hours that follow each other: of one, a part at a time if there are many."""
        start, end = max(hours[0].hour, self._start), min(hours[-1].hour + HOUR_US, self._end)
        parts = sum(hour.calls for hour in hours) // AT_ONCE + 1
        width = max(-(-(end - start) // parts), 1)  # a period may be empty
        for at in range(start, end, width):
            yield from self._from_rows("time >= %s AND time < %s AND id <= %s", (at, min(at + width, end), folded))

    def _from_rows(self, where: LiteralString, values: tuple[int, ...]) -> list[Row]:
        keys = [_CALL_SQL[each] for each in self._by]
        inner = ROW_SUMS if self._sums else "count(*) AS calls"
        chosen = f"FROM calls WHERE {where}{self._chosen.sql}"
        return self._all(keys, BUCKET_SQL, inner, chosen, (*values, *self._chosen.parameters))

    def _from_cells(self, hours: Sequence[_Hour]) -> list[Row]:
        start, end = hours[0].hour, hours[-1].hour + HOUR_US
        keys = [_CELL_SQL[each] for each in self._by]
        inner = _CELL_SUMS if self._sums else "sum(calls)::bigint AS calls"
        chosen = (
            f"FROM cells c JOIN series s ON s.id = c.series WHERE c.hour >= %s AND c.hour < %s{self._of_series.sql}"
        )
        return self._all(keys, "bucket", inner, chosen, (start, end, *self._of_series.parameters))

    def _all(
        self,
        keys: list[LiteralString],
        bucket: LiteralString,
        inner: LiteralString,
        chosen: str,
        values: tuple[Any, ...],
    ) -> list[Row]:
        self._session.renew()
        count = len(keys)
        named = ", ".join([f"{key} AS k{number}" for number, key in enumerate(keys)])
        numbers = ", ".join(map(str, range(1, count + 1)))
        if not self._sums:
            return self._session.rows(f"SELECT {named}, {inner} {chosen} GROUP BY {numbers}", values)
        # First by bucket as well, then all buckets of a group in one text: nothing but groups crosses the network.
        names = ", ".join([f"k{number}" for number in range(count)])
        statement = (
            f"SELECT {names}, {_CELL_SUMS}, string_agg(calls || '=' || bucket, '|') FROM (SELECT {named}, "  # noqa: S608
            f"{bucket} AS bucket, {inner} {chosen} GROUP BY {numbers}, {count + 1}) AS parts GROUP BY {numbers}"
        )
        return [_as_cell(row) for row in self._session.rows(statement, values)]


def _pieces(hours: Iterable[_Hour]) -> Iterator[list[_Hour]]:
    """Hours that follow each other, as many at once as have few enough calls together."""
    several: list[_Hour] = []
    calls = 0
    for hour in hours:
        calls += hour.calls
        if several and calls > AT_ONCE:
            yield several
            several, calls = [], hour.calls
        several.append(hour)
    if several:
        yield several


def _as_cell(row: Row) -> Row:
    """In the order of a cell's columns in the file, where money is whole units beside millionths."""
    *first, cost, input_tokens, output_tokens, buckets = row
    return (*first, 0, int(cost or 0), _whole(input_tokens), _whole(output_tokens), buckets)


def _whole(number: Any) -> int | None:
    return None if number is None else int(number)
