"""One act on the vault at a time: opened, checked, recorded, committed; or refused, recorded, raised."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple
from weakref import WeakSet

import apsw

from codespar_cli.core.clock import Clock, to_micros
from codespar_cli.core.core_dumps import forbid_core_dumps
from codespar_cli.core.text import visible
from codespar_cli.errors import CodesparError, IntegrityError, NotFoundError, SecretError
from codespar_cli.plugins.secrets import audit
from codespar_cli.plugins.secrets.envelope import tampered
from codespar_cli.plugins.secrets.high_water import HighWater
from codespar_cli.plugins.secrets.key_hierarchy import VaultKeys
from codespar_cli.plugins.secrets.key_ring import KeyRing
from codespar_cli.plugins.secrets.vault_rows import Header
from codespar_cli.plugins.secrets.vault_store import VaultStore
from codespar_cli.plugins.secrets.verified_vault import VerifiedVault, load
from codespar_cli.storage.sqlite import Row

_CHORES = (
    "SELECT unclean, (SELECT min(retires_at) FROM version WHERE retires_at IS NOT NULL AND state <> 2) FROM header"
)
"""Whether the log is to be emptied, and when the next version is due: as the rows say, decided over checked ones."""
_CLEAN = "UPDATE header SET unclean = 0"
_WHOSE = "SELECT vault_id, check_value, format, epoch FROM header"
_NEVER = 2**63


_sessions: WeakSet[VaultSession] = WeakSet()


def _after_fork() -> None:
    for session in _sessions:
        session.forget_parent()


os.register_at_fork(after_in_child=_after_fork)


class Intent(NamedTuple):
    """What someone is about to do: as it will be recorded, whether it succeeds or is refused."""

    kind: str
    actor: str
    tenant: str | None = None
    key: str | None = None
    version: int | None = None
    tool: str | None = None


class Act:
    """An intent under way, inside its transaction."""

    def __init__(self, intent: Intent, connection: apsw.Connection, vault: VerifiedVault, at: datetime) -> None:
        self.intent = intent
        self.connection = connection
        self.vault = vault
        self.at = at
        self.now = to_micros(at)
        self.header: Header | None = None
        """The header that this act writes, when it changes anything."""
        self.next_keys: VaultKeys | None = None
        """The keys from this act on, when it changes the master key."""
        self._details: dict[str, Any] = {}
        self._vouched = audit.epoch_vouched(vault.header)

    def note(self, **details: Any) -> None:
        """Say more of the act, for whoever puts it on record."""
        self._details.update(details)

    def record(self, *, outcome: str = "ok", part: Intent | None = None, **details: Any) -> None:
        """Put the act on record, in its own transaction; or one `part` of it, under the same epoch."""
        intent = part or self.intent
        body = _body(intent, outcome)
        vouched = self._vouched
        details = {**self._details, **details}
        body |= {name: value for name, value in details.items() if value is not None}
        if self.header is not None:
            body["epoch"] = self.header.epoch
            self._vouched = audit.epoch_vouched(self.header)
        audit.record(
            self.connection,
            self.vault.keys,
            at=self.now,
            kind=intent.kind,
            actor=intent.actor,
            body=body,
            epoch=vouched,
            next_epoch=self._vouched,
            next_keys=self.next_keys,
        )


class VaultSession:
    """The vault as one process sees it. Thread-safe; survives rotations by other processes."""

    def __init__(self, store: VaultStore, ring: KeyRing, clock: Clock) -> None:
        self.store = store
        self.ring = ring
        self.clock = clock
        self._mark = HighWater(store.path.with_name(store.path.name + ".epoch"))
        self._mutex = threading.RLock()
        self._known: VerifiedVault | None = None
        self._chores_at = 0
        _sessions.add(self)

    def forget_parent(self) -> None:
        """In a forked child: the mutex may be held by a thread that the child does not have.

        What was checked stays: it is compared with the file at each act, and the child may not have the key any more.
        """
        self._mutex = threading.RLock()
        self._chores_at = 0

    @contextmanager
    def act(self, intent: Intent, *, durable: bool, ring: KeyRing | None = None) -> Iterator[Act]:
        """A transaction for one act on the checked vault. A refusal is put on record and raised."""
        with self._mutex:
            at = self.clock()
            try:
                if to_micros(at) >= self._chores_at:
                    self._prepare(at, ring or self.ring)
                with self.store.write(durable=durable) as connection:
                    act = Act(intent, connection, self._load(connection, ring or self.ring), at)
                    yield act
            except (SecretError, IntegrityError, NotFoundError) as error:
                self._refuse(intent, at, error)
                raise
            if act.header is not None:
                self._after_change(act.header)

    def empty_log(self) -> bool:
        """Drive retired bytes out of the log. False when a reader is in the way: the next opening tries again."""
        if not self.store.empty_log():
            return False
        with self.store.write(durable=False) as connection:
            connection.execute(_CLEAN)
        return True

    def look(self) -> VerifiedVault | None:
        """The vault as it is now, checked against its mark; None when none was made. Puts nothing on record."""
        self.store.require_unshared()
        mark = self._mark.read()  # before the snapshot: whoever writes meanwhile moves it past what we see
        with self.store.read() as connection:
            vault = load(connection, self.ring, None)
            self._mark.check(None if vault is None else vault.header, mark)
            if vault is not None:
                audit.check_head(connection, vault.keys, vault.header)
        return vault

    @property
    def mark_problem(self) -> str | None:
        """A warning when the mark is of no use; None when it is."""
        found = self._mark.problem()
        if found is None:
            return None
        name = self._mark.path.name
        return f"{name} is {found}: a vault put back whole from an old copy is not noticed until the next change"

    def forget(self) -> None:
        """Check everything afresh at the next act."""
        with self._mutex:
            self._known = None

    # ── inside ──

    def _load(self, connection: apsw.Connection, ring: KeyRing) -> VerifiedVault:
        vault = load(connection, ring, self._known)
        if self._known is None:
            self._mark.check(None if vault is None else vault.header, self._mark.read())
        if vault is None:
            raise tampered("its header is gone")
        if vault is not self._known:
            audit.check_head(connection, vault.keys, vault.header)
        self._known = vault
        return vault

    def _prepare(self, at: datetime, ring: KeyRing) -> None:
        """Before the first act, and whenever a version falls due: make the vault, retire, empty the log."""
        if self._known is None:
            forbid_core_dumps()
            self.store.require_unshared()
        if not self.store.exists:
            ring.current()  # without a master key there is nothing to make
        rows = self.store.query(_CHORES)
        if not rows:
            self._create(at, ring)
            rows = self.store.query(_CHORES)
        unclean, due = rows[0] if rows else (0, None)
        if type(due) is int and due <= to_micros(at):
            self._retire(at, ring)
            due = self.store.query(_CHORES)[0][1]
        elif unclean:
            self.empty_log()
        # What could not be retired, since its tenant was tampered with, is not tried again and again.
        later = type(due) is int and due > to_micros(at)
        self._chores_at = due if later else _NEVER

    def _create(self, at: datetime, ring: KeyRing) -> None:
        from codespar_cli.plugins.secrets.revision import create_vault

        master = ring.current()
        with self.store.write(durable=True) as connection:
            if load(connection, ring, self._known) is not None:
                return  # another process was first
            self._mark.check(None, self._mark.read())
            vault = create_vault(connection, master, to_micros(at))
            audit.begin_record(connection, vault.keys, audit.epoch_vouched(vault.header))
            act = Act(Intent("secret.create", "vault"), connection, vault, at)
            act.header = vault.header
            act.record()
        self._mark.write(vault.header)

    def _retire(self, at: datetime, ring: KeyRing) -> None:
        from codespar_cli.plugins.secrets.retirement import retire_due

        with self.store.write(durable=True) as connection:
            vault = self._load(connection, ring)
            revision, destroyed = retire_due(connection, vault, to_micros(at))
            if revision is None:
                return
            header = revision.finish(unclean=True)
            act = Act(Intent("secret.destroy", "vault"), connection, vault, at)
            act.header = header
            for name, row in destroyed:
                act.record(part=act.intent._replace(tenant=name.decode(), key=row.key.decode(), version=row.version))
        self._mark.write(header)
        self.empty_log()

    def _after_change(self, header: Header) -> None:
        self._chores_at = 0
        self._mark.write(header)

    def _refuse(self, intent: Intent, at: datetime, error: CodesparError) -> None:
        if not self.store.exists:
            return
        body = _body(intent, "missing" if isinstance(error, NotFoundError) else "refused")
        body["code"] = error.code
        try:
            with self.store.write(durable=True) as connection:
                whose = list(connection.execute(_WHOSE))
                if not whose:
                    return  # nothing was made here yet, so there is nothing to guard
                *whose_keys, form, epoch = whose[0]
                keys = self._keys_of(tuple(whose_keys))
                if type(epoch) is not int:
                    return  # damaged: there is nothing sound to append to
                vouched = None if form == 1 else epoch
                audit.record(
                    connection,
                    keys,
                    at=to_micros(at),
                    kind=intent.kind,
                    actor=intent.actor,
                    body=body,
                    epoch=vouched,
                    next_epoch=vouched,
                )
        except (CodesparError, OSError):
            pass  # the refusal itself is what must be told: a store too damaged to record it is no reason to say less

    def _keys_of(self, vault: Row) -> VaultKeys | None:
        """Ours, unless the vault is under another master key by now, or is another one."""
        known = self._known
        if known is None or vault != (known.header.vault_id, known.header.check_value):
            return None
        return known.keys


def _body(intent: Intent, outcome: str) -> dict[str, Any]:
    body: dict[str, Any] = {"outcome": outcome}
    if intent.tenant is not None:
        body["tenant"] = intent.tenant
    if intent.key is not None:
        body["key"] = intent.key
    if intent.version is not None:
        body["version"] = intent.version
    if intent.tool is not None:
        body["tool"] = visible(intent.tool)[:200]
    return body
