"""Looking versions up inside an act: the one that was asked for, opened, or only described."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from codespar_cli.core.administration.secrets import SecretFacts
from codespar_cli.core.hidden import Hidden
from codespar_cli.core.hooks import ToolCall
from codespar_cli.errors import NotFoundError, VersionRetired
from codespar_cli.plugins.secrets.envelope import tampered
from codespar_cli.plugins.secrets.facts import facts_of, is_retired
from codespar_cli.plugins.secrets.grants import ConfiguredGrants, grant_of, require_granted
from codespar_cli.plugins.secrets.vault_rows import DELETED, DESTROYED, LIVE, VersionRow
from codespar_cli.plugins.secrets.vault_session import Act
from codespar_cli.plugins.secrets.verified_vault import OpenTenant


class Found(NamedTuple):
    """A version that was opened. What is known of it is put together for who asks: a lookup needs the value alone."""

    tenant: OpenTenant
    row: VersionRow
    now: int
    fingerprint: str
    value: Hidden[str]

    @property
    def facts(self) -> SecretFacts:
        return _facts(self.tenant, self.row, self.now, self.fingerprint)


def look_up(
    act: Act, name: bytes, key: bytes, *, call: ToolCall | None = None, configured: ConfiguredGrants
) -> Found | None:
    """The value that the act's intent asks for, None when there is none; either is put on record.

    Raises SecretDenied, VersionRetired, IntegrityError; NotFoundError when only the version is missing.
    """
    tenant = act.vault.tenant(act.connection, name)
    if call is not None:
        # Before it is known whether there is such a secret: a refusal does not tell.
        own = grant_of(None if tenant is None else tenant.access.get(key))
        require_granted(call, key.decode(), [own, *configured.of(key.decode())])
    row = None if tenant is None else wanted(act, tenant, key, act.intent.version)
    if tenant is None or row is None:
        if tenant is not None and act.intent.version is not None and key in tenant.latest:
            raise not_found(name.decode(), key.decode(), act.intent.version)
        act.record(outcome="missing")
        return None
    found = opened(act, tenant, row)
    act.record(version=row.version, fingerprint=found.fingerprint)
    return found


def wanted(act: Act, tenant: OpenTenant, key: bytes, version: int | None) -> VersionRow | None:
    """The row asked for, None when there is none. Raises VersionRetired, IntegrityError."""
    latest = tenant.latest.get(key)
    if latest is None or latest.state == DELETED or (version is None and latest.state == DESTROYED):
        return None
    number = latest.version if version is None else version
    if (key, number) not in tenant.digests:
        return None
    row = tenant.read(act.connection, key, number)
    if is_retired(row, act.now):
        ended = row.retires_at is not None and row.retires_at <= act.now
        raise VersionRetired(
            f"version {number} of `{key.decode()}` was " + ("replaced and its grace is over" if ended else "destroyed"),
            hint=f"see what is left: codespar secrets history {shlex.quote(key.decode())}",
        )
    return row if row.state == LIVE else None


def opened(act: Act, tenant: OpenTenant, row: VersionRow) -> Found:
    """The value of a row, wrapped up before anything else can fail with it in sight."""
    value = Hidden(act.vault.data_key(tenant, row.generation).open(row))
    fingerprint = act.vault.keys.fingerprint_of(tenant.row.name, value.reveal())
    return Found(tenant, row, act.now, fingerprint, _text(value))


def described(act: Act, tenant: OpenTenant, key: bytes, versions: Sequence[int]) -> list[SecretFacts]:
    """What is known of versions of a key, without a value for any."""
    return [_described(act, tenant, key, version) for version in versions]


def not_found(tenant: str, key: str, version: int | None = None) -> NotFoundError:
    if version is None:
        return NotFoundError(f"tenant `{tenant}` has no secret `{key}`", hint="codespar secrets list")
    return NotFoundError(
        f"tenant `{tenant}` has no version {version} of `{key}`", hint=f"codespar secrets history {shlex.quote(key)}"
    )


def _described(act: Act, tenant: OpenTenant, key: bytes, version: int) -> SecretFacts:
    row = tenant.read(act.connection, key, version)
    if row.sealed is None or is_retired(row, act.now):
        return _facts(tenant, row, act.now, None)
    return opened(act, tenant, row).facts


def _facts(tenant: OpenTenant, row: VersionRow, now: int, fingerprint: str | None) -> SecretFacts:
    return facts_of(
        row,
        tenant=tenant.row.name.decode(),
        latest=tenant.latest[row.key].version,
        now=now,
        fingerprint=fingerprint,
        grant=grant_of(tenant.access.get(row.key)),
    )


def _text(value: Hidden[bytes]) -> Hidden[str]:
    try:
        return Hidden(value.reveal().decode())
    except UnicodeDecodeError:
        pass  # raised from here, an error would bring this one along, and the value with it
    raise tampered("a sealed value is not UTF-8")
