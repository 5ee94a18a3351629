"""Sums over any number of calls in the time of a few: what `stats`, `costs`, exporters, detectors and reports build on.

    rollup = Rollup(store)
    rollup.totals(wanted, ("tool",))                       {("git/push",): Totals(...)}; also ("tool", "agent"), ...
    rollup.totals(wanted, ("hour", "tool"))                the same by the hour; also minute, slice (5), day
    rollup.calls(wanted, ("day",))                         {(micros,): calls}; no latencies, a fraction of the work
    rollup.minutes(wanted, since, until, by=("tool",))     {("tool", ...): [(minute, Totals), ...]} in their order

`wanted` limits by tool, agent, tenant, time and errors; also by `slow_ms` and `min_cost`, for which rows are read, since
cells do not know them. Groups are named by the values of DIMENSIONS_SQL, times by microseconds since the epoch. Every
answer is that of the rows which are in the store now, percentiles within 1 %, all else exact: whoever asks first folds
what is new, and whoever may not write (a read-only disk, a store that is busy) reads those rows in place of it.

A store of more than MAX_GROUPS tools, agents or combinations answers the busiest of them, and the sum of all others as
OTHERS: memory does not grow with the names that agents make up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias, get_args

import apsw

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.clock import to_micros
from codespar_cli.errors import StoreCorrupt, StoreError
from codespar_cli.plugins.observability.call_store import CallStore
from codespar_cli.plugins.observability.rollup_cover import FOREVER, Cells, Hour, Rows, cover
from codespar_cli.plugins.observability.rollup_fold import CELL_SUMS, FOLD_ROWS, OUTCOME_SQL, ROW_SUMS, Fold
from codespar_cli.plugins.observability.rollup_schema import DAY_US, HOUR_US, MINUTE_US, SLICE_US, Kind, floor_sql
from codespar_cli.plugins.observability.selection import Selection, of_series, select
from codespar_cli.plugins.observability.stores.metric_store import MetricStore
from codespar_cli.plugins.observability.totals import Totals
from codespar_cli.storage.sqlite import Row

Dimension: TypeAlias = Literal[
    "tool", "agent", "project", "tenant", "outcome", "source", "minute", "slice", "hour", "day"
]
Key: TypeAlias = tuple[str | int | None, ...]

MAX_GROUPS = 10_000
OTHERS = "(others)"
"""The name of the group of all that are too many to be named."""
UNITS: dict[str, int] = {"minute": MINUTE_US, "slice": SLICE_US, "hour": HOUR_US, "day": DAY_US}
_CALL_SQL = {
    "tool": "tool",
    "agent": "agent",
    "project": "project",
    "tenant": "tenant",
    "outcome": OUTCOME_SQL,
    "source": "cost_source",
    **{name: floor_sql("time", unit) for name, unit in UNITS.items()},
}
_CELL_SQL = {
    "tool": "s.tool",
    "agent": "s.agent",
    "project": "nullif(s.project, '')",
    "tenant": "s.tenant",
    "outcome": "s.outcome",
    "source": "s.source",
    **{name: floor_sql("c.period", unit) for name, unit in UNITS.items()},
}
DIMENSIONS_SQL = frozenset(get_args(Dimension))


class _State(NamedTuple):
    folded: int
    horizon: int
    newest: int


class Rollup:
    """Reads of one store; nothing is kept between two of them. Raises StoreError."""

    def __init__(self, store: MetricStore) -> None:
        self._store = store
        self._source = store.sums()

    def catch_up(self) -> bool:
        """Fold what is new, in transactions that are short. False when the store cannot be written now."""
        return self._source.catch_up()

    def totals(self, wanted: MetricFilter, by: Sequence[Dimension]) -> dict[Key, Totals]:
        """Everything that is known of every group of the wanted calls."""
        named = self._named(wanted, by)
        groups: dict[Key, Totals] = {}
        for row in self._answers(wanted, by, sums=True):
            key = row[: len(by)]
            if named is not None and key not in named:
                key = (OTHERS,) * len(by)
            if key not in groups:
                groups[key] = Totals()
            groups[key].add(row[len(by) :])
        return groups

    def calls(self, wanted: MetricFilter, by: Sequence[Dimension]) -> dict[Key, int]:
        """How many calls each group has."""
        counts: dict[Key, int] = {}
        for *key, calls in self._answers(wanted, by, sums=False):
            group = tuple(key)
            counts[group] = counts.get(group, 0) + calls
        return counts

    def minutes(
        self, wanted: MetricFilter, since: datetime, until: datetime, by: Sequence[Dimension] = ("tool",)
    ) -> dict[Key, list[tuple[int, Totals]]]:
        """For each group its minutes that have calls, oldest first. Read from rows: meant for hours, not for months."""
        found: dict[Key, list[tuple[int, Totals]]] = {}
        within = wanted._replace(since=since, until=until)
        totals = self.totals(within, ("minute", *by))
        for key in sorted(totals, key=lambda key: str(key[0]).rjust(20)):
            minute, *group = key
            if isinstance(minute, int):
                found.setdefault(tuple(group), []).append((minute, totals[key]))
        return found

    # ── inside ──

    def _named(self, wanted: MetricFilter, by: Sequence[Dimension]) -> set[Key] | None:
        """The groups that are named, when there are too many to name all; periods are not counted."""
        if all(each in UNITS or each in ("tenant", "source") for each in by) or not self._store.exists:
            return None
        self.catch_up()
        if not self._source.may_exceed(MAX_GROUPS):
            return None
        counts = self.calls(wanted, by)
        if len(counts) <= MAX_GROUPS:
            return None
        busiest = sorted(counts, key=lambda key: (-counts[key], *(str(part) for part in key)))
        return set(busiest[:MAX_GROUPS])

    def _answers(self, wanted: MetricFilter, by: Sequence[Dimension], *, sums: bool) -> Iterator[Row]:
        if not self._store.exists:
            return
        if not of_rows_alone(wanted):
            self.catch_up()
        yield from self._source.answers(wanted, by, sums=sums)


def of_rows_alone(wanted: MetricFilter) -> bool:
    """Whether cells cannot tell which calls are wanted."""
    return wanted.slow_ms is not None or wanted.min_cost is not None


class FileSums:
    """The sums of a SQLite file."""

    def __init__(self, store: CallStore) -> None:
        self._store = store

    def catch_up(self) -> bool:
        try:
            while self._is_behind():
                with self._store.database.write() as connection:
                    if Fold(connection).step():
                        break
        except StoreCorrupt:
            raise
        except StoreError:
            return False  # read-only, full or busy: what is not folded in is read as rows
        return True

    def may_exceed(self, groups: int) -> bool:
        (many,) = self._store.database.query(
            f"SELECT (SELECT count(*) FROM (SELECT 1 FROM series LIMIT {groups + 1})) "  # noqa: S608  own SQL
            f"+ (SELECT ifnull(max(id), 0) FROM calls) - (SELECT folded FROM rollup) > {groups}"
        )[0]
        return bool(many)

    def answers(self, wanted: MetricFilter, by: Sequence[Dimension], *, sums: bool) -> Iterator[Row]:
        if of_rows_alone(wanted):
            yield from self._from_rows(wanted, by, sums=sums)
            return
        with self._store.snapshot() as connection:
            yield from _Reading(connection, wanted, by, sums=sums).rows()

    def _is_behind(self) -> bool:
        if not self._store.exists:
            return False
        (behind,) = self._store.database.query(_BEHIND)[0]
        return bool(behind)

    def _from_rows(self, wanted: MetricFilter, by: Sequence[Dimension], *, sums: bool) -> Iterator[Row]:
        with self._store.snapshot() as connection:
            state = _state(connection)
            first = next(iter(connection.execute("SELECT ifnull(min(id), 1) - 1 FROM calls")))[0]
        sql, parameters = _rows_sql(select(wanted), by, "id > ? AND id <= ?", sums=sums)
        for start in range(first, state.newest, FOLD_ROWS):
            with self._store.snapshot() as connection:
                rows = list(connection.execute(sql, (start, start + FOLD_ROWS, *parameters)))
            yield from rows


class _Reading:
    """One answer, from one snapshot: cells, rows at the edges, and rows that are not folded in."""

    def __init__(
        self, connection: apsw.Connection, wanted: MetricFilter, by: Sequence[Dimension], *, sums: bool
    ) -> None:
        self._connection = connection
        self._by = by
        self._sums = sums
        self._chosen = select(wanted._replace(since=None, until=None))
        self._of_series = of_series(wanted)
        self._kind = _kind(wanted, by)
        self._state = _state(connection)
        self._start = -FOREVER if wanted.since is None else to_micros(wanted.since)
        self._end = FOREVER if wanted.until is None else to_micros(wanted.until)

    def rows(self) -> Iterator[Row]:
        start = max(self._start, self._state.horizon)
        if self._start < start:
            yield from self._from_rows(Rows(self._start, min(start, self._end)))
        pieces: Iterable[Cells | Rows] = [Rows(start, self._end)]
        if "minute" not in self._by:
            pieces = cover(start, self._end, self._kind, *self._kept(start), sliced="slice" in self._by)
        for piece in pieces:
            yield from self._from_cells(piece) if isinstance(piece, Cells) else self._from_rows(piece)
        sql, parameters = _rows_sql(
            self._chosen, self._by, "id > ? AND id <= ? AND +time >= ? AND +time < ?", sums=self._sums
        )
        for first in range(self._state.folded, self._state.newest, FOLD_ROWS):
            yield from self._all(sql, (first, first + FOLD_ROWS, self._start, self._end, *parameters))

    def _kept(self, start: int) -> tuple[list[Hour], list[int]]:
        days: list[int] = []
        if "hour" not in self._by and "slice" not in self._by:
            days = [day for (day,) in self._all(_USABLE_DAYS, (start, self._end))]
        skipped = set(days)
        found = self._all(_HOURS, (start - HOUR_US, self._end))
        hours = [Hour(row[0], *map(bool, row[1:])) for row in found if row[0] - row[0] % DAY_US not in skipped]
        return hours, days

    def _from_cells(self, piece: Cells) -> Iterator[Row]:
        keys = [_CELL_SQL[each] for each in self._by]
        values = CELL_SUMS if self._sums else "sum(calls)"
        # Globs look at every series once, not at every cell of it.
        chosen = f"SELECT id FROM series s WHERE true{self._of_series.sql}"  # noqa: S608  own SQL
        limit = f" AND c.series IN ({chosen})" if self._of_series.sql else ""
        numbers = ", ".join(str(number + 1) for number in range(len(keys)))
        sql = (
            f"SELECT {', '.join([*keys, values])} FROM cells c CROSS JOIN series s ON s.id = c.series "  # noqa: S608
            f"WHERE c.level = ? AND c.kind = ? AND c.period >= ? AND c.period < ?{limit} GROUP BY {numbers}"
        )
        yield from self._all(sql, (*piece, *self._of_series.parameters))

    def _from_rows(self, piece: Rows) -> Iterator[Row]:
        sql, parameters = _rows_sql(self._chosen, self._by, "time >= ? AND time < ? AND +id <= ?", sums=self._sums)
        yield from self._all(sql, (piece.start, piece.end, self._state.folded, *parameters))

    def _all(self, sql: str, parameters: tuple[object, ...]) -> Iterator[Row]:
        return iter(self._connection.execute(sql, parameters))


_BEHIND = (
    "SELECT ifnull((SELECT max(id) FROM calls), 0) > folded OR EXISTS (SELECT 1 FROM hours WHERE stale) "  # noqa: S608  own SQL
    "OR EXISTS (SELECT 1 FROM hours WHERE NOT closed AND NOT stale AND hour < (SELECT max(hour) FROM hours)) "
    f"OR EXISTS (SELECT 1 FROM days WHERE NOT closed AND day + {DAY_US} <= (SELECT max(hour) FROM hours)) FROM rollup"
)
_USABLE_DAYS = (
    f"SELECT day FROM days WHERE closed AND day >= ? AND day + {DAY_US} <= ? AND NOT EXISTS "  # noqa: S608  own SQL
    f"(SELECT 1 FROM hours WHERE stale AND hour >= day AND hour < day + {DAY_US}) ORDER BY day"
)
_HOURS = "SELECT hour, sliced, closed, stale FROM hours WHERE hour > ? AND hour < ? ORDER BY hour"


def _state(connection: apsw.Connection) -> _State:
    sql = "SELECT folded, ifnull(horizon, ?), ifnull((SELECT max(id) FROM calls), 0) FROM rollup"
    return _State(*next(iter(connection.execute(sql, (-FOREVER,)))))


def _kind(wanted: MetricFilter, by: Sequence[Dimension]) -> Kind:
    """The coarsest series that keep apart what is asked for."""
    needed = {each for each in by if each not in UNITS and each != "tenant"}
    needed |= {name for name in ("tool", "agent") if getattr(wanted, name) is not None}
    if wanted.errors:
        needed.add("outcome")
    match sorted(needed):
        case ["tool"]:
            return Kind.TOOL
        case ["agent"]:
            return Kind.AGENT
        case [] | ["project"]:
            return Kind.PROJECT
        case _:
            return Kind.FULL


def _rows_sql(chosen: Selection, by: Sequence[Dimension], where: str, *, sums: bool) -> tuple[str, tuple[object, ...]]:
    keys = [_CALL_SQL[each] for each in by]
    numbers = ", ".join(str(number + 1) for number in range(len(keys)))
    columns = ", ".join([*keys, ROW_SUMS if sums else "count(*)"])
    sql = f"SELECT {columns} FROM calls WHERE {where}{chosen.sql} GROUP BY {numbers}"  # noqa: S608  own SQL
    return sql, chosen.parameters
