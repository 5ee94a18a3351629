"""Many values in one transaction: one revision of the vault, one record for each key."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from codespar_cli.core.administration.secrets_import import Imported, OnConflict
from codespar_cli.core.hidden import Hidden
from codespar_cli.errors import WriteConflict
from codespar_cli.plugins.secrets.envelope import SealLimits
from codespar_cli.plugins.secrets.names import name_bytes
from codespar_cli.plugins.secrets.revision import Revision
from codespar_cli.plugins.secrets.vault_rows import LIVE
from codespar_cli.plugins.secrets.vault_session import Act, Intent, VaultSession
from codespar_cli.plugins.secrets.writing import NewVersion, write_version

_SHOWN = 5


class Batch(NamedTuple):
    """What is to be stored for one tenant, checked."""

    tenant: str
    name: bytes
    new: Mapping[str, NewVersion]


def batch_of(tenant_id: str, values: Hidden[Mapping[str, str]]) -> Batch:
    """Raises UsageError."""
    name = name_bytes("tenant", tenant_id)
    return Batch(tenant_id, name, {key: NewVersion(key, Hidden(values.reveal()[key])) for key in list(values.reveal())})


def import_batch(
    session: VaultSession, batch: Batch, limits: SealLimits, *, on_conflict: OnConflict, dry_run: bool, actor: str
) -> Sequence[Imported]:
    """Raises WriteConflict, SecretError, IntegrityError, StoreError; then nothing is stored."""
    with session.act(Intent("secret.import", actor, batch.tenant), durable=not dry_run) as act:
        plan = _planned(act, batch, on_conflict)
        written = [step for step in plan if step.action != "skipped"]
        if dry_run or not written:
            act.record(count=len(written), dry_run=dry_run or None)
            return plan
        revision = Revision(act.connection, act.vault)
        draft = revision.draft(batch.name, created_at=act.now)
        notes = []
        for step in written:
            facts = write_version(act, draft, batch.new[step.key], limits, carry=True).facts
            notes.append((step.key, step.version, facts.fingerprint))
        act.header = revision.finish()
        act.record(count=len(written))
        for key, version, fingerprint in notes:
            part = Intent("secret.set", actor, batch.tenant, key)
            act.record(part=part, version=version, fingerprint=fingerprint)
    return plan


def _planned(act: Act, batch: Batch, on_conflict: OnConflict) -> list[Imported]:
    tenant = act.vault.tenant(act.connection, batch.name)
    latest = {} if tenant is None else tenant.latest
    plan: list[Imported] = []
    taken: list[str] = []
    for key, new in batch.new.items():
        found = latest.get(new.draft.key)
        following = 1 if found is None else found.version + 1
        if found is None or found.state != LIVE:
            plan.append(Imported(key, "new", following))
        elif on_conflict == "replace":
            plan.append(Imported(key, "replaced", following))
        else:
            taken.append(key)
            plan.append(Imported(key, "skipped", found.version))
    if taken and on_conflict == "fail":
        raise _conflict(batch.tenant, taken)
    return plan


def _conflict(tenant: str, keys: list[str]) -> WriteConflict:
    shown = ", ".join(f"`{key}`" for key in keys[:_SHOWN])
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return WriteConflict(
        f"tenant `{tenant}` has {shown}{more} already; nothing was imported",
        hint=f"codespar secrets history {shlex.quote(keys[0])}",
    )
