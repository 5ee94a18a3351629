"""What can be done with versions that exist, inside an act: hidden, shown again, erased, brought back as a new one."""

from __future__ import annotations

import shlex

from codespar_cli.errors import NotFoundError, WriteConflict
from codespar_cli.plugins.secrets.envelope import Plaintext, SealLimits
from codespar_cli.plugins.secrets.facts import is_retired
from codespar_cli.plugins.secrets.reading import not_found, wanted
from codespar_cli.plugins.secrets.revision import TenantDraft
from codespar_cli.plugins.secrets.vault_rows import DELETED, DESTROYED, LIVE, VersionRow
from codespar_cli.plugins.secrets.vault_session import Act
from codespar_cli.plugins.secrets.writing import Written, seal_version


def hide(act: Act, draft: TenantDraft, key: bytes) -> int:
    """Hide every version of a key that is there; answers how many. Raises NotFoundError."""
    latest = draft.tenant.latest.get(key)
    if latest is None or key not in draft.tenant.live:
        raise not_found(draft.tenant.row.name.decode(), key.decode())
    hidden = [row for row in _rows(act, draft, key) if row.state == LIVE]
    for row in hidden:
        draft.put(row._replace(state=DELETED))
    return len(hidden)


def unhide(act: Act, draft: TenantDraft, key: bytes) -> int:
    """Show every hidden version whose value is still there; answers how many. Raises NotFoundError."""
    if key not in draft.tenant.latest:
        raise not_found(draft.tenant.row.name.decode(), key.decode())
    shown = [row for row in _rows(act, draft, key) if row.state == DELETED and not is_retired(row, act.now)]
    if not shown:
        raise NotFoundError(
            f"tenant `{draft.tenant.row.name.decode()}` has no deleted version of `{key.decode()}`",
            hint=f"codespar secrets history {shlex.quote(key.decode())}",
        )
    for row in shown:
        draft.put(row._replace(state=LIVE))
    return len(shown)


def erase(act: Act, draft: TenantDraft, key: bytes, version: int | None) -> list[VersionRow]:
    """Erase the values of every version, or of one; answers which. Raises NotFoundError when none is left."""
    rows = [row for row in _rows(act, draft, key) if row.state != DESTROYED and version in {None, row.version}]
    if not rows:
        raise not_found(draft.tenant.row.name.decode(), key.decode(), version if key in draft.tenant.latest else None)
    for row in rows:
        draft.put(row._replace(state=DESTROYED, sealed=None))
    return rows


def bring_back(act: Act, draft: TenantDraft, key: bytes, number: int, limits: SealLimits) -> Written:
    """A new version with the value, note and due date of version `number`.

    Raises NotFoundError, VersionRetired, and WriteConflict when it is the current one.
    """
    tenant = draft.tenant
    row = wanted(act, tenant, key, number)
    if row is None:
        raise not_found(tenant.row.name.decode(), key.decode(), number if key in tenant.latest else None)
    latest = tenant.latest[key].version
    if number == latest:
        raise WriteConflict(
            f"version {number} of `{key.decode()}` is the current one",
            code="already_current",
            hint=f"codespar secrets history {shlex.quote(key.decode())}",
        )
    value = Plaintext(act.vault.data_key(tenant, row.generation).open(row))
    again = row._replace(version=latest + 1, created_at=act.now, retires_at=None, sealed=None)
    return seal_version(act, draft, again, value, limits)


def _rows(act: Act, draft: TenantDraft, key: bytes) -> list[VersionRow]:
    tenant = draft.tenant
    return [tenant.read(act.connection, key, version) for version in tenant.versions_of(key)]
