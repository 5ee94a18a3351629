"""Who calls, and which server, as far as the operator says."""

from __future__ import annotations

from typing import NamedTuple


class Identity(NamedTuple):
    """`server` is the first part of its tools' names. Without an `agent` it is the client's own name, else `agent`."""

    server: str
    tenant: str | None = None
    agent: str | None = None
    session: str | None = None
    project: str | None = None
    environment: str | None = None
