"""Where a policy's store is, without opening it: a run that counts nothing must not pay for a database."""

from __future__ import annotations

import os

from codespar_cli.core.clock import system_clock
from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.storage.private_files import store_exists

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from codespar_cli.core.services import Services
    from codespar_cli.plugins.policy.stores.store import PolicyStore

SQLITE = "sqlite"
_FILE = "policy.db"


class StoreAddress:
    """A store that is opened when it is first needed. `exists` says whether there is anything to read yet."""

    def __init__(self, open_store: Callable[[], PolicyStore], exists: Callable[[], bool]) -> None:
        self._open_store = open_store
        self._store: PolicyStore | None = None
        self._exists = exists

    @classmethod
    def of(cls, store: PolicyStore) -> StoreAddress:
        return cls(lambda: store, lambda: True)

    @classmethod
    def from_options(cls, options: Mapping[str, Any], services: Services) -> StoreAddress:
        """`store` and `durability` of `[policy]`. Raises ConfigError."""
        store = options.get("store", SQLITE)
        if store != SQLITE:
            return cls.postgres(store, services)
        return cls.sqlite(services.state_dir, options.get("durability", "full"))

    @classmethod
    def postgres(cls, text: str, services: Services) -> StoreAddress:
        """A server's store, whose clock decides unless the process has one of its own (`policy check --at`).

        A URL is looked at now; a `secret:` is asked for when the store is first needed. Raises ConfigError.
        """
        from codespar_cli.storage.postgres_address import server_url

        def url(key: str = "store") -> str:
            return server_url(text, services.resolve, key=key, needed_by="`store` in [policy]")

        def open_store() -> PolicyStore:
            from codespar_cli.plugins.policy.stores.postgres_store import PostgresStore

            return PostgresStore(url("policy.store"), server_clock=services.clock is system_clock)

        if not text.startswith("secret:"):
            url()
        return cls(open_store, lambda: True)

    @classmethod
    def sqlite(
        cls, state_dir: str | os.PathLike[str], durability: str, *, log_pages: int | None = None
    ) -> StoreAddress:
        def open_store() -> PolicyStore:
            from codespar_cli.plugins.policy.stores.sqlite_store import SqliteStore

            return SqliteStore(state_dir, "normal" if durability == "normal" else "full", log_pages=log_pages)

        # What Database.exists asks, too; here it must not import the database.
        return cls(open_store, lambda: store_exists(os.path.join(state_dir, _FILE)))

    @property
    def exists(self) -> bool:
        return self._exists()

    @property
    def store(self) -> PolicyStore:
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def reading(self) -> PolicyStore:
        """The store, or, while there is none, an empty one: looking must not create anything."""
        if self.exists:
            return self.store
        from codespar_cli.plugins.policy.stores.memory_store import MemoryStore

        return MemoryStore()
