"""What policy.db looks like."""

from __future__ import annotations

from codespar_cli.storage import chain
from codespar_cli.storage.sqlite import Schema

FILE = "policy.db"

_MIGRATION_1 = (
    """
CREATE TABLE ledger (only INTEGER PRIMARY KEY CHECK (only = 1), latest INTEGER NOT NULL, secret BLOB NOT NULL) STRICT;
INSERT INTO ledger VALUES (1, 0, randomblob(32));
CREATE TABLE counter (
    id INTEGER PRIMARY KEY,
    space TEXT NOT NULL,
    tenant TEXT NOT NULL,
    rule TEXT NOT NULL,
    scope TEXT NOT NULL,
    window TEXT NOT NULL,
    period TEXT NOT NULL,
    value INTEGER NOT NULL DEFAULT 0,
    held INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, rule, scope, window, period, space)
) STRICT;
CREATE TABLE entry (
    counter INTEGER NOT NULL, at INTEGER NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (counter, at)
) STRICT, WITHOUT ROWID;
CREATE TABLE hold (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    space TEXT NOT NULL,
    tenant TEXT NOT NULL,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    taken_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    estimate INTEGER NOT NULL,
    state TEXT NOT NULL,
    parts TEXT NOT NULL
) STRICT;
CREATE INDEX open_hold ON hold (tenant, agent, tool, taken_at) WHERE state = 'open';
CREATE TABLE hold_part (
    counter INTEGER NOT NULL, until INTEGER NOT NULL, hold TEXT NOT NULL, amount INTEGER NOT NULL,
    PRIMARY KEY (counter, until, hold)
) STRICT, WITHOUT ROWID;
"""
    + chain.CHAIN_SCHEMA
)
# Every page that a decision touches is written to the log and, with full durability, synced. So holds go by the running
# number that their ids begin with, and their parts by when they lapse: both grow at one end. What was made before has
# numbers below zero.
_MIGRATION_2 = """
CREATE TABLE new_hold (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    space TEXT NOT NULL,
    tenant TEXT NOT NULL,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    taken_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    estimate INTEGER NOT NULL,
    state TEXT NOT NULL,
    parts TEXT NOT NULL
) STRICT;
INSERT INTO new_hold
    SELECT -number, id, space, tenant, agent, tool, taken_at, expires_at, estimate, state, parts FROM hold;
CREATE TABLE new_hold_part (
    until INTEGER NOT NULL, hold INTEGER NOT NULL, counter INTEGER NOT NULL, amount INTEGER NOT NULL,
    PRIMARY KEY (until, hold, counter)
) STRICT, WITHOUT ROWID;
INSERT INTO new_hold_part
    SELECT until, -number, counter, amount FROM hold_part JOIN hold ON hold.id = hold_part.hold;
DROP TABLE hold;
DROP TABLE hold_part;
ALTER TABLE new_hold RENAME TO hold;
ALTER TABLE new_hold_part RENAME TO hold_part;
CREATE INDEX open_hold ON hold (tenant, agent, tool, taken_at) WHERE state = 'open';
CREATE TABLE approval (
    number INTEGER PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    digest TEXT NOT NULL,
    agent TEXT NOT NULL,
    tool TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    rest TEXT NOT NULL
) STRICT;
CREATE INDEX approval_digest ON approval (tenant, digest, number);
CREATE INDEX approval_expiry ON approval (tenant, expires_at);
CREATE TABLE source (hash TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
# `waiting` is the policy of a request that nobody has decided. Those made before are not counted; they expire soon.
_MIGRATION_3 = """
ALTER TABLE approval ADD COLUMN waiting TEXT;
CREATE INDEX approval_waiting ON approval (tenant, agent, waiting, expires_at) WHERE waiting IS NOT NULL;
"""
SCHEMA = Schema(application_id=0x43535001, migrations=(_MIGRATION_1, _MIGRATION_2, _MIGRATION_3))
