"""What can be done with a store of secrets beyond handing them out. Backends offer what they can."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from codespar_cli.errors import WriteConflict

if TYPE_CHECKING:
    from codespar_cli.core.hooks import ToolCall

MAX_VALUE_BYTES = 65_536
VAULT_FILE = "vault.db"
"""The embedded vault in the state directory."""

SecretState: TypeAlias = Literal["current", "expired", "previous", "deleted", "destroyed"]
"""`expired` is still current and readable: its replacement is overdue. `previous` is readable by its number."""


Progress: TypeAlias = Callable[[int, int], None]
"""Told how many tenants are done, of how many, while a rotation goes on."""


def cas_conflict(key: str, expected: int, current: int) -> WriteConflict:
    """A compare-and-set that failed; 0 stands for no secret of this name."""
    import shlex

    found = f"version {current} is current" if current else "there is none"
    wanted = f"version {expected}" if expected else "no secret of this name"
    hint = f"codespar secrets history {shlex.quote(key)}" if current else "codespar secrets list"
    return WriteConflict(f"`{key}`: expected {wanted}, {found}", hint=hint)


def new_master_key() -> str:
    """32 random bytes, as the master key of a vault is written."""
    import base64

    return "base64:" + base64.b64encode(os.urandom(32)).decode()


class SecretFacts(NamedTuple):
    """One version of one secret, without its value.

    `fingerprint` tells values of one tenant apart and is worth nothing without the master key; None once destroyed.
    `retires_at` is when a previous version stops being readable. `advice` is one line for whoever acted, or None.
    `agents` and `tools` are the globs that the secret is limited to, None where it is not.
    """

    key: str
    tenant: str
    version: int | None
    state: SecretState
    fingerprint: str | None
    created_at: datetime | None
    expires_at: datetime | None
    retires_at: datetime | None
    note: str | None
    advice: str | None = None
    agents: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None


class Secret:
    """A value with its facts. `repr`, `str` and formatting show the facts only; pickling is refused."""

    __slots__ = ("_value", "facts")

    def __init__(self, facts: SecretFacts, value: str) -> None:
        self.facts = facts
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"<Secret {self.facts.key!a} version {self.facts.version}: value hidden>"

    def __reduce__(self) -> str:
        raise TypeError("a secret cannot be pickled")


class RotationReport(NamedTuple):
    """What a rotation of keys did, or would do. `log_emptied` is False when a reader kept retired bytes in the log.

    `costs_raised` says that the passphrase stayed the same and is hashed at today's costs from now on.
    """

    operation: Literal["rewrap", "reencrypt"]
    tenants: int
    data_keys: int
    values: int
    kek_version: int
    new_master_key: bool
    dry_run: bool
    log_emptied: bool
    costs_raised: bool = False


class KeyStatus(NamedTuple):
    """What a vault's keys are like now.

    `master_key` is where the one in force comes from, and `rotation_due` says that it is the previous one. `sealed` is
    how many values the most used data key has sealed, of `may_seal`. `in_grace` are replaced versions that are still
    readable, `next_end` is when the first of them is destroyed. `costs_low` says that the passphrase is hashed at less
    than today's costs, which a rotation raises.
    """

    epoch: int
    kek_version: int
    master_key: str
    passphrase: bool
    rotation_due: bool
    tenants: int
    data_keys: int
    oldest_data_key: datetime | None
    sealed: int
    may_seal: int
    in_grace: int
    next_end: datetime | None
    log_emptied: bool
    costs_low: bool = False


class Destruction(NamedTuple):
    """What `destroy` erased. `log_emptied` is False when a reader was in the way: a later command empties the log."""

    versions: int
    log_emptied: bool


class VaultReport(NamedTuple):
    """What `verify` looked at, and what is worth knowing. `head` is the record's last hash: keep it elsewhere."""

    tenants: int
    secrets: int
    versions: int
    epoch: int
    records: int
    head: str
    warnings: tuple[str, ...]


class SecretReader(Protocol):
    """Raises NotFoundError, VersionRetired, IntegrityError, and the errors of the master key.

    With `call` it is that agent who asks, for that tool: what is not granted to both raises SecretDenied. A backend that
    understands `call` says so with `grants = True`.
    """

    def fetch(
        self, tenant_id: str, key: str, *, version: int | None = None, actor: str, call: ToolCall | None = None
    ) -> Secret: ...

    def describe(
        self, tenant_id: str, key: str, *, version: int | None = None, actor: str, call: ToolCall | None = None
    ) -> SecretFacts: ...

    def entries(self, tenant_id: str, *, actor: str) -> Sequence[SecretFacts]:
        """The newest version of each secret that is not deleted, by name."""
        ...

    def history(self, tenant_id: str, key: str, *, actor: str) -> Sequence[SecretFacts]:
        """Every version, newest first. Raises NotFoundError when there never was one."""
        ...


class SecretWriter(Protocol):
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
        """A new version. `cas` is the number the current one must have, 0 for none: else WriteConflict.

        `agents` and `tools` are globs that every version is limited to from now on; None leaves what was there.
        """
        ...

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
        """A new value for a secret that exists; older versions are destroyed after `grace`."""
        ...

    def delete(self, tenant_id: str, key: str, *, actor: str) -> int:
        """Hide every version; answers how many. Raises NotFoundError."""
        ...

    def undelete(self, tenant_id: str, key: str, *, actor: str) -> int:
        """Bring back what `delete` hid; answers how many versions. Raises NotFoundError."""
        ...

    def destroy(self, tenant_id: str, key: str, *, version: int | None = None, actor: str) -> Destruction:
        """Erase the values of every version, or of one, for good. Raises NotFoundError."""
        ...

    def rollback(self, tenant_id: str, key: str, *, to: int, actor: str) -> SecretFacts:
        """A new version with the value, note and due date of version `to`. Raises NotFoundError, VersionRetired."""
        ...


class SecretGranter(Protocol):
    def grant(
        self,
        tenant_id: str,
        key: str,
        *,
        agents: Sequence[str] | None = None,
        tools: Sequence[str] | None = None,
        actor: str,
    ) -> SecretFacts:
        """Limit every version of a secret to these globs, without a new value; `["**"]` lifts one, None leaves it.

        Answers the current version's facts. Raises NotFoundError, and UsageError for what is no list of globs.
        """
        ...


class VaultKeeper(Protocol):
    def rotate_master(
        self, *, previous: str | None = None, dry_run: bool = False, progress: Progress | None = None, actor: str
    ) -> RotationReport:
        """Wrap every data key anew, under a new KEK version or a new master key.

        The same passphrase is hashed at today's costs afterwards, if it was at less.
        """
        ...

    def rotate_values(
        self, *, previous: str | None = None, dry_run: bool = False, progress: Progress | None = None, actor: str
    ) -> RotationReport:
        """New data keys, every value encrypted again, checked before it counts."""
        ...

    def key_status(self, *, actor: str) -> KeyStatus:
        """What the keys are like; reads no secret."""
        ...

    def verify(self, *, actor: str) -> VaultReport:
        """Check everything there is. Raises IntegrityError at the first thing that is not as it was written."""
        ...
