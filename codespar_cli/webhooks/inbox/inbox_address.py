"""Where the inbox is, without opening it: whoever only looks must not make one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from codespar_cli.core.durations import parse_duration
from codespar_cli.core.services import Services
from codespar_cli.storage.postgres_address import server_url
from codespar_cli.storage.private_files import store_exists
from codespar_cli.webhooks.inbox.store import InboxStore

SQLITE = "sqlite"
RETENTION = "30d"
"""How long deliveries are kept where `[integrations] retention` does not say; never less than the 7 days for which a
provider may send them again."""
_FILE = "inbox.db"


class InboxAddress:
    """A store that is opened when it is first needed. `exists` opens no file; on a server it has to ask."""

    def __init__(
        self, open_store: Callable[[], InboxStore], exists: Callable[[], bool] | None, retention: timedelta
    ) -> None:
        self._open_store = open_store
        self._exists = exists
        self.retention = retention

    @classmethod
    def from_options(cls, options: Mapping[str, Any], services: Services) -> InboxAddress:
        """`store` and `retention` of `[integrations]`, which is `Config.inbox`. Raises ConfigError, MissingExtra."""
        store, retention = options.get("store", SQLITE), parse_duration(options.get("retention", RETENTION))
        if store != SQLITE:
            return cls.postgres(store, services, retention)
        return cls.sqlite(services.state_dir, retention, _file_for(services))

    @classmethod
    def sqlite(cls, state_dir: Path, retention: timedelta, name: str = _FILE) -> InboxAddress:
        def open_store() -> InboxStore:
            from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox

            return SqliteInbox(state_dir, name)

        # What Database.exists asks, too; here it must not import the database.
        return cls(open_store, lambda: store_exists(state_dir / name), retention)

    @classmethod
    def postgres(cls, text: str, services: Services, retention: timedelta) -> InboxAddress:
        """A URL is looked at now; a `secret:` is asked for when the store is first needed. Raises ConfigError."""

        def url() -> str:
            return server_url(text, services.resolve, key="integrations.store", needed_by="`store` in [integrations]")

        def open_store() -> InboxStore:
            from codespar_cli.webhooks.inbox.postgres_inbox import PostgresInbox

            return PostgresInbox(url())

        if not text.startswith("secret:"):
            url()
        return cls(open_store, None, retention)

    @property
    def exists(self) -> bool:
        """Whether there is anything to read. Raises StoreError."""
        return self.store.exists if self._exists is None else self._exists()

    @cached_property
    def store(self) -> InboxStore:
        """Raises ConfigError where a reference has no value."""
        return self._open_store()

    def close(self) -> None:
        """Whatever was opened."""
        if "store" in vars(self):
            self.store.close()


def _file_for(services: Services) -> str:
    """A configuration that was found in a project has an inbox of its own: its routes must not get at deliveries, or at the
    tasks of routes, that are the user's."""
    if services.users_own:
        return _FILE
    digest = hashlib.sha256(str(services.config_dir.absolute()).encode()).hexdigest()
    return f"inbox-{digest[:12]}.db"
