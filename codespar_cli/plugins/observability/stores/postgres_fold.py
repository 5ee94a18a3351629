"""Folding rows into cells on a server: one statement folds some rows, in the transaction that moves the mark forward.

A cell is an hour, a series and a bucket of latencies, so that cells merge by adding numbers. Any reader may fold at any
time: no row is counted twice, since mark and cells change together, and none is missed, since ids become visible in their
order.
"""

from __future__ import annotations

from typing import LiteralString

from codespar_cli.plugins.observability.histogram import LOG_GAMMA, SMALLEST_MS, ZERO_BUCKET
from codespar_cli.plugins.observability.rollup_schema import HOUR_US, OTHER_ERROR
from codespar_cli.plugins.observability.stores.postgres_calls import hour_sql
from codespar_cli.storage.postgres import Session

FOLD_ROWS = 20_000
"""Rows of one transaction, which writers wait for: about a fifth of a second."""

OUTCOME_SQL: LiteralString = f"CASE WHEN success THEN '' ELSE coalesce(error_type, '{OTHER_ERROR}') END"
BUCKET_SQL: LiteralString = (
    f"CASE WHEN latency_ms < {SMALLEST_MS!r} THEN {ZERO_BUCKET} "
    f"ELSE ceil(ln(latency_ms) / {LOG_GAMMA!r}::double precision)::integer END"
)
ROW_SUMS: LiteralString = (
    "count(*) AS calls, count(*) FILTER (WHERE NOT success) AS errors, sum(latency_ms) AS latency_sum,"
    " min(latency_ms) AS latency_min, max(latency_ms) AS latency_max, count(cost) AS priced, sum(cost) AS cost,"
    " sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens"
)
"""What rows come to, in the order of a cell's columns and under their names."""
_SUMS: LiteralString = "calls, errors, latency_sum, latency_min, latency_max, priced, cost, input_tokens, output_tokens"


def _added(column: LiteralString) -> LiteralString:
    return f"{column} = cells.{column} + excluded.{column}"


def _known(column: LiteralString) -> LiteralString:
    return f"{column} = coalesce(cells.{column} + excluded.{column}, cells.{column}, excluded.{column})"


_MERGE: LiteralString = ", ".join(
    [
        *[_added(column) for column in ("calls", "errors", "latency_sum", "priced")],
        "latency_min = least(cells.latency_min, excluded.latency_min)",
        "latency_max = greatest(cells.latency_max, excluded.latency_max)",
        *[_known(column) for column in ("cost", "input_tokens", "output_tokens")],
    ]
)
# A row as text is spelled so that no two sets of names are spelled alike.
_DIGEST: LiteralString = "sha256(convert_to(ROW(tenant, project, agent, tool, outcome, source)::text, 'UTF8'))"


def _fold(rows: LiteralString) -> LiteralString:
    return (
        "WITH rows AS MATERIALIZED (SELECT"  # noqa: S608  constants
        f" {hour_sql('time')} AS hour, tenant, project, agent, tool, {OUTCOME_SQL} AS outcome,"
        f" cost_source AS source, {BUCKET_SQL} AS bucket, {ROW_SUMS} FROM calls WHERE {rows} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8),"
        f" fresh AS MATERIALIZED (SELECT *, {_DIGEST} AS digest FROM rows"
        " WHERE hour NOT IN (SELECT hour FROM hours WHERE stale)),"
        " named AS (INSERT INTO series (digest, last_hour, tenant, project, agent, tool, outcome, source)"
        " SELECT digest, max(hour), tenant, project, agent, tool, outcome, source FROM fresh GROUP BY 1, 3, 4, 5, 6, 7, 8"
        " ON CONFLICT (digest) DO UPDATE SET last_hour = greatest(series.last_hour, excluded.last_hour)"
        " RETURNING id, digest),"
        " counted AS (INSERT INTO hours (hour, calls) SELECT hour, sum(calls) FROM fresh GROUP BY 1"
        " ON CONFLICT (hour) DO UPDATE SET calls = hours.calls + excluded.calls)"
        f" INSERT INTO cells (hour, series, bucket, {_SUMS})"
        f" SELECT hour, id, bucket, {_SUMS} FROM fresh JOIN named USING (digest)"
        f" ON CONFLICT (hour, series, bucket) DO UPDATE SET {_MERGE}"
    )


_NEW: LiteralString = _fold("id > %s AND id <= %s")
_AGAIN: LiteralString = _fold(f"time >= %s AND time < %s::bigint + {HOUR_US} AND id <= %s")
_COUNT: LiteralString = (
    "SELECT count(*) FROM (SELECT 1 FROM calls"  # noqa: S608  constants
    f" WHERE time >= %s AND time < %s::bigint + {HOUR_US} AND id <= %s LIMIT %s)"
    " AS found"
)
_STALE: LiteralString = "SELECT hour FROM hours WHERE stale ORDER BY hour"
_FORGET: LiteralString = "DELETE FROM series WHERE last_hour < coalesce((SELECT min(hour) FROM hours), last_hour + 1)"


def step(session: Session) -> bool:
    """One piece of the work, bounded, in a write transaction. False when there was nothing that can be done."""
    newest, folded, _ = session.first[0]
    for (hour,) in session.rows(_STALE):
        session.renew()
        if _fold_again(session, hour, folded):
            return True
    if newest <= folded:
        return False
    ((oldest,),) = session.rows("SELECT coalesce((SELECT min(id) FROM calls), newest + 1) FROM head")
    upto = min(newest, max(folded, oldest - 1) + FOLD_ROWS)
    session.execute(_NEW, (folded, upto))
    session.execute("UPDATE head SET folded = %s", (upto,))
    return True


def _fold_again(session: Session, hour: int, folded: int) -> bool:
    """Make a stale hour's cells from the rows that it still has. Not from many: they are on their way out as well."""
    ((rows,),) = session.rows(_COUNT, (hour, hour, folded, FOLD_ROWS + 1))
    if rows > FOLD_ROWS:
        return False
    session.execute("DELETE FROM hours WHERE hour = %s", (hour,))
    if rows:
        session.execute(_AGAIN, (hour, hour, folded))
    else:
        session.execute(_FORGET)
    return True
