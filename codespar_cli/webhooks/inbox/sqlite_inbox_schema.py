"""What inbox.db looks like. Times are in microseconds since the epoch.

Bodies and events are kept apart from what lists need and what changes: a delivery is then a short row, and a change of
its status does not write its body again.
"""

from __future__ import annotations

from codespar_cli.storage.sqlite import Schema

FILE = "inbox.db"

RARE = "delivery.status IN ('failed', 'dead', 'suspected_replay')"
"""The statuses that few deliveries have and that are asked for; a query must say it in these words to use the index."""

# A task is free at `free_at`: when it is due, or, while somebody holds it, when the hold ends.
_MIGRATION_1 = f"""
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    provider TEXT NOT NULL,
    delivery_id TEXT,
    digest BLOB NOT NULL,
    size INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    unread INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    event_type TEXT,
    severity TEXT,
    title TEXT,
    url TEXT
) STRICT;
CREATE INDEX delivery_by_id ON delivery (delivery_id, provider, tenant) WHERE delivery_id IS NOT NULL;
CREATE INDEX delivery_by_bytes ON delivery (digest, provider, tenant);
CREATE INDEX delivery_by_time ON delivery (received_at);
CREATE INDEX delivery_by_event ON delivery (event_type) WHERE event_type IS NOT NULL;
CREATE INDEX rare_delivery ON delivery (status) WHERE {RARE.replace("delivery.", "")};
CREATE INDEX unread_delivery ON delivery (id) WHERE unread = 1;
CREATE TABLE body (delivery INTEGER PRIMARY KEY, headers TEXT NOT NULL, raw BLOB NOT NULL) STRICT;
CREATE TABLE event (delivery INTEGER PRIMARY KEY, event TEXT NOT NULL) STRICT;
CREATE TABLE task (
    delivery INTEGER NOT NULL,
    route TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    free_at INTEGER NOT NULL,
    owner TEXT,
    error TEXT,
    PRIMARY KEY (delivery, route)
) STRICT, WITHOUT ROWID;
CREATE INDEX waiting_task ON task (route, free_at, delivery) WHERE state = 'waiting';
CREATE INDEX held_task ON task (owner) WHERE owner IS NOT NULL;
"""
# Of what came before, nobody kept whether it was verified: it is not said to be.
_MIGRATION_2 = """
ALTER TABLE delivery ADD COLUMN verified INTEGER NOT NULL DEFAULT 0;
DROP INDEX delivery_by_id;
DROP INDEX delivery_by_bytes;
CREATE INDEX delivery_by_id ON delivery (delivery_id, provider, tenant, verified) WHERE delivery_id IS NOT NULL;
CREATE INDEX delivery_by_bytes ON delivery (digest, provider, tenant, verified);
"""
SCHEMA = Schema(application_id=0x43534958, migrations=(_MIGRATION_1, _MIGRATION_2))
