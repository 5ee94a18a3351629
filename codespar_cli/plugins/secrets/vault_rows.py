"""The vault's tables and their rows. Names are blobs: any bytes, compared as bytes."""

from __future__ import annotations

from typing import NamedTuple

from codespar_cli.storage.chain import CHAIN_SCHEMA
from codespar_cli.storage.sqlite import Schema

LIVE, DELETED, DESTROYED = 0, 1, 2

_TABLES = """
CREATE TABLE header (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    format INTEGER NOT NULL,
    vault_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    kek_version INTEGER NOT NULL,
    kek_salt BLOB NOT NULL,
    check_value BLOB NOT NULL,
    checksum BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    mac BLOB NOT NULL,
    unclean INTEGER NOT NULL
) STRICT;
CREATE TABLE tenant (
    id INTEGER PRIMARY KEY,
    name BLOB NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    rows BLOB NOT NULL,
    mac BLOB NOT NULL
) STRICT;
CREATE TABLE dek (
    tenant INTEGER NOT NULL REFERENCES tenant (id),
    generation INTEGER NOT NULL,
    id BLOB NOT NULL,
    kek_version INTEGER NOT NULL,
    salt BLOB NOT NULL,
    commitment BLOB NOT NULL,
    wrapped BLOB NOT NULL,
    encryptions INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, generation)
) STRICT, WITHOUT ROWID;
CREATE TABLE version (
    tenant INTEGER NOT NULL REFERENCES tenant (id),
    key BLOB NOT NULL,
    version INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    retires_at INTEGER,
    state INTEGER NOT NULL,
    note BLOB,
    sealed BLOB,
    PRIMARY KEY (tenant, key, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX version_retiring ON version (retires_at) WHERE retires_at IS NOT NULL AND state <> 2;
"""
# Beside the chain's own head, so that a record costs no further page: what the vault's key vouches for.
_VOUCHED = """
ALTER TABLE chain_head ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chain_head ADD COLUMN vouched INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chain_head ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
"""

# Format 2: who a secret is granted to, and how a passphrase becomes the master key.
_GRANTS = """
ALTER TABLE header ADD COLUMN kdf BLOB;
CREATE TABLE access (
    tenant INTEGER NOT NULL REFERENCES tenant (id),
    key BLOB NOT NULL,
    agents BLOB,
    tools BLOB,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
"""

VAULT_SCHEMA = Schema(application_id=0x43535641, migrations=(_TABLES + CHAIN_SCHEMA + _VOUCHED, _GRANTS))
"""`CSVA`. Times are microseconds since the epoch; the columns are explained in docs/spec/vault.md."""


class Header(NamedTuple):
    """The vault itself. `checksum` is plain SHA-256: it tells a damaged header from a wrong master key.

    `kdf` says how a passphrase becomes the master key, None when the key is 32 bytes of its own.
    """

    format: int
    vault_id: bytes
    created_at: int
    kek_version: int
    kek_salt: bytes
    check_value: bytes
    kdf: bytes | None
    checksum: bytes
    epoch: int
    mac: bytes


class TenantRow(NamedTuple):
    """One tenant's manifest: `rows` is the digest of its versions, `mac` covers it and the data keys."""

    id: int
    name: bytes
    epoch: int
    rows: bytes
    mac: bytes


class DekRow(NamedTuple):
    tenant: int
    generation: int
    id: bytes
    kek_version: int
    salt: bytes
    commitment: bytes
    wrapped: bytes
    encryptions: int
    created_at: int


class VersionRow(NamedTuple):
    """One version of one secret. `sealed` is the nonce and the ciphertext, None once destroyed."""

    tenant: int
    key: bytes
    version: int
    generation: int
    created_at: int
    expires_at: int | None
    retires_at: int | None
    state: int
    note: bytes | None
    sealed: bytes | None


class AccessRow(NamedTuple):
    """To whom a key's every version is limited: framed globs, None for anyone."""

    tenant: int
    key: bytes
    agents: bytes | None
    tools: bytes | None


def columns(row: type[NamedTuple]) -> str:
    return ", ".join(row._fields)
