"""Folding rows into cells: from the newest id that is folded in, in the transaction that moves it forward.

Killed at any moment, a fold has happened whole or not at all. Any reader may run it at any time: it never counts a row
twice, since the cursor and the cells change together, and misses none, since ids become visible in their order. SQLite
does the work: Python sees new names and hours, no rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import apsw

from codespar_cli.plugins.observability.histogram import BUCKET_SQL, compact_buckets
from codespar_cli.plugins.observability.money import MICROS
from codespar_cli.plugins.observability.rollup_schema import (
    DAY_US,
    DIMENSIONS,
    HOUR_US,
    KEPT,
    OTHER_ERROR,
    SLICE_US,
    Kind,
    floor_sql,
)

FOLD_ROWS = 50_000
"""Rows of one transaction, which writers wait for: about a tenth of a second."""
SAMPLE_ROWS = 500
"""Rows of a transaction that are looked at for new names first."""
BUSY_HOUR = 100_000
"""Calls that make an hour worth keeping in slices. A quieter one is read row by row where a period begins in it."""
LONG_TEXT = 8_192
"""Characters of buckets after which equal ones are counted together, in a cell that still grows."""
SHORT_TEXT = 4_096
"""The same for a cell that is finished."""
MOST = 10**17
"""Where a cell's sum stops: hostile token counts must not make a store that cannot be folded."""
CLOSED_AT_ONCE = 8

_MOST_SUM = 9 * 10**18


def _large(column: str) -> str:
    """A sum that cannot overflow in SQLite, which would fail the statement: it stops short of 2^63."""
    return f"min({_MOST_SUM}, sum({column} / {MICROS}) * {MICROS} + sum({column} % {MICROS}))"


OUTCOME_SQL = f"CASE WHEN success THEN '' ELSE ifnull(error_type, '{OTHER_ERROR}') END"
ROW_SUMS = (
    "count(*), count(*) - sum(success), sum(latency_ms), min(latency_ms), max(latency_ms), "
    f"count(cost), sum(cost / {MICROS}), sum(cost % {MICROS}), {_large('input_tokens')}, {_large('output_tokens')}, "
    f"group_concat({BUCKET_SQL}, ' ')"
)
"""What a group of rows comes to, in the order of a cell's columns."""
CELL_SUMS = (
    "sum(calls), sum(errors), sum(latency_sum), min(latency_min), max(latency_max), sum(priced), "
    f"{', '.join(map(_large, ('cost_whole', 'cost_micros', 'input_tokens', 'output_tokens')))}, "
    "group_concat(buckets, '|')"
)
_TIDY_SUMS = CELL_SUMS.replace("group_concat(buckets, '|')", "tidy_buckets(group_concat(buckets, '|'))")
_SUMS = (
    "calls, errors, latency_sum, latency_min, latency_max, priced, cost_whole, cost_micros, input_tokens, "
    "output_tokens, buckets"
)
# No stored name holds a NUL: joined by it, no two sets of names are spelled alike. One text sorts faster than six.
_NAME_SQL = f"concat_ws(char(0), tenant, ifnull(project, ''), agent, tool, {OUTCOME_SQL}, cost_source)"
# What is kept of a stale hour is read by nobody, and made anew from all of its rows.
_NOT_STALE = f"{floor_sql('time', HOUR_US)} NOT IN (SELECT hour FROM hours WHERE stale)"  # noqa: S608  own SQL
_IS_NEW = "NOT EXISTS (SELECT 1 FROM series s WHERE s.kind = 0 AND s.name = n.name)"
_NEW_NAMES = f"SELECT DISTINCT name FROM fresh n WHERE {_IS_NEW}"  # noqa: S608  own SQL
_FRESH = f"CREATE TEMP TABLE IF NOT EXISTS fresh (period, name, {_SUMS})"


def _both(column: str) -> str:
    return f"{column} = min({MOST}, coalesce({column} + excluded.{column}, {column}, excluded.{column}))"


_MERGE = (
    "ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, errors = errors + excluded.errors, "
    "latency_sum = latency_sum + excluded.latency_sum, latency_min = min(latency_min, excluded.latency_min), "
    "latency_max = max(latency_max, excluded.latency_max), priced = priced + excluded.priced, "
    f"{', '.join(map(_both, ('cost_whole', 'cost_micros', 'input_tokens', 'output_tokens')))}, "
    f"buckets = CASE WHEN length(buckets) + length(excluded.buckets) < {LONG_TEXT} "
    "THEN buckets || '|' || excluded.buckets ELSE compact_buckets(buckets || '|' || excluded.buckets) END"
)


