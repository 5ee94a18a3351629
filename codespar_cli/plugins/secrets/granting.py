"""Changing to whom a secret is granted, inside an act, without a new version of it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from codespar_cli.core.administration.secrets import SecretFacts
from codespar_cli.errors import UsageError
from codespar_cli.plugins.secrets.grants import grant_of, packed
from codespar_cli.plugins.secrets.reading import described, not_found
from codespar_cli.plugins.secrets.revision import TenantDraft
from codespar_cli.plugins.secrets.vault_rows import LIVE
from codespar_cli.plugins.secrets.vault_session import Act

Globs = tuple[Sequence[str] | None, bytes | None]
"""What was given, beside it as packed: giving `**` lifts a limit, giving nothing leaves it."""


class NewLimits(NamedTuple):
    """What a write says about agents and tools, checked."""

    agents: Globs
    tools: Globs


def new_limits(agents: Sequence[str] | None, tools: Sequence[str] | None) -> NewLimits:
    """Raises UsageError."""
    return NewLimits((agents, packed(agents, "agents")), (tools, packed(tools, "tools")))


def limit(draft: TenantDraft, key: bytes, new: NewLimits) -> None:
    """Write what was given, and leave the rest as it is."""
    if new.agents[0] is None and new.tools[0] is None:
        return
    before = draft.access.get(key)
    agents, tools = (None, None) if before is None else (before.agents, before.tools)
    draft.limit(
        key,
        agents if new.agents[0] is None else new.agents[1],
        tools if new.tools[0] is None else new.tools[1],
    )


def change_grant(act: Act, draft: TenantDraft, key: bytes, new: NewLimits) -> SecretFacts:
    """The current version of a secret under its new limits. Raises NotFoundError, and UsageError when none is given."""
    if new.agents[0] is None and new.tools[0] is None:
        raise UsageError(
            "a grant needs agents or tools", hint=f"codespar secrets grant {shlex.quote(key.decode())} --anyone"
        )
    latest = draft.tenant.latest.get(key)
    if latest is None or latest.state != LIVE:
        raise not_found(draft.tenant.row.name.decode(), key.decode())
    (facts,) = described(act, draft.tenant, key, [latest.version])
    limit(draft, key, new)
    grant = grant_of(draft.access[key])
    return facts._replace(agents=grant.agents, tools=grant.tools)
