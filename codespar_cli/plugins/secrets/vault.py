"""The embedded vault: secrets in one SQLite file, under keys that come from one master key.

What is stored and how is specified byte by byte in docs/spec/vault.md. No value ever reaches SQLite, a log, an error or
a `repr`; a lookup answers the right value, None for "there is none", or raises.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from codespar_cli.core.administration.secrets import (
    VAULT_FILE,
    Destruction,
    KeyStatus,
    Progress,
    RotationReport,
    Secret,
    SecretFacts,
    VaultReport,
)
from codespar_cli.core.administration.secrets_import import Imported, OnConflict
from codespar_cli.core.clock import Clock
from codespar_cli.core.durations import parse_duration
from codespar_cli.core.hidden import Hidden
from codespar_cli.core.hooks import Health, ToolCall
from codespar_cli.core.services import Services
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.secrets.envelope import DEFAULT_LIMITS, SealLimits
from codespar_cli.plugins.secrets.grants import ConfiguredGrants
from codespar_cli.plugins.secrets.key_ring import KeyRing
from codespar_cli.plugins.secrets.master_key import DEFAULT_REFERENCE, PREVIOUS, parse_reference
from codespar_cli.plugins.secrets.names import name_bytes
from codespar_cli.plugins.secrets.reading import Found, described, look_up, not_found
from codespar_cli.plugins.secrets.vault_session import Act, Intent, VaultSession
from codespar_cli.plugins.secrets.vault_store import VaultStore

if TYPE_CHECKING:
    from codespar_cli.plugins.secrets.revision import TenantDraft
    from codespar_cli.plugins.secrets.rotation import Rotated
    from codespar_cli.plugins.secrets.writing import NewVersion

PROGRAM = "program"
"""The actor on record when a program asks through the contract, which names none."""
DEFAULT_GRACE = timedelta(hours=24)
STORE = VAULT_FILE


class SecretsVault:
    """Opened on first use; safe for threads, forks and other processes on the same file."""

    backend = "vault"
    grants = True

    def __init__(
        self,
        store: VaultStore,
        ring: KeyRing,
        *,
        clock: Clock,
        grace: timedelta = DEFAULT_GRACE,
        limits: SealLimits = DEFAULT_LIMITS,
        grants: ConfiguredGrants | None = None,
    ) -> None:
        self._session = VaultSession(store, ring, clock)
        self._grace = grace
        self._limits = limits
        self._grants = grants or ConfiguredGrants({})

    @classmethod
    def from_options(
        cls, options: Mapping[str, Any], services: Services, *, environ: Mapping[str, str] | None = None
    ) -> SecretsVault:
        """Raises ConfigError. Touches neither the store nor the key."""
        reference = parse_reference(options.get("master_key", DEFAULT_REFERENCE))
        ring = KeyRing(reference, environ=os.environ if environ is None else environ, config_dir=services.config_dir)
        grace = parse_duration(options["grace"]) if "grace" in options else DEFAULT_GRACE
        grants = ConfiguredGrants(options.get("grants", {}))
        return cls(VaultStore(services.state_dir / STORE), ring, clock=services.clock, grace=grace, grants=grants)

    @property
    def key_variables(self) -> tuple[str, ...]:
        """The environment variables that hold key material: no other program is to be given them."""
        return self._session.ring.variables

    # ── the contract ──

    def get(self, tenant_id: str, key: str, *, call: ToolCall | None = None) -> str | None:
        """The current value, None when there is none. Raises SecretError, IntegrityError, StoreError.

        With `call` it is its agent who asks, for its tool: SecretDenied when the secret is not granted to both.
        """
        found = self._look_up("secret.read", tenant_id, key, None, PROGRAM, call)
        return None if found is None else found.value.reveal()

    def set(self, tenant_id: str, key: str, value: str) -> None:
        """A new version. Raises UsageError, SecretError, IntegrityError, StoreError."""
        held = Hidden(value)
        del value  # a traceback with locals must not show it
        from codespar_cli.plugins.secrets.writing import NewVersion

        new = NewVersion(key, held)
        self._write(tenant_id, key, new, PROGRAM)

    # ── reading ──

    def fetch(
        self, tenant_id: str, key: str, *, version: int | None = None, actor: str, call: ToolCall | None = None
    ) -> Secret:
        found = self._look_up("secret.read", tenant_id, key, version, actor, call)
        if found is None:
            raise not_found(tenant_id, key)
        return Secret(found.facts, found.value.reveal())

    def describe(
        self, tenant_id: str, key: str, *, version: int | None = None, actor: str, call: ToolCall | None = None
    ) -> SecretFacts:
        found = self._look_up("secret.describe", tenant_id, key, version, actor, call)
        if found is None:
            raise not_found(tenant_id, key)
        return found.facts

    def entries(self, tenant_id: str, *, actor: str) -> Sequence[SecretFacts]:
        name = name_bytes("tenant", tenant_id)
        with self._session.act(Intent("secret.list", actor, tenant_id), durable=False) as act:
            tenant = act.vault.tenant(act.connection, name)
            keys = [] if tenant is None else [(tenant, key) for key in sorted(tenant.live)]
            found = [facts for one, key in keys for facts in described(act, one, key, [one.latest[key].version])]
            act.record(count=len(found))
        return found

    def history(self, tenant_id: str, key: str, *, actor: str) -> Sequence[SecretFacts]:
        name, key_name = name_bytes("tenant", tenant_id), name_bytes("key", key)
        with self._session.act(Intent("secret.history", actor, tenant_id, key), durable=False) as act:
            tenant = act.vault.tenant(act.connection, name)
            if tenant is None or key_name not in tenant.latest:
                raise not_found(tenant_id, key)
            found = described(act, tenant, key_name, tenant.versions_of(key_name))
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
        agents: Sequence[str] | None = None,
        tools: Sequence[str] | None = None,
        actor: str,
    ) -> SecretFacts:
        held = Hidden(value)
        del value
        from codespar_cli.plugins.secrets.writing import NewVersion

        new = NewVersion(key, held, expires_at=expires_at, note=note, cas=cas, agents=agents, tools=tools)
        return self._write(tenant_id, key, new, actor)

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
        held = Hidden(value)
        del value
        from codespar_cli.plugins.secrets.writing import NewVersion, replace_version

        new = NewVersion(key, held, expires_at=expires_at, note=note)
        with self._change("secret.rotate_value", tenant_id, key, actor) as (act, draft):
            written = replace_version(act, draft, new, self._grace if grace is None else grace, self._limits)
            act.note(version=written.row.version, fingerprint=written.facts.fingerprint)
        return written.facts

    def put_all(
        self,
        tenant_id: str,
        values: Mapping[str, str],
        *,
        on_conflict: OnConflict = "fail",
        dry_run: bool = False,
        actor: str,
    ) -> Sequence[Imported]:
        held = Hidden(values)
        del values
        from codespar_cli.plugins.secrets.importing import batch_of, import_batch

        batch = batch_of(tenant_id, held)
        return import_batch(self._session, batch, self._limits, on_conflict=on_conflict, dry_run=dry_run, actor=actor)

    def grant(
        self,
        tenant_id: str,
        key: str,
        *,
        agents: Sequence[str] | None = None,
        tools: Sequence[str] | None = None,
        actor: str,
    ) -> SecretFacts:
        from codespar_cli.plugins.secrets.granting import change_grant, new_limits

        new = new_limits(agents, tools)
        with self._change("secret.grant", tenant_id, key, actor) as (act, draft):
            facts = change_grant(act, draft, key.encode(), new)
            act.note(agents=agents, tools=tools)
        return facts

    # ── versions ──

    def rollback(self, tenant_id: str, key: str, *, to: int, actor: str) -> SecretFacts:
        from codespar_cli.plugins.secrets.versions import bring_back

        with self._change("secret.rollback", tenant_id, key, actor) as (act, draft):
            written = bring_back(act, draft, key.encode(), to, self._limits)
            act.note(version=written.row.version, fingerprint=written.facts.fingerprint, restored=to)
        return written.facts

    def delete(self, tenant_id: str, key: str, *, actor: str) -> int:
        from codespar_cli.plugins.secrets.versions import hide

        with self._change("secret.delete", tenant_id, key, actor) as (act, draft):
            count = hide(act, draft, key.encode())
            act.note(versions=count)
        return count

    def undelete(self, tenant_id: str, key: str, *, actor: str) -> int:
        from codespar_cli.plugins.secrets.versions import unhide

        with self._change("secret.undelete", tenant_id, key, actor) as (act, draft):
            count = unhide(act, draft, key.encode())
            act.note(versions=count)
        return count

    def destroy(self, tenant_id: str, key: str, *, version: int | None = None, actor: str) -> Destruction:
        from codespar_cli.plugins.secrets.versions import erase

        with self._change("secret.destroy", tenant_id, key, actor, version=version, unclean=True) as (act, draft):
            erased = erase(act, draft, key.encode(), version)
            act.note(versions=len(erased))
        return Destruction(len(erased), self._session.empty_log())

    # ── keys ──

    def rotate_master(
        self, *, previous: str | None = None, dry_run: bool = False, progress: Progress | None = None, actor: str
    ) -> RotationReport:
        from codespar_cli.plugins.secrets.rotation import rewrap

        ring = self._ring_with(previous)
        master = ring.current()
        with self._session.act(Intent("secret.rotate", actor), durable=True, ring=ring) as act:
            done = rewrap(act.connection, act.vault, master, dry_run=dry_run, progress=progress)
            if not dry_run:
                act.header, act.next_keys = done.header, done.keys
            act.note(kek_version=done.header.kek_version, costs_raised=done.costs_raised or None)
            act.record(**done.extent._asdict(), dry_run=dry_run or None)
        return self._rotated("rewrap", done, dry_run=dry_run)

    def rotate_values(
        self, *, previous: str | None = None, dry_run: bool = False, progress: Progress | None = None, actor: str
    ) -> RotationReport:
        from codespar_cli.plugins.secrets.rotation import reencrypt

        ring = self._ring_with(previous)
        with self._session.act(Intent("secret.reencrypt", actor), durable=True, ring=ring) as act:
            done = reencrypt(act.connection, act.vault, act.now, dry_run=dry_run, progress=progress)
            if not dry_run:
                act.header = done.header
            act.record(**done.extent._asdict(), dry_run=dry_run or None)
        return self._rotated("reencrypt", done, dry_run=dry_run)

    def key_status(self, *, actor: str) -> KeyStatus:
        from codespar_cli.plugins.secrets.key_state import key_status

        current = self._session.ring.current().source
        with self._session.act(Intent("secret.key_status", actor), durable=False) as act:
            status = key_status(act, current, self._limits)
            act.record()
        return status

    def verify(self, *, actor: str) -> VaultReport:
        from codespar_cli.plugins.secrets.verification import verify_vault

        self._session.forget()
        self._session.store.check()
        with self._session.act(Intent("secret.verify", actor), durable=False) as act:
            report = verify_vault(act.connection, act.vault, self._limits)
            act.record(epoch_seen=report.epoch)
        problem = self._session.mark_problem
        return report if problem is None else report._replace(warnings=(*report.warnings, problem))

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
                    "warning",
                    f"still under the previous master key ({vault.keys.source}): run secrets rotate",
                    "codespar secrets rotate",
                )
            if vault is not None and master.raised_kdf(vault.header.kdf) is not None:
                return Health(
                    "warning",
                    "the passphrase is hashed at less than today's costs: run secrets rotate",
                    "codespar secrets rotate",
                )
            problem = self._session.mark_problem
            if vault is not None and problem is not None:
                return Health("warning", problem, "codespar secrets verify")
        except CodesparError as error:
            return Health("error", str(error), error.hint)
        return Health("ok", f"master key from {master.source}")

    def close(self) -> None:
        self._session.store.close()

    def __repr__(self) -> str:
        return f"<SecretsVault {self._session.store.path.name}>"

    # ── inside ──

    def _look_up(
        self, kind: str, tenant_id: str, key: str, version: int | None, actor: str, call: ToolCall | None
    ) -> Found | None:
        name, key_name = name_bytes("tenant", tenant_id), name_bytes("key", key)
        intent = Intent(kind, actor, tenant_id, key, version)
        if call is not None:
            intent = intent._replace(actor=f"agent:{call.agent_id}", tool=str(call.tool_name))
        with self._session.act(intent, durable=False) as act:
            return look_up(act, name, key_name, call=call, configured=self._grants)

    def _write(self, tenant_id: str, key: str, new: NewVersion, actor: str) -> SecretFacts:
        from codespar_cli.plugins.secrets.writing import write_version

        with self._change("secret.set", tenant_id, key, actor, create=True) as (act, draft):
            written = write_version(act, draft, new, self._limits)
            act.note(version=written.row.version, fingerprint=written.facts.fingerprint)
            act.note(agents=new.limits.agents[0], tools=new.limits.tools[0])
        return written.facts

    @contextmanager
    def _change(
        self,
        kind: str,
        tenant_id: str,
        key: str,
        actor: str,
        *,
        version: int | None = None,
        create: bool = False,
        unclean: bool = False,
    ) -> Iterator[tuple[Act, TenantDraft]]:
        """One tenant's next epoch, recorded with what the body notes. Raises NotFoundError for a tenant there is not."""
        from codespar_cli.plugins.secrets.revision import Revision

        name = name_bytes("tenant", tenant_id)
        name_bytes("key", key)
        with self._session.act(Intent(kind, actor, tenant_id, key, version), durable=True) as act:
            if not create and act.vault.tenant(act.connection, name) is None:
                raise not_found(tenant_id, key)
            revision = Revision(act.connection, act.vault)
            yield act, revision.draft(name, created_at=act.now if create else None)
            act.header = revision.finish(unclean=unclean)
            act.record()

    def _ring_with(self, previous: str | None) -> KeyRing:
        ring = self._session.ring
        return ring if previous is None else ring.with_previous(parse_reference(previous, PREVIOUS))

    def _rotated(self, operation: Literal["rewrap", "reencrypt"], done: Rotated, *, dry_run: bool) -> RotationReport:
        emptied = dry_run or self._session.empty_log()
        changed = done.keys is not None and not done.costs_raised
        version, raised = done.header.kek_version, done.costs_raised
        return RotationReport(operation, *done.extent, version, changed, dry_run, emptied, costs_raised=raised)
