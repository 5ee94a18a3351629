"""What the schema `codespar_metrics` looks like. Text is compared by code point, as everywhere else in codespar.

    head     the newest id, up to which id rows are folded into cells, and which store this is
    calls    one row a call, with the columns of the file's table
    series   who is counted: tenant x project x agent x tool x outcome x cost source, found by a digest of its names
    cells    what is counted: the calls of one series in one hour whose latency is in one bucket of `histogram`
    hours    which hours have cells. Those of a *stale* one were taken away since rows of it expired: it is read as rows

Every writer locks the head first, so that there is one at a time on every machine together. It takes its ids from there:
they have no gaps, become visible in their order, and are never given twice.

Times are microseconds since the epoch, an hour is named by its beginning, money is whole millionths. Sums are `numeric`:
no number of large ones is too much for them.
"""

from __future__ import annotations

from typing import LiteralString

from codespar_cli.storage.postgres import ServerSchema

_CREATE: LiteralString = """
CREATE TABLE head (
    "only" integer PRIMARY KEY CHECK ("only" = 1),
    newest bigint NOT NULL,
    folded bigint NOT NULL,
    store uuid NOT NULL
) WITH (fillfactor = 10);
INSERT INTO head VALUES (1, 0, 0, gen_random_uuid());
CREATE TABLE calls (
    id bigint PRIMARY KEY,
    time bigint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    project text COLLATE "C",
    session text COLLATE "C",
    agent text COLLATE "C" NOT NULL,
    tool text COLLATE "C" NOT NULL,
    latency_ms double precision NOT NULL,
    success boolean NOT NULL,
    error_type text COLLATE "C",
    cost bigint,
    cost_source text COLLATE "C" NOT NULL,
    input_tokens bigint,
    output_tokens bigint,
    decision_id text COLLATE "C",
    server text COLLATE "C",
    arguments_bytes bigint,
    arguments_digest bytea,
    result_bytes bigint
);
CREATE INDEX calls_by_time ON calls (time);
CREATE TABLE series (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    last_hour bigint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    project text COLLATE "C",
    agent text COLLATE "C" NOT NULL,
    tool text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL
);
CREATE TABLE cells (
    hour bigint NOT NULL,
    series bigint NOT NULL,
    bucket integer NOT NULL,
    calls bigint NOT NULL,
    errors bigint NOT NULL,
    latency_sum double precision NOT NULL,
    latency_min double precision NOT NULL,
    latency_max double precision NOT NULL,
    priced bigint NOT NULL,
    cost numeric,
    input_tokens numeric,
    output_tokens numeric,
    PRIMARY KEY (hour, series, bucket)
);
CREATE TABLE hours (hour bigint PRIMARY KEY, calls bigint NOT NULL, stale boolean NOT NULL DEFAULT false);
"""
# The transaction's number tells later whether one of which the answer was lost had been committed.
_LOCK: LiteralString = "SELECT newest, folded, pg_current_xact_id()::text FROM head FOR UPDATE"
SCHEMA = ServerSchema("codespar_metrics", (_CREATE,), _LOCK)
