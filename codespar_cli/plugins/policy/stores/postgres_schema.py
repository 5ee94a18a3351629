"""What the schema `codespar_policy` looks like. Text sorts by code point, as everywhere else in codespar."""

from __future__ import annotations

from typing import LiteralString

from codespar_cli.storage.postgres import ServerSchema
from codespar_cli.storage.postgres_chain import CHAIN_SCHEMA, LOCKED_HEAD

_MIGRATION_1: LiteralString = (
    """
CREATE TABLE ledger ("only" integer PRIMARY KEY CHECK ("only" = 1), secret bytea NOT NULL);
INSERT INTO ledger VALUES (1, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
CREATE TABLE counter (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    space text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    rule text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    span text COLLATE "C" NOT NULL,
    period text COLLATE "C" NOT NULL,
    value bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0,
    UNIQUE (tenant, rule, scope, span, period, space)
) WITH (fillfactor = 50);
CREATE TABLE entry (counter bigint NOT NULL, at bigint NOT NULL, amount bigint NOT NULL, PRIMARY KEY (counter, at));
CREATE TABLE hold (
    id text COLLATE "C" PRIMARY KEY,
    space text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    agent text COLLATE "C" NOT NULL,
    tool text COLLATE "C" NOT NULL,
    taken_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    estimate bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    parts text COLLATE "C" NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY
);
CREATE INDEX open_hold ON hold (tenant, agent, tool, taken_at) WHERE state = 'open';
CREATE TABLE hold_part (
    counter bigint NOT NULL,
    until bigint NOT NULL,
    hold text COLLATE "C" NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (counter, until, hold)
);
CREATE TABLE approval (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token text COLLATE "C" NOT NULL UNIQUE,
    tenant text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    agent text COLLATE "C" NOT NULL,
    tool text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    rest text NOT NULL
);
CREATE INDEX approval_digest ON approval (tenant, digest, number);
CREATE INDEX approval_expiry ON approval (tenant, expires_at);
CREATE TABLE source (hash text COLLATE "C" PRIMARY KEY, text text NOT NULL);
"""
    + CHAIN_SCHEMA
)
# `waiting` is the policy of a request that nobody has decided. Those made before are not counted; they expire soon.
_MIGRATION_2: LiteralString = """
ALTER TABLE approval ADD COLUMN waiting text COLLATE "C";
CREATE INDEX approval_waiting ON approval (tenant, agent, waiting, expires_at) WHERE waiting IS NOT NULL;
"""
SCHEMA = ServerSchema("codespar_policy", (_MIGRATION_1, _MIGRATION_2), LOCKED_HEAD)