class Fold:
    """The writer of the rollup, inside a write transaction of the store. Raises apsw.Error."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        connection.create_scalar_function("compact_buckets", _compact, 1, deterministic=True)
        connection.create_scalar_function("tidy_buckets", _tidy, 1, deterministic=True)
        connection.execute(_FRESH)

    def step(self) -> bool:
        """One piece of the work, bounded. True when nothing is left."""
        folded, horizon, oldest, newest = self._one(
            "SELECT folded, horizon, ifnull((SELECT min(id) FROM calls), 1), ifnull((SELECT max(id) FROM calls), 0) "
            "FROM rollup"
        )
        for (hour,) in self._all("SELECT hour FROM hours WHERE stale ORDER BY hour"):
            if self._one(_COUNT_ROWS, (hour, hour + HOUR_US, folded, FOLD_ROWS + 1))[0] <= FOLD_ROWS:
                self._fold_again(hour, folded)
                return False
        if horizon is not None:
            self._forget_before(horizon)
            self._take_back(horizon)
        if newest <= folded:
            return self._close()
        upto = self._end_of_window(max(folded, oldest - 1), newest)
        self._fold_rows(f"id > {folded} AND id <= {upto} AND {_NOT_STALE}", upto)
        self._connection.execute("UPDATE rollup SET folded = ?", (upto,))
        return False

    def _end_of_window(self, first: int, newest: int) -> int:
        """Up to which id rows are folded now: fewer where most bring a name of their own, each of which is four rows."""
        names = f"SELECT DISTINCT {_NAME_SQL} AS name FROM calls WHERE id > ? AND id <= ?"  # noqa: S608  own SQL
        (found,) = self._one(f"SELECT count(*) FROM ({names}) n WHERE {_IS_NEW}", (first, first + SAMPLE_ROWS))  # noqa: S608
        return min(newest, first + (FOLD_ROWS if 2 * found < SAMPLE_ROWS else -(-FOLD_ROWS // 10)))

    # ── rows into cells ──

    def _fold_rows(self, rows: str, upto: int) -> None:
        """Add rows, of which none is newer than `upto`, to what is kept of their hours."""
        known = self._all("SELECT hour FROM hours WHERE sliced")
        if known:
            hours = f"{floor_sql('time', HOUR_US)} {{}} ({', '.join(str(hour) for (hour,) in known)})"
            self._gather(f"{rows} AND {hours.format('IN')}", SLICE_US)
            self._count()
            self._pour(SLICE_US)
            rows = f"{rows} AND {hours.format('NOT IN')}"
        self._gather(rows, HOUR_US)
        crowded = [hour for hour, calls in self._count() if calls >= BUSY_HOUR]
        for hour in crowded:
            self._connection.execute("DELETE FROM fresh WHERE period = ?", (hour,))
        self._pour(HOUR_US)
        for hour in crowded:
            self._connection.execute("UPDATE hours SET sliced = 1 WHERE hour = ?", (hour,))
            self._delete(HOUR_US, hour, hour + HOUR_US)
            self._gather(f"time >= {hour} AND time < {hour + HOUR_US} AND id <= {upto}", SLICE_US)
            self._pour(SLICE_US)

    def _count(self) -> list[tuple[int, int]]:
        """Open the hours of what is fresh, and answer how many rows each of them has now."""
        hour = floor_sql("period", HOUR_US)
        found = []
        for start, count in self._all(f"SELECT {hour}, sum(calls) FROM fresh GROUP BY 1"):  # noqa: S608  own SQL
            self._open(start)
            found.append((start, int(self._one(_COUNT_HOUR, (start, count))[0])))
        return found

    def _gather(self, rows: str, unit: int) -> None:
        self._connection.execute(
            f"INSERT INTO fresh SELECT {floor_sql('time', unit)}, {_NAME_SQL}, {ROW_SUMS} "  # noqa: S608  own SQL
            f"FROM calls WHERE {rows} GROUP BY 1, 2"
        )

    def _pour(self, level: int) -> None:
        """Merge what is fresh into the FULL cells of one level."""
        self._add_series([name for (name,) in self._all(_NEW_NAMES)])
        self._connection.execute(
            f"INSERT INTO cells SELECT {level}, 0, period, s.id, {', '.join(f'f.{each}' for each in _SUMS.split(', '))} "  # noqa: S608
            f"FROM fresh f CROSS JOIN series s ON s.kind = 0 AND s.name = f.name WHERE true {_MERGE}"
        )
        self._connection.execute("DELETE FROM fresh")

    def _add_series(self, names: list[str]) -> None:
        """All new names at once: first the sums that they are in, of which many have the same."""
        values = [dict(zip(DIMENSIONS, name.split("\0"), strict=True)) for name in names]
        for kind in _SUMMED:
            kept = {tuple(each[key] if key in KEPT[kind] else "" for key in DIMENSIONS): each for each in values}
            self._connection.executemany(
                _INSERT_SUM, [(int(kind), _name_of(kind, each), *columns) for columns, each in kept.items()]
            )
        self._connection.executemany(
            _INSERT_FULL,
            [
                (name, *each.values(), *(_name_of(kind, each) for kind in _SUMMED))
                for name, each in zip(names, values, strict=True)
            ],
        )

    # ── periods that are over ──

    def _close(self) -> bool:
        """Close some hours or a day; all but the newest, which goes on. True when there was none."""
        newest = self._one("SELECT max(hour) FROM hours")[0]
        if newest is None:
            return True
        hours = self._all(
            f"SELECT hour, sliced FROM hours WHERE NOT closed AND NOT stale AND hour < ? ORDER BY hour LIMIT {CLOSED_AT_ONCE}",  # noqa: S608  own SQL
            (newest,),
        )
        for hour, sliced in hours:
            if sliced:
                self._add_up(HOUR_US, hour, SLICE_US)
            self._add_kinds(HOUR_US, hour)
            self._connection.execute("UPDATE hours SET closed = 1 WHERE hour = ?", (hour,))
        if hours:
            return False
        days = self._all(_DAY_TO_CLOSE, (newest - newest % DAY_US,))
        for (day,) in days:
            self._add_up(DAY_US, day, HOUR_US)
            self._connection.execute("UPDATE days SET closed = 1 WHERE day = ?", (day,))
        return not days

    def _add_up(self, level: int, period: int, finer: int) -> None:
        kinds = Kind if finer == HOUR_US else [Kind.FULL]
        for kind in kinds:
            self._connection.execute(
                f"INSERT INTO cells SELECT {level}, {int(kind)}, {period}, series, {_TIDY_SUMS} FROM cells "  # noqa: S608
                f"WHERE level = {finer} AND kind = {int(kind)} AND period >= {period} AND period < {period + level} "
                "GROUP BY series"
            )

    def _add_kinds(self, level: int, period: int) -> None:
        for kind, column in _SUMMED.items():
            self._connection.execute(
                f"INSERT INTO cells SELECT {level}, {int(kind)}, {period}, s.{column}, {_TIDY_SUMS} "  # noqa: S608
                f"FROM cells c JOIN series s ON s.id = c.series WHERE c.level = {level} AND c.kind = 0 "
                f"AND c.period = {period} GROUP BY s.{column}"
            )

    def _open(self, hour: int) -> None:
        """Take away the sums that a row in this hour makes wrong."""
        for closed, sliced in self._all("SELECT closed, sliced FROM hours WHERE hour = ?", (hour,)):
            if closed:
                self._delete(HOUR_US, hour, hour + HOUR_US, Kind if sliced else _SUMMED)
                self._connection.execute("UPDATE hours SET closed = 0 WHERE hour = ?", (hour,))
        day = hour - hour % DAY_US
        for (closed,) in self._all("SELECT closed FROM days WHERE day = ?", (day,)):
            if closed:
                self._delete(DAY_US, day, day + DAY_US)
        self._connection.execute("INSERT INTO days (day) VALUES (?) ON CONFLICT DO UPDATE SET closed = 0", (day,))

    # ── what retention has removed ──

    def _fold_again(self, hour: int, folded: int) -> None:
        """Make an hour's cells from the rows that it still has.

        Not from very many: writers would wait for it. They are on their way out too, and are read as rows until then.
        """
        self._open(hour)
        self._delete(SLICE_US, hour, hour + HOUR_US)
        self._delete(HOUR_US, hour, hour + HOUR_US)
        self._connection.execute("DELETE FROM hours WHERE hour = ?", (hour,))
        self._fold_rows(f"time >= {hour} AND time < {hour + HOUR_US} AND id <= {folded}", folded)

    def _take_back(self, horizon: int) -> None:
        """Give the horizon up when much has been recorded from before it: that is then folded like any other time."""
        (older,) = self._one("SELECT count(*) FROM (SELECT 1 FROM calls WHERE time < ? LIMIT ?)", (horizon, FOLD_ROWS))
        if older < FOLD_ROWS:
            return
        self._open(horizon - horizon % HOUR_US)
        self._connection.execute(
            f"INSERT INTO hours (hour, calls, stale) SELECT DISTINCT {floor_sql('time', HOUR_US)}, 0, 1 FROM calls "  # noqa: S608
            "WHERE time <= ? ON CONFLICT DO UPDATE SET stale = 1",
            (horizon,),
        )
        self._connection.execute(
            "INSERT INTO hours (hour, calls, stale) VALUES (?, 0, 1) ON CONFLICT DO UPDATE SET stale = 1",
            (horizon - horizon % HOUR_US,),
        )
        self._connection.execute("UPDATE rollup SET horizon = NULL")

    def _forget_before(self, horizon: int) -> None:
        """Remove the cells of periods that are over for good, and the names that nothing else has."""
        self._delete(SLICE_US, _LEAST, horizon - horizon % HOUR_US)
        self._delete(HOUR_US, _LEAST, horizon - horizon % HOUR_US)
        removed = self._delete(DAY_US, _LEAST, horizon - horizon % DAY_US)
        self._connection.execute("DELETE FROM hours WHERE hour < ?", (horizon - horizon % HOUR_US,))
        self._connection.execute("DELETE FROM days WHERE day < ?", (horizon - horizon % DAY_US,))
        if removed:
            self._connection.execute(_UNUSED_SERIES)
            self._connection.execute(_UNUSED_SUMS)

    def _delete(self, level: int, start: int, end: int, kinds: Any = Kind) -> int:
        removed = 0
        for kind in kinds:
            self._connection.execute(
                "DELETE FROM cells WHERE level = ? AND kind = ? AND period >= ? AND period < ?",
                (level, int(kind), start, end),
            )
            removed += self._connection.changes()
        return removed

    def _one(self, sql: str, parameters: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        return self._all(sql, parameters)[0]

    def _all(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        # Read to its end: an open statement would keep the transaction from being committed.
        return list(self._connection.execute(sql, parameters))


_LEAST = -(2**62)
_SUMMED = {Kind.TOOL: "in_tool", Kind.AGENT: "in_agent", Kind.PROJECT: "in_project"}
_SUM_IDS = ", ".join(f"(SELECT id FROM series WHERE kind = {int(kind)} AND name = ?)" for kind in _SUMMED)  # noqa: S608
_INSERT_SUM = "INSERT INTO series VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL) ON CONFLICT DO NOTHING"
_INSERT_FULL = f"INSERT INTO series VALUES (NULL, 0, ?, ?, ?, ?, ?, ?, ?, {_SUM_IDS})"  # noqa: S608  own SQL
_COUNT_ROWS = "SELECT count(*) FROM (SELECT 1 FROM calls WHERE time >= ? AND time < ? AND +id <= ? LIMIT ?)"
_DAY_TO_CLOSE = (
    "SELECT day FROM days WHERE NOT closed AND day < ? AND NOT EXISTS "  # noqa: S608  own SQL
    f"(SELECT 1 FROM hours WHERE stale AND hour >= day AND hour < day + {DAY_US}) LIMIT 1"
)
_COUNT_HOUR = (
    "INSERT INTO hours (hour, calls) VALUES (?, ?) ON CONFLICT DO UPDATE SET calls = calls + excluded.calls "
    "RETURNING calls"
)
_UNUSED_SERIES = "DELETE FROM series WHERE kind = 0 AND id NOT IN (SELECT series FROM cells)"
_UNUSED_SUMS = (
    "DELETE FROM series WHERE kind != 0 AND id NOT IN (SELECT series FROM cells UNION SELECT in_tool FROM series "
    "WHERE kind = 0 UNION SELECT in_agent FROM series WHERE kind = 0 UNION SELECT in_project FROM series WHERE kind = 0)"
)


def _name_of(kind: Kind, values: Mapping[str, str]) -> str:
    return "\0".join(values[each] for each in KEPT[kind])


def _compact(*texts: Any) -> str:
    return compact_buckets(texts[0])


def _tidy(*texts: Any) -> str:
    text: str = texts[0]
    return text if len(text) < SHORT_TEXT else compact_buckets(text)
