"""One change of the vault: rows are written, then every manifest above them, under the next epoch.

Used inside a write transaction: if that rolls back, so does everything here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import apsw

from codespar_cli.plugins.secrets.envelope import DataKey, Plaintext, SealLimits, counted, new_data_key, tampered
from codespar_cli.plugins.secrets.framing import FORMAT
from codespar_cli.plugins.secrets.key_hierarchy import MasterSecret, VaultKeys
from codespar_cli.plugins.secrets.manifest import header_checksum, rows_digest, tenant_mac, vault_mac, version_digest
from codespar_cli.plugins.secrets.vault_rows import AccessRow, DekRow, Header, TenantRow, VersionRow, columns
from codespar_cli.plugins.secrets.verified_vault import Listed, OpenTenant, VerifiedVault

VAULT_ID_BYTES = 16
KEK_SALT_BYTES = 32


def _replace_into(table: str, row: type[DekRow | VersionRow | AccessRow]) -> str:
    places = ", ".join("?" * len(row._fields))
    return f"INSERT OR REPLACE INTO {table} ({columns(row)}) VALUES ({places})"  # noqa: S608  names of ours


_PUT_VERSION = _replace_into("version", VersionRow)
_RESEAL = "UPDATE version SET generation = ?, sealed = ? WHERE tenant = ? AND key = ? AND version = ?"
_PUT_DEK = _replace_into("dek", DekRow)
_PUT_ACCESS = _replace_into("access", AccessRow)
_DROP_DEK = "DELETE FROM dek WHERE tenant = ? AND generation = ?"
_NEW_TENANT = "INSERT INTO tenant (name, epoch, rows, mac) VALUES (?, 0, x'', x'') RETURNING id"
_STRAYS = " UNION ALL ".join(f"SELECT 1 FROM {table} WHERE tenant = ?1" for table in ("version", "dek", "access"))  # noqa: S608
_PUT_TENANT = "UPDATE tenant SET epoch = ?, rows = ?, mac = ? WHERE id = ?"
_SET_HEADER = ", ".join(f"{column} = ?" for column in Header._fields)
_PUT_HEADER = f"UPDATE header SET {_SET_HEADER}, unclean = max(unclean, ?)"  # noqa: S608
_NEW_HEADER = (
    f"INSERT INTO header (only, {columns(Header)}, unclean) VALUES (1, {', '.join('?' * len(Header._fields))}, 0)"  # noqa: S608
)


class TenantDraft:
    """One tenant while it is changed. Versions are read only when they are touched: a rewrap leaves them alone."""

    def __init__(
        self,
        connection: apsw.Connection,
        vault: VerifiedVault,
        row: TenantRow,
        listed: Listed,
        open_tenant: OpenTenant | None,
    ) -> None:
        self._connection = connection
        self._vault = vault
        self.row = row
        self.deks, self.access = listed
        self._open = open_tenant
        self._digests: dict[tuple[bytes, int], bytes] | None = None
        self._fresh_keys: dict[int, DataKey] = {}

    @property
    def tenant(self) -> OpenTenant:
        """The tenant as it was before this change, checked whole."""
        if self._open is None:
            found = self._vault.tenant(self._connection, self.row.name)
            if found is None:
                raise tampered("a tenant is gone")
            self._open = found
        return self._open

    @property
    def newest(self) -> DekRow:
        return self.deks[max(self.deks)]

    def data_key(self, generation: int) -> DataKey:
        fresh = self._fresh_keys.get(generation)
        return fresh if fresh is not None else self._vault.data_key(self.tenant, generation)

    def versions(self) -> list[VersionRow]:
        """Every stored version, read now and compared with the manifest; before the first of them is changed."""
        self._open, rows = self._vault.read_whole(self._connection, self.row)
        return rows

    def add_key(self, created_at: int) -> DataKey:
        """A new data key generation, written before anything is sealed under it."""
        before, header = self.tenant, self._vault.header  # the rows are checked before the first of them is changed
        key, row = new_data_key(
            self._vault.kek,
            kek_version=header.kek_version,
            vault_id=header.vault_id,
            tenant=before.row.name,
            generation=max(self.deks, default=0) + 1,
            created_at=created_at,
        )
        self.put_key(row._replace(tenant=self.row.id))
        self._fresh_keys[row.generation] = key
        return key

    def put_key(self, row: DekRow) -> None:
        self._connection.execute(_PUT_DEK, row)
        self.deks[row.generation] = row

    def drop_key(self, generation: int) -> None:
        self._connection.execute(_DROP_DEK, (self.row.id, generation))
        del self.deks[generation]

    def seal(self, row: VersionRow, value: Plaintext, limits: SealLimits) -> VersionRow:
        """Write `value` as this version, sealed under the newest data key and counted."""
        dek = counted(self.newest, limits)
        row = row._replace(tenant=self.row.id, generation=dek.generation)
        row = row._replace(sealed=self.data_key(dek.generation).seal(row, value.reveal()))
        self.put_key(dek)
        self.put(row)
        return row

    def put(self, row: VersionRow) -> None:
        """Write a version as it stands."""
        digests = self._digests_now()
        self._connection.execute(_PUT_VERSION, row)
        digests[row.key, row.version] = version_digest(row)

    def put_resealed(self, rows: Sequence[VersionRow]) -> None:
        """Write versions that are there already, of which nothing but the sealing changed."""
        connection = self._connection
        before = connection.total_changes()
        connection.executemany(
            _RESEAL, [(row.generation, row.sealed, row.tenant, row.key, row.version) for row in rows]
        )
        if connection.total_changes() - before != len(rows):
            raise tampered("a stored version is gone")  # listed, and not found by its key: a damaged tree
        self._digests_now().update(((row.key, row.version), version_digest(row)) for row in rows)

    def limit(self, key: bytes, agents: bytes | None, tools: bytes | None) -> None:
        """Write to whom a key is granted, in place of what was."""
        row = AccessRow(self.row.id, key, agents, tools)
        if self.access.get(key) != row:
            self._connection.execute(_PUT_ACCESS, row)
            self.access[key] = row

    def finish(self, keys: VaultKeys, vault_id: bytes, epoch: int) -> TenantRow:
        rows = self.row.rows
        if self._digests is not None:
            rows = rows_digest(self._digests[place] for place in sorted(self._digests))
        row = self.row._replace(epoch=epoch, rows=rows)
        deks = [self.deks[generation] for generation in sorted(self.deks)]
        access = [self.access[key] for key in sorted(self.access)]
        row = row._replace(mac=tenant_mac(keys.manifest, vault_id, row, deks, access))
        self._connection.execute(_PUT_TENANT, (row.epoch, row.rows, row.mac, row.id))
        return row

    def _digests_now(self) -> dict[tuple[bytes, int], bytes]:
        if self._digests is None:
            self._digests = dict(self.tenant.digests)
        return self._digests


class Revision:
    """The next epoch of a vault in the making."""

    def __init__(self, connection: apsw.Connection, vault: VerifiedVault) -> None:
        self._connection = connection
        self._vault = vault
        self._drafts: dict[bytes, TenantDraft] = {}
        self.epoch = vault.header.epoch + 1

    def draft(self, name: bytes, *, created_at: int | None = None) -> TenantDraft:
        """A tenant to change; with `created_at` one that is made, with its first data key, when it is new."""
        found = self._drafts.get(name)
        if found is None:
            row = self._vault.tenants.get(name)
            found = self._new(name, created_at) if row is None else self._existing(row)
            self._drafts[name] = found
        return found

    def finish(self, *, header: Header | None = None, keys: VaultKeys | None = None, unclean: bool = False) -> Header:
        """Compute the manifests of what changed and the vault's own. `unclean` asks for the log to be emptied."""
        header, keys = header or self._vault.header, keys or self._vault.keys
        tenants = dict(self._vault.tenants)
        for name, draft in self._drafts.items():
            tenants[name] = draft.finish(keys, header.vault_id, self.epoch)
        header = header._replace(format=FORMAT, epoch=self.epoch)
        header = header._replace(checksum=header_checksum(header))
        header = header._replace(mac=vault_mac(keys.manifest, header, (tenants[name] for name in sorted(tenants))))
        self._connection.execute(_PUT_HEADER, (*header, int(unclean)))
        return header

    def _existing(self, row: TenantRow) -> TenantDraft:
        listed = self._vault.listed(self._connection, row)
        if not listed.deks:
            raise tampered("a tenant has no data key")
        return TenantDraft(self._connection, self._vault, row, listed, None)

    def _new(self, name: bytes, created_at: int | None) -> TenantDraft:
        if created_at is None:
            raise tampered("a tenant is gone")
        number = next(iter(self._connection.execute(_NEW_TENANT, (name,))))[0]
        # Under its first manifest they would be rows that it does not list: nothing of it could be read again.
        if list(self._connection.execute(_STRAYS, (number,))):
            raise tampered("there are rows of a tenant that does not exist")
        row = TenantRow(number, name, 0, b"", b"")
        listed = Listed({}, {})
        draft = TenantDraft(self._connection, self._vault, row, listed, OpenTenant(row, Listed({}, {}), []))
        draft.add_key(created_at)
        return draft


def create_vault(connection: apsw.Connection, master: MasterSecret, created_at: int) -> VerifiedVault:
    """The header of an empty vault under `master`."""
    vault_id = os.urandom(VAULT_ID_BYTES)
    kdf = master.new_kdf()
    keys = master.unlock(vault_id, kdf)
    header = Header(FORMAT, vault_id, created_at, 1, os.urandom(KEK_SALT_BYTES), keys.check_value, kdf, b"", 1, b"")
    header = header._replace(checksum=header_checksum(header))
    header = header._replace(mac=vault_mac(keys.manifest, header, ()))
    connection.execute(_NEW_HEADER, header)
    return VerifiedVault(header, keys, {})
