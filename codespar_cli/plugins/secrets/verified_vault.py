"""What a process knows of a vault after checking it: the header, the manifests, and which rows there must be.

Checked once per epoch and kept: as long as the header is byte for byte the one that was checked, so is everything it
covers. A row read later is compared with the digest that the manifest was computed over, so that whoever edits the
file between two lookups is found by the second.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import NamedTuple

import apsw

from codespar_cli.errors import IntegrityError
from codespar_cli.plugins.secrets.envelope import DataKey, tampered, unwrap
from codespar_cli.plugins.secrets.framing import READABLE_FORMATS, UNREADABLE
from codespar_cli.plugins.secrets.key_hierarchy import VaultKeys
from codespar_cli.plugins.secrets.key_ring import KeyRing
from codespar_cli.plugins.secrets.manifest import header_checksum, rows_digest, tenant_mac, vault_mac, version_digest
from codespar_cli.plugins.secrets.vault_rows import (
    LIVE,
    AccessRow,
    DekRow,
    Header,
    TenantRow,
    VersionRow,
    columns,
)

HEADER_SQL = f"SELECT {columns(Header)} FROM header"  # noqa: S608  column names of ours
_TENANTS = f"SELECT {columns(TenantRow)} FROM tenant ORDER BY name"  # noqa: S608
_DEKS = f"SELECT {columns(DekRow)} FROM dek WHERE tenant = ? ORDER BY generation"  # noqa: S608
_ACCESS = f"SELECT {columns(AccessRow)} FROM access WHERE tenant = ? ORDER BY key"  # noqa: S608
_VERSIONS = f"SELECT {columns(VersionRow)} FROM version WHERE tenant = ? ORDER BY key, version"  # noqa: S608
_VERSION = f"SELECT {columns(VersionRow)} FROM version WHERE tenant = ? AND key = ? AND version = ?"  # noqa: S608
_TRACES = (
    "SELECT (SELECT count(*) FROM tenant) + (SELECT count(*) FROM dek)"
    " + (SELECT count(*) FROM version) + (SELECT count(*) FROM access) + (SELECT count(*) FROM chain)"
)


class Latest(NamedTuple):
    """The newest version of a key and its state."""

    version: int
    state: int


class Listed(NamedTuple):
    """What a tenant's manifest lists beside its versions: data keys by generation, grants by key."""

    deks: dict[int, DekRow]
    access: dict[bytes, AccessRow]


class OpenTenant:
    """A tenant whose manifest holds, its data keys, its grants, and the digest of each of its versions."""

    def __init__(self, row: TenantRow, listed: Listed, versions: list[VersionRow]) -> None:
        self.row = row
        self.deks: Mapping[int, DekRow] = listed.deks
        self.access: Mapping[bytes, AccessRow] = listed.access
        self.digests: dict[tuple[bytes, int], bytes] = {}
        self.latest: dict[bytes, Latest] = {}
        self.live: set[bytes] = set()
        """The keys with a version that is neither deleted nor destroyed; it need not be the newest one."""
        for version in versions:
            self.digests[version.key, version.version] = version_digest(version)
            self.latest[version.key] = Latest(version.version, version.state)
            if version.state == LIVE:
                self.live.add(version.key)
        self.data_keys: dict[int, DataKey] = {}

    def read(self, connection: apsw.Connection, key: bytes, version: int) -> VersionRow:
        """A version that the manifest lists, exactly as it was listed. Raises IntegrityError."""
        for values in connection.execute(_VERSION, (self.row.id, key, version)):
            row = VersionRow._make(values)
            if hmac.compare_digest(version_digest(row), self.digests[key, version]):
                return row
            raise tampered("a stored version was edited")
        raise tampered("a stored version is gone")

    def versions_of(self, key: bytes) -> list[int]:
        latest = self.latest.get(key)
        if latest is None:
            return []
        return [number for number in range(1, latest.version + 1) if (key, number) in self.digests]


