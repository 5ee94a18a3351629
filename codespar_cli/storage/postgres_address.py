"""Where a PostgreSQL server is, as plugins.toml says it. A URL may hold a password, and is never shown to anybody."""

from __future__ import annotations

import os
from collections.abc import Callable

from codespar_cli.core.references import unresolved
from codespar_cli.errors import ConfigError, MissingExtra

SCHEMES = ("postgresql://", "postgres://")
REFERENCES = ("env:", "file:", "secret:")


def is_server(text: object) -> bool:
    """Whether this names a server: a URL, or a reference to one."""
    return isinstance(text, str) and text.startswith((*SCHEMES, *REFERENCES))


def server_url(text: str, resolve: Callable[[str], str | None], *, key: str, needed_by: str) -> str:
    """The URL itself, checked as far as no server is needed. Raises ConfigError, MissingExtra; neither shows the URL."""
    import importlib.util

    if importlib.util.find_spec("psycopg") is None:
        raise MissingExtra(needed_by, "postgres")
    url = resolve(text) if text.startswith(REFERENCES) else text
    if url is None or url == "":
        raise unresolved(resolve, text, key=key)
    if not url.startswith(SCHEMES):
        raise ConfigError(f"`{text}` is no postgresql:// URL", key=key)
    if problem := _problem_with(url):
        raise ConfigError(problem, key=key)
    return url


def _problem_with(url: str) -> str | None:
    """Never tells a part of the URL: a password with a `/` or `@` in it is read as a host, a port or a database."""
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict

    try:
        facts = conninfo_to_dict(url)
    except Error:
        return "it is no usable postgresql:// URL"
    hosts, ports, database = (str(facts.get(name) or "") for name in ("host", "port", "dbname"))
    numbers = all(port == "" or (port.isascii() and port.isdecimal()) for port in ports.split(","))
    if not numbers or "@" in database or any("@" in host[1:] for host in hosts.split(",")):
        return "it is no usable postgresql:// URL: special characters in a password are written as `%2F`, `%40`, …"
    # What a service file names would be resolved inside libpq, where nothing can end the wait.
    if facts.get("service") or (os.environ.get("PGSERVICE") and not hosts):
        return "a service file cannot be used, expected the host in the URL"
    return None
