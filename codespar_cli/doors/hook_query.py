"""What may stand behind `/v1/hook/{host}?`: what `codespar hook HOST` takes as options, written once into a host's settings."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl

from codespar_cli.core.text import visible
from codespar_cli.hosts.host_event import MalformedEvent

_KEYS = {"agent": "agent", "project": "project", "env": "environment", "event": "event"}
_LONGEST = 256


class HookQuery(NamedTuple):
    """`event` is the name of the event where the host does not send it."""

    agent: str | None = None
    project: str | None = None
    environment: str | None = None
    event: str | None = None


@lru_cache(maxsize=64)
def read_query(raw: bytes) -> HookQuery:
    """Raises MalformedEvent: an option that is not there must not be taken for one that is not wanted."""
    found: dict[str, str] = {}
    try:
        pairs = (
            parse_qsl(raw.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict") if raw else []
        )
    except ValueError:
        raise MalformedEvent("what stands behind `?` in the URL is no list of options") from None
    for name, value in pairs:
        key = _KEYS.get(name)
        if key is None:
            raise MalformedEvent(f"there is no option `{visible(name[:40])}` in the URL: {', '.join(_KEYS)}")
        if key in found or not 0 < len(value) <= _LONGEST or not value.isprintable():
            raise MalformedEvent(f"option `{name}` in the URL: expected one short text, once")
        found[key] = value
    return HookQuery(**found)
