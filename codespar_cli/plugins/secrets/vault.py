"""The embedded vault: secrets in one SQLite file, under keys that come from one master key.

What is stored and how is specified byte by byte in docs/spec/vault.md. No value ever reaches SQLite, a log, an error or
a `repr`; a lookup answers the right value, None for "there is none", or raises.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Literal

from codespar_cli.core.administration.secrets import RotationReport, Secret, SecretFacts, VaultReport
from codespar_cli.core.clock import Clock, to_micros
from codespar_cli.core.durations import parse_duration
from codespar_cli.core.hooks import Health
from codespar_cli.core.services import Services
from codespar_cli.errors import CodesparError, NotFoundError, UsageError, VersionRetired, WriteConflict
from codespar_cli.plugins.secrets.envelope import DEFAULT_LIMITS, SealLimits, tampered
from codespar_cli.plugins.secrets.facts import facts_of, is_retired
from codespar_cli.plugins.secrets.key_ring import KeyRing
from codespar_cli.plugins.secrets.master_key import DEFAULT_REFERENCE, parse_reference
from codespar_cli.plugins.secrets.names import micros, name_bytes, note_bytes, value_bytes
from codespar_cli.plugins.secrets.vault_rows import DELETED, LIVE, Header, VersionRow
from codespar_cli.plugins.secrets.vault_session import Act, Intent, VaultSession
from codespar_cli.plugins.secrets.vault_store import VaultStore
from codespar_cli.plugins.secrets.verified_vault import OpenTenant

if TYPE_CHECKING:
    from codespar_cli.plugins.secrets.key_hierarchy import MasterKey
    from codespar_cli.plugins.secrets.rotation import Extent

PROGRAM = "program"
"""The actor on record when a program asks through the contract, which names none."""
DEFAULT_GRACE = timedelta(hours=24)
STORE = "vault.db"


class SecretsVault:
    """Opened on first use; safe for threads, forks and other processes on the same file."""

    backend = "vault"

    def __init__(
        self,
        store: VaultStore,
        ring: KeyRing,
        *,
        clock: Clock,
        grace: timedelta = DEFAULT_GRACE,
        limits: SealLimits = DEFAULT_LIMITS,
    ) -> None:
        self._session = VaultSession(store, ring, clock)
        self._grace = grace
        self._limits = limits

    @classmethod
    def from_options(
        cls, options: Mapping[str, Any], services: Services, *, environ: Mapping[str, str] | None = None
    ) -> SecretsVault:
        """Raises ConfigError. Touches neither the store nor the key."""
        reference = parse_reference(options.get("master_key", DEFAULT_REFERENCE))
        ring = KeyRing(reference, environ=os.environ if environ is None else environ, config_dir=services.config_dir)
        grace = parse_duration(options["grace"]) if "grace" in options else DEFAULT_GRACE
        return cls(VaultStore(services.state_dir / STORE), ring, clock=services.clock, grace=grace)

    # ── the contract ──

    def get(self, tenant_id: str, key: str) -> str | None:
        """The current value, None when there is none. Raises SecretError, IntegrityError, StoreError."""
        found = self._look_up(Intent("secret.read", PROGRAM, tenant_id, key))
        return None if found is None else found.reveal()

    def set(self, tenant_id: str, key: str, value: str) -> None:
        """A new version. Raises UsageError, SecretError, IntegrityError, StoreError."""
        self.put(tenant_id, key, value, actor=PROGRAM)

    # ── reading ──

    def fetch(self, tenant_id: str, key: str, *, version: int | None = None, actor: str) -> Secret:
        found = self._look_up(Intent("secret.read", actor, tenant_id, key, version))
        if found is None:
            raise _not_found(tenant_id, key)
        return found

    def describe(self, tenant_id: str, key: str, *, version: int | None = None, actor: str) -> SecretFacts:
        found = self._look_up(Intent("secret.describe", actor, tenant_id, key, version))
        if found is None:
            raise _not_found(tenant_id, key)
        return found.facts

    def entries(self, tenant_id: str, *, actor: str) -> Sequence[SecretFacts]:
        name = name_bytes("tenant", tenant_id)
        with self._session.act(Intent("secret.list", actor, tenant_id), durable=False) as act:
            tenant = act.vault.tenant(act.connection, name)
            names = sorted(tenant.latest) if tenant is not None else []
            live = [key for key in names if tenant is not None and tenant.latest[key].state == LIVE]
            found = [_described(act, tenant, key, tenant.latest[key].version) for key in live if tenant is not None]
            act.record(count=len(found))
        return found

    def history(self, tenant_id: str, key: str, *, actor: str) -> Sequence[SecretFacts]:
        name, key_name = name_bytes("tenant", tenant_id), name_bytes("key", key)
        with self._session.act(Intent("secret.history", actor, tenant_id, key), durable=False) as act:
            tenant = act.vault.tenant(act.connection, name)
            if tenant is None or key_name not in tenant.latest:
                raise _not_found(tenant_id, key)
            found = [_described(act, tenant, key_name, version) for version in tenant.versions_of(key_name)]
            act.record(count=len(found))
        return found[::-1]

    # ── writing ──

    def put(
        self,
        tenant_id: str,
        key: str,
        value: str,
        *,
        expires_at: datetime | None = None,
        note: str | None = None,
        cas: int | None = None,
        actor: str,
    ) -> SecretFacts:
        from codespar_cli.plugins.secrets.revision import Revision

        row = _draft_row(key, expires_at, note)
        name, data = name_bytes("tenant", tenant_id), value_bytes(value)
        with self._session.act(Intent("secret.set", actor, tenant_id, key), durable=True) as act:
            revision = Revision(act.connection, act.vault)
            draft = revision.draft(name, created_at=act.now)
            latest = draft.tenant.latest.get(row.key)
            current = latest.version if latest is not None and latest.state == LIVE else 0
            if cas is not None and cas != current:
                raise _conflict(key, cas, current)
            row = row._replace(version=latest.version + 1 if latest else 1, created_at=act.now)
            row = draft.seal(row, data, self._limits)
            act.header = revision.finish()
            return self._written(act, row, tenant_id, name, data, draft.newest.encryptions)

    def replace(
        self,
        tenant_id: str,
        key: str,
        value: str,
        *,
        grace: timedelta | None = None,
        expires_at: datetime | None = None,
        note: str | None = None,
        actor: str,
    ) -> SecretFacts:
        from codespar_cli.plugins.secrets.revision import Revision

        row = _draft_row(key, expires_at, note)
        name, data = name_bytes("tenant", tenant_id), value_bytes(value)
        with self._session.act(Intent("secret.rotate_value", actor, tenant_id, key), durable=True) as act:
            tenant = act.vault.tenant(act.connection, name)
            latest = tenant.latest.get(row.key) if tenant is not None else None
            if tenant is None or latest is None or latest.state != LIVE:
                raise _not_found(tenant_id, key)
            revision = Revision(act.connection, act.vault)
            draft = revision.draft(name)
            retires_at = _end_of(act.at, self._grace if grace is None else grace)
            for version in tenant.versions_of(row.key):
                older = tenant.read(act.connection, row.key, version)
                if older.retires_at is None:
                    draft.put(older._replace(retires_at=retires_at))
            row = draft.seal(row._replace(version=latest.version + 1, created_at=act.now), data, self._limits)
            act.header = revision.finish()
            return self._written(act, row, tenant_id, name, data, draft.newest.encryptions)

    def delete(self, tenant_id: str, key: str, *, actor: str) -> int:
        from codespar_cli.plugins.secrets.revision import Revision

        name, key_name = name_bytes("tenant", tenant_id), name_bytes("key", key)
        with self._session.act(Intent("secret.delete", actor, tenant_id, key), durable=True) as act:
            tenant = act.vault.tenant(act.connection, name)
            if tenant is None or key_name not in tenant.latest or tenant.latest[key_name].state != LIVE:
                raise _not_found(tenant_id, key)
            revision = Revision(act.connection, act.vault)
            draft = revision.draft(name)
            rows = [tenant.read(act.connection, key_name, version) for version in tenant.versions_of(key_name)]
            hidden = [row for row in rows if row.state == LIVE]
            for row in hidden:
                draft.put(row._replace(state=DELETED))
            act.header = revision.finish()
            act.record(versions=len(hidden))
        return len(hidden)

    # ── keys ──

    def rotate_master(self, *, previous: str | None = None, dry_run: bool = False, actor: str) -> RotationReport:
        from codespar_cli.plugins.secrets.rotation import rewrap

        ring = self._ring_with(previous)
        master = ring.current()
        with self._session.act(Intent("secret.rotate", actor), durable=True, ring=ring) as act:
            changes_master = not _is_under(act.vault.header, master)
            extent, header = rewrap(act.connection, act.vault, master, dry_run=dry_run)
            if not dry_run:
                act.header = header
                act.next_keys = master.keys_for(header.vault_id) if changes_master else None
            act.record(**extent._asdict(), kek_version=header.kek_version, dry_run=dry_run or None)
        return self._rotated("rewrap", extent, header.kek_version, new_master_key=changes_master, dry_run=dry_run)

    def rotate_values(self, *, previous: str | None = None, dry_run: bool = False, actor: str) -> RotationReport:
        from codespar_cli.plugins.secrets.rotation import reencrypt

        ring = self._ring_with(previous)
        with self._session.act(Intent("secret.reencrypt", actor), durable=True, ring=ring) as act:
            extent, header = reencrypt(act.connection, act.vault, act.now, dry_run=dry_run)
            if not dry_run:
                act.header = header
            act.record(**extent._asdict(), dry_run=dry_run or None)
        return self._rotated("reencrypt", extent, header.kek_version, new_master_key=False, dry_run=dry_run)

    def verify(self, *, actor: str) -> VaultReport:
        from codespar_cli.plugins.secrets.verification import verify_vault

        self._session.forget()
        self._session.store.check()
        with self._session.act(Intent("secret.verify", actor), durable=False) as act:
            report = verify_vault(act.connection, act.vault, self._limits)
            act.record(epoch_seen=report.epoch)
        return report

    @property
    def exists(self) -> bool:
        """Whether a vault was ever made here."""
        return self._session.store.exists

    def health(self) -> Health:
        """Whether the master key is there, and opens the vault if one was made and it did not go back in time.

        Reads no secret.
        """
        try:
            master = self._session.ring.current()
            if not self._session.store.exists:
                return Health("ok", f"no vault yet, master key from {master.source}")
            vault = self._session.look()
            if vault is not None and vault.keys.source != master.source:
                return Health(
                    "warning", f"still under the previous master key ({vault.keys.source}): run secrets rotate"
                )
        except CodesparError as error:
            return Health("error", str(error))
        return Health("ok", f"master key from {master.source}")

    def close(self) -> None:
        self._session.store.close()

    def __repr__(self) -> str:
        return f"<SecretsVault {self._session.store.path.name}>"

    # ── inside ──

    def _look_up(self, intent: Intent) -> Secret | None:
        name, key = name_bytes("tenant", intent.tenant or ""), name_bytes("key", intent.key or "")
        with self._session.act(intent, durable=False) as act:
            tenant = act.vault.tenant(act.connection, name)
            row = None if tenant is None else _wanted(act, tenant, key, intent.version)
            if tenant is None or row is None:
                act.record(outcome="missing")
                return None
            secret = _opened(act, tenant, row)
            act.record(version=row.version, fingerprint=secret.facts.fingerprint)
        return secret

    def _written(
        self, act: Act, row: VersionRow, tenant_id: str, name: bytes, data: bytes, encryptions: int
    ) -> SecretFacts:
        fingerprint = act.vault.keys.fingerprint_of(name, data)
        act.record(version=row.version, fingerprint=fingerprint)
        advice = None
        if encryptions >= self._limits.warn_at:
            advice = f"this tenant's data key has sealed {encryptions} values: run codespar secrets rotate --reencrypt"
        return facts_of(row, tenant=tenant_id, latest=row.version, now=act.now, fingerprint=fingerprint, advice=advice)

    def _ring_with(self, previous: str | None) -> KeyRing:
        ring = self._session.ring
        return ring if previous is None else ring.with_previous(parse_reference(previous, "--previous"))

    def _rotated(
        self,
        operation: Literal["rewrap", "reencrypt"],
        extent: Extent,
        kek_version: int,
        *,
        new_master_key: bool,
        dry_run: bool,
    ) -> RotationReport:
        emptied = dry_run or self._session.empty_log()
        return RotationReport(operation, *extent, kek_version, new_master_key, dry_run, emptied)


def _wanted(act: Act, tenant: OpenTenant, key: bytes, version: int | None) -> VersionRow | None:
    """The row asked for, None when there is none. Raises VersionRetired, IntegrityError."""
    latest = tenant.latest.get(key)
    if latest is None or latest.state == DELETED:
        return None
    number = latest.version if version is None else version
    if (key, number) not in tenant.digests:
        return None
    row = tenant.read(act.connection, key, number)
    if is_retired(row, act.now):
        raise VersionRetired(
            f"version {number} of `{key.decode()}` was replaced and its grace is over",
            hint=f"the current version is {latest.version}",
        )
    return row if row.state == LIVE else None


def _opened(act: Act, tenant: OpenTenant, row: VersionRow) -> Secret:
    """The value of a row, wrapped up before anything else can fail with it in sight."""
    value = act.vault.data_key(tenant, row.generation).open(row)
    fingerprint = act.vault.keys.fingerprint_of(tenant.row.name, value)
    return Secret(_facts(act, tenant, row, fingerprint), _text(value))


def _described(act: Act, tenant: OpenTenant, key: bytes, version: int) -> SecretFacts:
    row = tenant.read(act.connection, key, version)
    if row.sealed is None or is_retired(row, act.now):
        return _facts(act, tenant, row, None)
    return _opened(act, tenant, row).facts


def _facts(act: Act, tenant: OpenTenant, row: VersionRow, fingerprint: str | None) -> SecretFacts:
    latest = tenant.latest[row.key].version
    return facts_of(row, tenant=tenant.row.name.decode(), latest=latest, now=act.now, fingerprint=fingerprint)


def _draft_row(key: str, expires_at: datetime | None, note: str | None) -> VersionRow:
    return VersionRow(0, name_bytes("key", key), 0, 0, 0, micros(expires_at), None, LIVE, note_bytes(note), None)


def _end_of(at: datetime, grace: timedelta) -> int:
    try:
        return to_micros(at + grace)
    except OverflowError:
        raise UsageError("the grace is too long", hint="a duration such as 24h or 7d") from None


def _is_under(header: Header, master: MasterKey) -> bool:
    return compare_digest(master.keys_for(header.vault_id).check_value, header.check_value)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise tampered("a sealed value is not UTF-8") from None


def _not_found(tenant: str, key: str) -> NotFoundError:
    return NotFoundError(f"tenant `{tenant}` has no secret `{key}`", hint="codespar secrets list")


def _conflict(key: str, expected: int, current: int) -> WriteConflict:
    found = f"version {current} is current" if current else "there is none"
    wanted = f"version {expected}" if expected else "no secret of this name"
    return WriteConflict(f"`{key}`: expected {wanted}, {found}", hint=f"codespar secrets history {key}")
