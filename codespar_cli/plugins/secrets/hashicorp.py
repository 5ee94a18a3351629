"""Secrets in HashiCorp Vault or OpenBao: the KV engine, version 2.

Each secret lies at `<mount>/data/<prefix>/<tenant>/<key>` as `{"value": "..."}`, both names spelled with letters, digits
and `_` alone (spelling.py): whatever they hold, they reach nothing else, and no two meet. The server seals, rotates its
keys and keeps the record of who read what; codespar's own audit says nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from codespar_cli.core.administration.secrets import Destruction, Secret, SecretFacts
from codespar_cli.core.clock import Clock
from codespar_cli.core.hidden import Hidden
from codespar_cli.core.hooks import Health
from codespar_cli.core.services import Services
from codespar_cli.errors import CodesparError, NotFoundError, SecretError, VersionRetired, WriteConflict
from codespar_cli.plugins.secrets.hashicorp_engine import Engine
from codespar_cli.plugins.secrets.hashicorp_server import Answer
from codespar_cli.plugins.secrets.hashicorp_versions import Versions, require_short, words_for
from codespar_cli.plugins.secrets.names import name_bytes, note_bytes, value_bytes
from codespar_cli.plugins.secrets.spelling import spelled, unspelled

_FIELD = "value"
_SURROGATES = re.compile("[\ud800-\udfff]")


class HashicorpSecrets:
    """Opens no connection until it is asked; one may be asked by many threads at once.

    Every method raises StoreUnreachable when the server cannot be reached, is sealed or fails, SecretError when it
    refuses, and ConfigError when the token's reference has no value or nothing is mounted. None of it means "there is
    no such secret".
    """

    backend = "hashicorp"
    limits = "the server rotates its own keys, keeps its own record, and knows no grace, fingerprints or grants"
    instead = "codespar secrets set KEY makes a new version, codespar secrets destroy KEY --version N ends an old one"

    def __init__(self, engine: Engine, *, prefix: str, clock: Clock) -> None:
        self._engine = engine
        self._prefix = prefix
        self._clock = clock

    @classmethod
    def from_options(cls, options: Mapping[str, Any], services: Services) -> HashicorpSecrets:
        """Raises ConfigError."""
        return cls(
            Engine.from_options(options, services), prefix=options.get("prefix", "codespar"), clock=services.clock
        )

    @property
    def key_variables(self) -> tuple[str, ...]:
        """The environment variables that open the server: no other program is to be given them."""
        return self._engine.variables

    def close(self) -> None:
        self._engine.close()

    # ── the contract ──

    def get(self, tenant_id: str, key: str) -> str | None:
        answer = self._engine.read("data", self._path(tenant_id, key))
        return None if answer is None or answer.status == 404 else self._value(answer, key)

    def set(self, tenant_id: str, key: str, value: str) -> None:
        held = Hidden(value)
        del value  # a traceback with locals must not show it
        value_bytes(held)
        self._write(tenant_id, key, held, None)

    # ── reading: SecretReader ──

    def fetch(self, tenant_id: str, key: str, *, version: int | None = None, actor: str) -> Secret:
        versions, number = self._wanted(tenant_id, key, version)
        answer = self._engine.read("data", self._path(tenant_id, key), version=number)
        if answer is None or answer.status == 404:  # deleted between the two
            raise _not_found(tenant_id, key, version)
        return Secret(versions.facts(number), self._value(answer, key))

    def describe(self, tenant_id: str, key: str, *, version: int | None = None, actor: str) -> SecretFacts:
        versions, number = self._wanted(tenant_id, key, version)
        return versions.facts(number)

    def entries(self, tenant_id: str, *, actor: str) -> list[SecretFacts]:
        """The newest version of each secret that is not deleted, by name: one request for each."""
        found = []
        for name in self._engine.names(self._folder(tenant_id)):
            key = unspelled(name)
            versions = None if key is None else self._versions(tenant_id, key)
            if versions is not None and versions.state(versions.latest) not in {"deleted", "destroyed"}:
                found.append(versions.facts(versions.latest))
        return sorted(found, key=lambda facts: facts.key)

    def history(self, tenant_id: str, key: str, *, actor: str) -> list[SecretFacts]:
        versions = self._known(tenant_id, key)
        return [versions.facts(number) for number in reversed(versions.numbers)]

    # ── writing: SecretWriter, without `replace` ──

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
        """A new version. The engine counts deleted versions too: `cas=0` means that there never was one.

        The note and the due date are written after it. Where that fails the value stands, and the error says so.
        """
        held = Hidden(value)
        del value
        note_bytes(note)
        require_short(note)
        value_bytes(held)
        row = self._write(tenant_id, key, held, cas)
        number, words = row["version"], {}
        if note is not None or expires_at is not None:
            words = words_for(number, note, expires_at)
            self._annotate(self._path(tenant_id, key), number, words)
        # From the answer alone: a token that may write need not be one that may read.
        metadata = {"current_version": number, "versions": {str(number): row}, "custom_metadata": words}
        return Versions(tenant_id, key, self._clock(), metadata).facts(number)

    def delete(self, tenant_id: str, key: str, *, actor: str) -> int:
        """Hide every version; answers how many. Raises NotFoundError."""
        alive = self._known(tenant_id, key).in_state("current", "expired", "previous")
        if not alive:
            raise _not_found(tenant_id, key)
        return self._mark("delete", tenant_id, key, alive)

    def undelete(self, tenant_id: str, key: str, *, actor: str) -> int:
        """Bring back every version that is hidden and not destroyed; answers how many. Raises NotFoundError."""
        hidden = self._known(tenant_id, key).in_state("deleted")
        if not hidden:
            raise NotFoundError(
                f"tenant `{tenant_id}` has no deleted version of `{key}`", hint=f"codespar secrets history {key}"
            )
        return self._mark("undelete", tenant_id, key, hidden)

    def destroy(self, tenant_id: str, key: str, *, version: int | None = None, actor: str) -> Destruction:
        """Have the server erase the values of every version, or of one. Raises NotFoundError."""
        left = self._known(tenant_id, key).in_state("current", "expired", "previous", "deleted")
        chosen = [number for number in left if version in {None, number}]
        if not chosen:
            raise _not_found(tenant_id, key, version)
        return Destruction(self._mark("destroy", tenant_id, key, chosen), log_emptied=True)

    def rollback(self, tenant_id: str, key: str, *, to: int, actor: str) -> SecretFacts:
        """A new version with what version `to` held. Raises NotFoundError, VersionRetired, WriteConflict."""
        latest = self._known(tenant_id, key).latest
        if to == latest:
            raise WriteConflict(
                f"version {to} of `{key}` is the current one",
                code="already_current",
                hint=f"codespar secrets history {key}",
            )
        old = self.fetch(tenant_id, key, version=to, actor=actor)
        # `cas`: whoever writes in between is not overwritten unseen.
        return self.put(
            tenant_id,
            key,
            old.reveal(),
            expires_at=old.facts.expires_at,
            note=old.facts.note,
            cas=latest,
            actor=actor,
        )

    def health(self) -> Health:
        """Asks the server for its mount, with the token."""
        try:
            self._engine.look()
        except CodesparError as error:
            return Health("error", error.message, error.hint)
        return Health("ok", f"{self._engine.address}, KV version 2 at `{self._engine.mount}`")

    # ── how ──

    def _folder(self, tenant_id: str) -> str:
        return f"{self._prefix}/{spelled(name_bytes('tenant', tenant_id))}"

    def _path(self, tenant_id: str, key: str) -> str:
        return f"{self._folder(tenant_id)}/{spelled(name_bytes('key', key))}"

    def _versions(self, tenant_id: str, key: str) -> Versions | None:
        answer = self._engine.read("metadata", self._path(tenant_id, key))
        if answer is None or answer.status == 404:
            return None
        return Versions(tenant_id, key, self._clock(), answer.data)

    def _known(self, tenant_id: str, key: str) -> Versions:
        versions = self._versions(tenant_id, key)
        if versions is None or not versions.numbers:
            raise _not_found(tenant_id, key)
        return versions

    def _wanted(self, tenant_id: str, key: str, version: int | None) -> tuple[Versions, int]:
        """The number of the version that can be read. Raises NotFoundError, VersionRetired."""
        versions = self._known(tenant_id, key)
        number = versions.latest if version is None else version
        state = versions.state(number)
        if number not in versions.numbers or state == "deleted" or (version is None and state == "destroyed"):
            raise _not_found(tenant_id, key, version)
        if state == "destroyed":
            raise VersionRetired(
                f"version {number} of `{key}` was destroyed", hint=f"see what is left: codespar secrets history {key}"
            )
        return versions, number

    def _write(self, tenant_id: str, key: str, value: Hidden[str], cas: int | None) -> Mapping[str, Any]:
        """What the server tells of the new version. Raises WriteConflict."""
        path = self._path(tenant_id, key)
        options = {} if cas is None else {"options": {"cas": cas}}
        answer = self._engine.write("data", path, Hidden({"data": {_FIELD: value.reveal()}, **options}))
        if any("check-and-set" in error for error in answer.errors):
            if cas is None:  # the engine takes no write that does not say what it replaces
                versions = self._versions(tenant_id, key)
                return self._write(tenant_id, key, value, 0 if versions is None else versions.latest)
            raise WriteConflict(
                f"`{key}` is not what this write expects: "
                + ("there is one already" if cas == 0 else f"its version is not {cas}"),
                hint=f"codespar secrets history {key}",
            )
        row = self._engine.succeeded(answer, path).data
        if not isinstance(row.get("version"), int):
            raise _unexpected(key, "the server wrote it and told no version")
        return row

    def _mark(self, operation: str, tenant_id: str, key: str, numbers: list[int]) -> int:
        path = self._path(tenant_id, key)
        self._engine.succeeded(self._engine.write(operation, path, Hidden({"versions": numbers})), path)
        return len(numbers)

    def _annotate(self, path: str, number: int, words: Mapping[str, str | None]) -> None:
        change: Hidden[dict[str, Any]] = Hidden({"custom_metadata": words})
        try:
            self._engine.succeeded(self._engine.patch("metadata", path, change), path)
        except CodesparError as error:
            raise SecretError(
                f"version {number} was written, but not its note and due date: {error.message}",
                code="note_not_written",
                hint=f"the token needs `patch` on {self._engine.mount}/metadata/{self._prefix}/*",
            ) from None

    @staticmethod
    def _value(answer: Answer, key: str) -> str:
        inner = answer.data.get("data")
        text = inner.get(_FIELD) if isinstance(inner, Mapping) else None
        problem = None
        if not isinstance(text, str):
            problem = f"expected a text under `{_FIELD}`"
        elif not text.isascii() and _SURROGATES.search(text):  # JSON can spell what no UTF-8 can
            problem = "its value is not valid UTF-8"
        if problem is not None:
            del inner, text  # a traceback with locals must not show it
            raise _unexpected(key, problem)
        return str(text)

    def __repr__(self) -> str:
        return f"<HashicorpSecrets at {self._engine.address}, mount {self._engine.mount}>"


def _not_found(tenant_id: str, key: str, version: int | None = None) -> NotFoundError:
    if version is None:
        return NotFoundError(f"tenant `{tenant_id}` has no secret `{key}`", hint="codespar secrets list")
    return NotFoundError(
        f"tenant `{tenant_id}` has no version {version} of `{key}`", hint=f"codespar secrets history {key}"
    )


def _unexpected(key: str, what: str) -> SecretError:
    return SecretError(
        f"`{key}` is not as codespar writes it: {what}",
        code="unexpected_answer",
        hint=f"codespar secrets history {key}",
    )
