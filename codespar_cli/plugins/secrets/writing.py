"""New versions inside an act: a value set, or replaced with grace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from codespar_cli.core.administration.secrets import SecretFacts, cas_conflict
from codespar_cli.core.clock import to_micros
from codespar_cli.core.hidden import Hidden
from codespar_cli.errors import UsageError
from codespar_cli.plugins.secrets.envelope import Plaintext, SealLimits
from codespar_cli.plugins.secrets.facts import facts_of
from codespar_cli.plugins.secrets.granting import limit, new_limits
from codespar_cli.plugins.secrets.grants import grant_of
from codespar_cli.plugins.secrets.names import micros, name_bytes, note_bytes, value_bytes
from codespar_cli.plugins.secrets.reading import not_found
from codespar_cli.plugins.secrets.revision import TenantDraft
from codespar_cli.plugins.secrets.vault_rows import DESTROYED, LIVE, VersionRow
from codespar_cli.plugins.secrets.vault_session import Act


class NewVersion:
    """What is to be written, checked before anything is opened. Its value shows nowhere."""

    __slots__ = ("cas", "draft", "limits", "value")

    def __init__(
        self,
        key: str,
        value: Hidden[str],
        *,
        expires_at: datetime | None = None,
        note: str | None = None,
        cas: int | None = None,
        agents: Sequence[str] | None = None,
        tools: Sequence[str] | None = None,
    ) -> None:
        """Raises UsageError."""
        key_name = name_bytes("key", key)
        self.draft = VersionRow(0, key_name, 0, 0, 0, micros(expires_at), None, LIVE, note_bytes(note), None)
        self.value = Plaintext(value_bytes(value).reveal())
        self.cas = cas
        self.limits = new_limits(agents, tools)


class Written(NamedTuple):
    """A version as it stands in the vault now."""

    row: VersionRow
    facts: SecretFacts


def write_version(act: Act, draft: TenantDraft, new: NewVersion, limits: SealLimits, *, carry: bool = False) -> Written:
    """The next version of a key, in a revision that is still to be finished. Raises WriteConflict, SecretError.

    With `carry` it keeps the current one's note and due date, see `carried`.
    """
    latest = draft.tenant.latest.get(new.draft.key)
    current = latest.version if latest is not None and latest.state == LIVE else 0
    if new.cas is not None and new.cas != current:
        raise cas_conflict(new.draft.key.decode(), new.cas, current)
    limit(draft, new.draft.key, new.limits)
    row = carried(act, draft, new.draft) if carry else new.draft
    row = row._replace(version=latest.version + 1 if latest else 1, created_at=act.now)
    return seal_version(act, draft, row, new.value, limits)


def replace_version(act: Act, draft: TenantDraft, new: NewVersion, grace: timedelta, limits: SealLimits) -> Written:
    """The next version of a key that there is; those before it end after `grace`. Raises NotFoundError."""
    latest = draft.tenant.latest.get(new.draft.key)
    if latest is None or new.draft.key not in draft.tenant.live:
        raise not_found(draft.tenant.row.name.decode(), new.draft.key.decode())
    row = carried(act, draft, new.draft)._replace(version=latest.version + 1, created_at=act.now)
    retires_at = _end_of(act.at, grace)
    for version in draft.tenant.versions_of(new.draft.key):
        older = draft.tenant.read(act.connection, new.draft.key, version)
        # What is destroyed has no end any more; an end that is nearer stays.
        if older.state != DESTROYED and (older.retires_at is None or older.retires_at > retires_at):
            draft.put(older._replace(retires_at=retires_at))
    return seal_version(act, draft, row, new.value, limits)


def carried(act: Act, draft: TenantDraft, new: VersionRow) -> VersionRow:
    """A new version that says no note or due date of its own has the current one's: due after as long as that was."""
    latest = draft.tenant.latest.get(new.key)
    if latest is None or latest.state != LIVE:
        return new
    before = draft.tenant.read(act.connection, new.key, latest.version)
    if new.note is None:
        new = new._replace(note=before.note)
    if new.expires_at is None and before.expires_at is not None:
        new = new._replace(expires_at=act.now + max(before.expires_at - before.created_at, 0))
    return new


def seal_version(act: Act, draft: TenantDraft, row: VersionRow, value: Plaintext, limits: SealLimits) -> Written:
    """Seal a value into its row, with what its writer is told."""
    row = draft.seal(row, value, limits)
    name = draft.tenant.row.name
    encryptions = draft.newest.encryptions
    advice = None
    if encryptions >= limits.warn_at:
        advice = f"this tenant's data key has sealed {encryptions} values: run codespar secrets rotate --reencrypt"
    facts = facts_of(
        row,
        tenant=name.decode(),
        latest=row.version,
        now=act.now,
        fingerprint=act.vault.keys.fingerprint_of(name, value.reveal()),
        advice=advice,
        grant=grant_of(draft.access.get(row.key)),
    )
    return Written(row, facts)


def _end_of(at: datetime, grace: timedelta) -> int:
    try:
        return to_micros(at + grace)
    except OverflowError:
        raise UsageError("the grace is too long", hint="a duration such as 24h or 7d") from None
