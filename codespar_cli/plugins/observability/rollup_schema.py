"""The tables of the rollup: what calls took, cost and broke, by the hour and by the day, and busy hours in slices.

    rollup   up to which id rows are folded in, and from which time on cells can be trusted
    series   who is counted: tenant x project x agent x tool x outcome x cost source; and sums of those, see `Kind`
    cells    what is counted: one series in one slice, hour or day
    hours    how many rows an hour has, and what is kept of it
    days     which days are closed

What is folded first are the FULL cells of an hour, or of its slices if it is busy. An hour or a day that is over is
*closed*: it gets the sums of those cells. A row that comes late opens it again, and then it is read from the finer cells.

A minute is no level. With a thousand series and a million calls a day nearly every cell of a minute would be one call:
as many cells as rows. Where a period begins or ends within a slice or a quiet hour, the rows themselves are read, so
that every moment is an exact limit.

Times are microseconds since the epoch, a period is named by its beginning. Money is whole units beside millionths: one
sum of many large amounts would not fit 64 bits. `buckets` are those of `histogram`, spelled `532 532|7=540 541`: two cells
merge by putting one text behind the other, which SQLite does by itself.
"""

from __future__ import annotations

from enum import IntEnum

MINUTE_US = 60_000_000
SLICE_US = 5 * MINUTE_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US


class Kind(IntEnum):
    """What a series keeps apart. The sums over all agents answer `--by tool` from a twentieth of the cells."""

    FULL = 0
    TOOL = 1
    AGENT = 2
    PROJECT = 3


DIMENSIONS = ("tenant", "project", "agent", "tool", "outcome", "source")
"""The columns of a series. What a kind does not keep apart, and the project of a call that has none, is ''."""

KEPT: dict[Kind, tuple[str, ...]] = {
    Kind.FULL: DIMENSIONS,
    Kind.TOOL: ("tenant", "tool"),
    Kind.AGENT: ("tenant", "agent"),
    Kind.PROJECT: ("tenant", "project"),
}
"""Every kind keeps tenants apart: a sum over two of them would cross the boundary between them."""

OTHER_ERROR = "_OTHER"
"""The outcome of a failure that has no type, as OpenTelemetry spells it. A success is ''."""

CREATE_ROLLUP = """
CREATE TABLE rollup (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    folded INTEGER NOT NULL,
    horizon INTEGER
) STRICT;
INSERT INTO rollup VALUES (1, 0, NULL);
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    tenant TEXT NOT NULL,
    project TEXT NOT NULL,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    outcome TEXT NOT NULL,
    source TEXT NOT NULL,
    in_tool INTEGER,
    in_agent INTEGER,
    in_project INTEGER,
    UNIQUE (kind, name)
) STRICT;
CREATE TABLE cells (
    level INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    period INTEGER NOT NULL,
    series INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    latency_sum REAL NOT NULL,
    latency_min REAL NOT NULL,
    latency_max REAL NOT NULL,
    priced INTEGER NOT NULL,
    cost_whole INTEGER,
    cost_micros INTEGER,
    input_tokens INTEGER,
    output_tokens INTEGER,
    buckets TEXT NOT NULL,
    PRIMARY KEY (level, kind, period, series)
) STRICT, WITHOUT ROWID;
CREATE TABLE hours (
    hour INTEGER PRIMARY KEY,
    calls INTEGER NOT NULL,
    sliced INTEGER NOT NULL DEFAULT 0,
    closed INTEGER NOT NULL DEFAULT 0,
    stale INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX hours_open ON hours (hour) WHERE NOT closed;
CREATE INDEX hours_stale ON hours (hour) WHERE stale;
CREATE TABLE days (day INTEGER PRIMARY KEY, closed INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX days_open ON days (day) WHERE NOT closed;
"""


def floor_sql(column: str, unit: int) -> str:
    """The beginning of the period that a time lies in. SQLite's % takes the sign of the dividend: hence the second one."""
    return f"{column} - (({column} % {unit}) + {unit}) % {unit}"
