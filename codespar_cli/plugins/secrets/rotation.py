"""Changing the vault's keys, each way in one transaction: either all of it is true afterwards, or none.

Rewrapping gives every data key a new wrapping and touches no value. Re-encrypting makes new data keys and seals every
value anew. Both check what they wrote against what they read before the transaction may commit.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import apsw

from codespar_cli.core.administration.secrets import Progress
from codespar_cli.plugins.secrets.envelope import DataKey, Plaintext, tampered, unwrap
from codespar_cli.plugins.secrets.key_hierarchy import MasterSecret, VaultKeys
from codespar_cli.plugins.secrets.key_ring import fitting
from codespar_cli.plugins.secrets.revision import KEK_SALT_BYTES, Revision, TenantDraft
from codespar_cli.plugins.secrets.vault_rows import DekRow, Header, VersionRow
from codespar_cli.plugins.secrets.verified_vault import VerifiedVault


class Extent(NamedTuple):
    """What a rotation went over."""

    tenants: int
    data_keys: int
    values: int


class Rotated(NamedTuple):
    """`keys` are those of a new master key, or of the same passphrase at raised costs; None when they stayed."""

    extent: Extent
    header: Header
    keys: VaultKeys | None = None
    costs_raised: bool = False


def rewrap(
    connection: apsw.Connection,
    vault: VerifiedVault,
    master: MasterSecret,
    *,
    dry_run: bool,
    progress: Progress | None = None,
) -> Rotated:
    """Every data key under a new KEK version of `master`, which may be a new one. Raises IntegrityError."""
    before = vault.header
    fits = fitting(master, before)
    # The same passphrase at today's costs makes other keys: for everything below it is a new one.
    raised = None if fits is None else master.raised_kdf(before.kdf)
    if raised is not None:
        fits = None
    kdf = before.kdf if fits is not None else raised or master.new_kdf()
    keys = fits or master.unlock(before.vault_id, kdf)
    header = before._replace(
        kek_version=before.kek_version + 1, kek_salt=os.urandom(KEK_SALT_BYTES), check_value=keys.check_value, kdf=kdf
    )
    kek = keys.kek(header.kek_version, header.kek_salt)
    revision = Revision(connection, vault)
    data_keys = 0
    for done, name in enumerate(vault.tenants):
        if progress is not None:
            progress(done, len(vault.tenants))
        draft = revision.draft(name)
        for dek in list(draft.deks.values()):
            row = _rewrapped(vault, kek, dek, header, name)
            data_keys += 1
            if not dry_run:
                draft.put_key(row)
    if not dry_run:
        header = revision.finish(header=header, keys=keys, unclean=True)
    extent = Extent(len(vault.tenants), data_keys, 0)
    return Rotated(extent, header, None if fits is not None else keys, costs_raised=raised is not None)


def reencrypt(
    connection: apsw.Connection, vault: VerifiedVault, now: int, *, dry_run: bool, progress: Progress | None = None
) -> Rotated:
    """A new data key for every tenant, and every value that still exists sealed under it. Raises IntegrityError."""
    revision = Revision(connection, vault)
    values = 0
    for done, name in enumerate(vault.tenants):
        if progress is not None:
            progress(done, len(vault.tenants))
        draft = revision.draft(name)
        if dry_run:
            values += sum(_opens(draft, row) for row in draft.versions())
        else:
            values += _reencrypt_tenant(draft, now)
    extent = Extent(len(vault.tenants), len(vault.tenants), values)
    return Rotated(extent, vault.header if dry_run else revision.finish(unclean=True))


def _rewrapped(vault: VerifiedVault, kek: bytes, dek: DekRow, header: Header, tenant: bytes) -> DekRow:
    key = unwrap(vault.kek, dek, vault_id=header.vault_id, tenant=tenant)
    row = dek._replace(kek_version=header.kek_version)
    row = row._replace(wrapped=key.wrap(kek, row))
    unwrap(kek, row, vault_id=header.vault_id, tenant=tenant)
    return row


def _reencrypt_tenant(draft: TenantDraft, now: int) -> int:
    retired, rows = list(draft.deks), draft.versions()
    key = draft.add_key(now)
    moved = [_moved(draft, row, key) for row in rows]
    draft.put_resealed(moved)
    count = sum(row.sealed is not None for row in moved)
    draft.put_key(draft.newest._replace(encryptions=count))
    for generation in retired:
        draft.drop_key(generation)
    return count


def _moved(draft: TenantDraft, row: VersionRow, key: DataKey) -> VersionRow:
    if row.sealed is None:
        return row._replace(generation=key.generation)
    value = Plaintext(draft.data_key(row.generation).open(row))
    moved = row._replace(generation=key.generation, sealed=key.seal(row, value.reveal()))
    if key.open(moved) != value.reveal():
        raise tampered("a value did not survive being encrypted again")
    return moved


def _opens(draft: TenantDraft, row: VersionRow) -> bool:
    if row.sealed is None:
        return False
    draft.data_key(row.generation).open(row)
    return True
