"""Rows as callers see them: times as datetimes, names as text, and which state a version is in now."""

from __future__ import annotations

from codespar_cli.core.administration.secrets import SecretFacts, SecretState
from codespar_cli.core.clock import from_micros
from codespar_cli.plugins.secrets.grants import ANYONE, Grant
from codespar_cli.plugins.secrets.vault_rows import DELETED, DESTROYED, VersionRow


def is_retired(row: VersionRow, now: int) -> bool:
    """Whether its value is gone, or is no longer to be given out."""
    return row.state == DESTROYED or (row.retires_at is not None and row.retires_at <= now)


def state_of(row: VersionRow, latest: int, now: int) -> SecretState:
    if is_retired(row, now):
        return "destroyed"
    if row.state == DELETED:
        return "deleted"
    if row.version < latest:
        return "previous"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "current"


def facts_of(
    row: VersionRow,
    *,
    tenant: str,
    latest: int,
    now: int,
    fingerprint: str | None,
    advice: str | None = None,
    grant: Grant = ANYONE,
) -> SecretFacts:
    return SecretFacts(
        key=row.key.decode(),
        tenant=tenant,
        version=row.version,
        state=state_of(row, latest, now),
        fingerprint=fingerprint,
        created_at=from_micros(row.created_at),
        expires_at=None if row.expires_at is None else from_micros(row.expires_at),
        retires_at=None if row.retires_at is None else from_micros(row.retires_at),
        note=None if row.note is None else row.note.decode(),
        advice=advice,
        agents=grant.agents,
        tools=grant.tools,
    )
