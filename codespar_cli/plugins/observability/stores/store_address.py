"""Where `[observability]` says that calls are kept, without opening it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codespar_cli.core.services import Services

SQLITE = "sqlite"


def server_of(options: Mapping[str, Any], services: Services) -> Callable[[], str] | None:
    """None for the file; else what answers the server's URL.

    A URL is looked at now; a `secret:` is asked for when the store is first needed. Raises ConfigError, MissingExtra,
    which never show the URL.
    """
    text = options.get("store", SQLITE)
    if text == SQLITE:
        return None

    def url(key: str = "observability.store") -> str:
        from codespar_cli.storage.postgres_address import server_url

        return server_url(text, services.resolve, key=key, needed_by="`store` in [observability]")

    if not text.startswith("secret:"):
        url("store")
    return url
