"""Removing rows without making the rollup wrong.

Rows expire in the order of their times, or of their arrival, which is nearly the same. When what is removed leaves
nearly nothing older behind, the *horizon* moves: no cell of a period that begins before it counts any more, and the few
rows that are older are read as rows. When rows are taken out of the midst of others, their hours become *stale*, and are
folded again. Either way sums say what the rows say.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from codespar_cli.plugins.observability.rollup_schema import HOUR_US, floor_sql

FEW = 1_000
"""Rows older than the horizon that may be left to be read one by one."""


def remove_rows(connection: apsw.Connection, chosen: str, parameters: Sequence[int], now: int) -> int:
    """Delete the rows whose ids `chosen` selects, within a write transaction. Answers how many. `now` in microseconds."""
    ids = f"id IN ({chosen})"
    hour = floor_sql("time", HOUR_US)
    found = f"SELECT max(time), json_group_array(DISTINCT {hour}) FROM calls WHERE {ids}"  # noqa: S608  constants
    newest, hours = next(iter(list(connection.execute(found, parameters))))
    connection.execute(f"DELETE FROM calls WHERE {ids}", parameters)  # noqa: S608  constants
    removed = connection.changes()
    if not removed:
        return 0
    count = "SELECT count(*) FROM (SELECT 1 FROM calls WHERE time <= ? LIMIT ?)"
    (older,) = next(iter(list(connection.execute(count, (newest, FEW + 1)))))
    if older <= FEW and newest < now:  # a row from the future must not take what comes until then out of the cells
        connection.execute("UPDATE rollup SET horizon = max(ifnull(horizon, ?), ?)", (newest + 1, newest + 1))
    else:
        mark = "UPDATE hours SET stale = 1 WHERE hour IN (SELECT value FROM json_each(?))"
        connection.execute(mark, (hours,))
    return removed
