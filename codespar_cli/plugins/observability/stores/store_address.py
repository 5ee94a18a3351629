"""Where `[observability]` says that calls are kept, without opening it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codespar_cli.core.services import Services

SQLITE = "sqlite"
REMOVING = ("retention", "max_rows", "max_size")
"""The options by which calls are removed."""


def not_honoured(options: Mapping[str, Any], services: Services) -> list[str]:
    """Which of the options by which calls are removed do not count here.

    A configuration that was found in a project removes calls only from a file that lies in that project, links
    followed: any other one holds what its user did elsewhere.
    """
    found = [key for key in REMOVING if options.get(key)]
    if not found or services.users_own:
        return []
    in_project = services.state_dir.resolve().is_relative_to(services.config_dir.resolve())
    return [] if in_project and options.get("store", SQLITE) == SQLITE else found


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
