"""Destroying what has been replaced, once its grace is over."""

from __future__ import annotations

from collections.abc import Iterator

import apsw

from codespar_cli.errors import IntegrityError
from codespar_cli.plugins.secrets.facts import is_retired
from codespar_cli.plugins.secrets.revision import Revision, TenantDraft
from codespar_cli.plugins.secrets.vault_rows import DESTROYED, VersionRow
from codespar_cli.plugins.secrets.verified_vault import VerifiedVault

_DUE = "SELECT DISTINCT tenant FROM version WHERE retires_at IS NOT NULL AND state <> 2 AND retires_at <= ?"


def retire_due(
    connection: apsw.Connection, vault: VerifiedVault, now: int
) -> tuple[Revision | None, list[tuple[bytes, VersionRow]]]:
    """Erase the ciphertext of every version whose grace is over; the revision is still to be finished.

    A tenant that was tampered with is left as it is, for whoever asks for its secrets to be told.
    """
    names = {row.id: name for name, row in vault.tenants.items()}
    revision = Revision(connection, vault)
    destroyed: list[tuple[bytes, VersionRow]] = []
    for (number,) in list(connection.execute(_DUE, (now,))):
        name = names.get(number)
        if name is None or not _is_sound(connection, vault, name):
            continue
        draft = revision.draft(name)
        for row in list(_due(draft, now)):
            draft.put(row._replace(state=DESTROYED, sealed=None))
            destroyed.append((name, row))
    return (revision if destroyed else None), destroyed


def _due(draft: TenantDraft, now: int) -> Iterator[VersionRow]:
    return (row for row in draft.versions() if row.state != DESTROYED and is_retired(row, now))


def _is_sound(connection: apsw.Connection, vault: VerifiedVault, name: bytes) -> bool:
    try:
        vault.tenant(connection, name)
    except IntegrityError:
        return False
    return True
