"""What the keys of a vault are like, without opening a single secret."""

from __future__ import annotations

from codespar_cli.core.administration.secrets import KeyStatus
from codespar_cli.core.clock import from_micros
from codespar_cli.plugins.secrets.envelope import SealLimits
from codespar_cli.plugins.secrets.passphrase import costs_low
from codespar_cli.plugins.secrets.vault_session import Act

_CHORES = (
    "SELECT count(*), min(retires_at), (SELECT unclean FROM header) FROM version"
    " WHERE retires_at IS NOT NULL AND state <> 2"
)


def key_status(act: Act, current_key: str, limits: SealLimits) -> KeyStatus:
    """Every data key's row is checked; none is unwrapped. Raises IntegrityError."""
    vault = act.vault
    deks = [dek for row in vault.tenants.values() for dek in vault.listed(act.connection, row).deks.values()]
    in_grace, next_end, unclean = next(iter(act.connection.execute(_CHORES)))
    return KeyStatus(
        epoch=vault.header.epoch,
        kek_version=vault.header.kek_version,
        master_key=vault.keys.source,
        passphrase=vault.header.kdf is not None,
        rotation_due=vault.keys.source != current_key,
        tenants=len(vault.tenants),
        data_keys=len(deks),
        oldest_data_key=from_micros(min(dek.created_at for dek in deks)) if deks else None,
        sealed=max((dek.encryptions for dek in deks), default=0),
        may_seal=limits.refuse_at,
        in_grace=in_grace,
        next_end=None if next_end is None else from_micros(next_end),
        log_emptied=not unclean,
        costs_low=costs_low(vault.header.kdf),
    )
