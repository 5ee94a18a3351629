"""What can be done with a store of secrets beyond handing them out. Backends offer what they can."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol, TypeAlias

MAX_VALUE_BYTES = 65_536

SecretState: TypeAlias = Literal["current", "expired", "previous", "deleted", "destroyed"]
"""`expired` is still current and readable: its replacement is overdue. `previous` is readable by its number."""


def new_master_key() -> str:
    """32 random bytes, as the master key of a vault is written."""
    import base64

    return "base64:" + base64.b64encode(os.urandom(32)).decode()


class SecretFacts(NamedTuple):
    """One version of one secret, without its value.

    `fingerprint` tells values of one tenant apart and is worth nothing without the master key; None once destroyed.
    `retires_at` is when a previous version stops being readable. `advice` is one line for whoever acted, or None.
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
    """What a rotation of keys did, or would do. `log_emptied` is False when a reader kept retired bytes in the log."""

    operation: Literal["rewrap", "reencrypt"]
    tenants: int
    data_keys: int
    values: int
    kek_version: int
    new_master_key: bool
    dry_run: bool
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
    """Raises NotFoundError, VersionRetired, IntegrityError, and the errors of the master key."""

    def fetch(self, tenant_id: str, key: str, *, version: int | None = None, actor: str) -> Secret: ...

    def describe(self, tenant_id: str, key: str, *, version: int | None = None, actor: str) -> SecretFacts: ...

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
        actor: str,
    ) -> SecretFacts:
        """A new version. `cas` is the number the current one must have, 0 for none: else WriteConflict."""
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


class VaultKeeper(Protocol):
    def rotate_master(self, *, previous: str | None = None, dry_run: bool = False, actor: str) -> RotationReport:
        """Wrap every data key anew, under a new KEK version or a new master key."""
        ...

    def rotate_values(self, *, previous: str | None = None, dry_run: bool = False, actor: str) -> RotationReport:
        """New data keys, every value encrypted again, checked before it counts."""
        ...

    def verify(self, *, actor: str) -> VaultReport:
        """Check everything there is. Raises IntegrityError at the first thing that is not as it was written."""
        ...