class VerifiedVault:
    """A header whose MAC holds, and the tenants it covers."""

    def __init__(self, header: Header, keys: VaultKeys, tenants: Mapping[bytes, TenantRow]) -> None:
        self.header = header
        self.keys = keys
        self.tenants = tenants
        self.kek = keys.kek(header.kek_version, header.kek_salt)
        self._open: dict[bytes, OpenTenant] = {}

    def tenant(self, connection: apsw.Connection, name: bytes) -> OpenTenant | None:
        """The tenant, checked, or None when the vault knows none of this name. Raises IntegrityError."""
        found = self._open.get(name)
        if found is not None:
            return found
        row = self.tenants.get(name)
        return None if row is None else self.read_whole(connection, row)[0]

    def read_whole(self, connection: apsw.Connection, row: TenantRow) -> tuple[OpenTenant, list[VersionRow]]:
        """A tenant with every row it has, read and checked now. Raises IntegrityError."""
        listed = self.listed(connection, row)
        try:
            versions = [VersionRow._make(values) for values in connection.execute(_VERSIONS, (row.id,))]
            found = OpenTenant(row, listed, versions)
        except (TypeError, ValueError):
            raise tampered("a stored version cannot be read") from None
        if not hmac.compare_digest(rows_digest(found.digests.values()), row.rows):
            raise tampered("the stored versions are not the ones the manifest lists")
        self._open[row.name] = found
        return found, versions

    def listed(self, connection: apsw.Connection, row: TenantRow) -> Listed:
        """A tenant's data keys, wrapped, and its grants, under its manifest. Raises IntegrityError."""
        deks = [DekRow._make(values) for values in connection.execute(_DEKS, (row.id,))]
        access = [AccessRow._make(values) for values in connection.execute(_ACCESS, (row.id,))]
        try:
            expected = tenant_mac(self.keys.manifest, self.header.vault_id, row, deks, access)
        except UNREADABLE:
            raise tampered("a tenant's manifest cannot be read") from None
        if not hmac.compare_digest(expected, row.mac):
            raise tampered("a tenant's data keys or grants are not the ones its manifest lists")
        return Listed({dek.generation: dek for dek in deks}, {one.key: one for one in access})

    def data_key(self, tenant: OpenTenant, generation: int) -> DataKey:
        """The key a row names. Raises IntegrityError; no other key is ever tried."""
        found = tenant.data_keys.get(generation)
        if found is None:
            row = tenant.deks.get(generation)
            if row is None:
                raise tampered("a stored version names a data key that does not exist")
            found = unwrap(self.kek, row, vault_id=self.header.vault_id, tenant=tenant.row.name)
            tenant.data_keys[generation] = found
        return found

    def keep_from(self, before: VerifiedVault) -> None:
        """Take over the tenants that have not changed since `before` was checked."""
        if before.kek == self.kek:
            self._open = {name: tenant for name, tenant in before._open.items() if self.tenants.get(name) == tenant.row}


def load(connection: apsw.Connection, ring: KeyRing, before: VerifiedVault | None) -> VerifiedVault | None:
    """The vault as it is now; `before` itself when nothing changed; None when none was made yet.

    Raises:
        MasterKeyMissing, MasterKeyMalformed, MasterKeyWrong: the key ring cannot open it.
        IntegrityError: it was changed, or went back in time since `before`.
    """
    found = list(connection.execute(HEADER_SQL))
    if before is not None and found and found[0] == before.header:
        return before
    if not found:
        _require_empty(connection, before)
        return None
    header = _readable(Header._make(found[0]))
    if before is not None:
        _require_later(header, before.header)
    keys = before.keys if before is not None and _same_master(header, before.header) else ring.keys_for(header)
    tenants = [TenantRow._make(values) for values in connection.execute(_TENANTS)]
    try:
        expected = vault_mac(keys.manifest, header, tenants)
    except UNREADABLE:
        raise tampered("a tenant's manifest cannot be read") from None
    if not hmac.compare_digest(expected, header.mac):
        raise tampered("the tenants' manifests are not the ones the vault lists")
    vault = VerifiedVault(header, keys, {row.name: row for row in tenants})
    if before is not None:
        vault.keep_from(before)
    return vault


def _readable(header: Header) -> Header:
    try:
        intact = len(header.mac + b"") == 32 and hmac.compare_digest(header_checksum(header), header.checksum)
        number_of_epochs = header.epoch + 0
    except UNREADABLE:
        intact = False
    if not intact or number_of_epochs < 0:
        raise tampered("its header is damaged")
    if header.format not in READABLE_FORMATS:
        raise IntegrityError(f"vault format {header.format} is not known to this codespar")
    if header.format == 1 and header.kdf is not None:
        raise tampered("its header is damaged")
    return header


def _require_empty(connection: apsw.Connection, before: VerifiedVault | None) -> None:
    traces = next(iter(connection.execute(_TRACES)))[0]
    if before is not None or traces:
        raise tampered("its header is gone")


def _require_later(header: Header, known: Header) -> None:
    if header.vault_id != known.vault_id:
        raise tampered("another vault took its place")
    if header.epoch <= known.epoch:
        raise tampered(f"it went back in time, from epoch {known.epoch} to {header.epoch}")


def _same_master(header: Header, known: Header) -> bool:
    return hmac.compare_digest(header.check_value, known.check_value)
