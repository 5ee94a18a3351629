"""Checking everything there is, from the pages of the file to every single value."""

from __future__ import annotations

import apsw

from codespar_cli.core.administration.secrets import VaultReport
from codespar_cli.plugins.secrets.audit import verify_record
from codespar_cli.plugins.secrets.envelope import SealLimits, tampered
from codespar_cli.plugins.secrets.verified_vault import OpenTenant, VerifiedVault

_STRAYS = (
    "SELECT (SELECT count(*) FROM version WHERE tenant NOT IN (SELECT id FROM tenant))"
    " + (SELECT count(*) FROM dek WHERE tenant NOT IN (SELECT id FROM tenant))"
    " + (SELECT count(*) FROM access WHERE tenant NOT IN (SELECT id FROM tenant))"
)


def verify_vault(connection: apsw.Connection, vault: VerifiedVault, limits: SealLimits) -> VaultReport:
    """Open every value of every tenant and recompute every record. Raises IntegrityError at the first finding."""
    secrets = versions = 0
    warnings: list[str] = []
    for name in vault.tenants:
        tenant = vault.tenant(connection, name)
        if tenant is None:
            raise tampered("a tenant is gone")
        _open_everything(connection, vault, tenant)
        secrets += len(tenant.latest)
        versions += len(tenant.digests)
        warnings += [
            f"a data key has sealed {dek.encryptions} values: codespar secrets rotate --reencrypt"
            for dek in tenant.deks.values()
            if dek.encryptions >= limits.warn_at
        ]
    if next(iter(connection.execute(_STRAYS)))[0]:
        raise tampered("there are rows of a tenant that does not exist")
    head, epoch = verify_record(connection, vault.keys, vault.header, "vault")
    if epoch != vault.header.epoch:
        raise tampered(f"it is at epoch {vault.header.epoch}, its record at {epoch}: one of them went back in time")
    return VaultReport(len(vault.tenants), secrets, versions, vault.header.epoch, head.seq, head.hash, tuple(warnings))


def _open_everything(connection: apsw.Connection, vault: VerifiedVault, tenant: OpenTenant) -> None:
    for generation in tenant.deks:
        vault.data_key(tenant, generation)
    for key, version in tenant.digests:
        row = tenant.read(connection, key, version)
        if row.sealed is not None:
            vault.data_key(tenant, row.generation).open(row)
