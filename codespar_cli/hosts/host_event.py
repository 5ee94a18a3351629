"""One event of any host, under one set of names."""

from __future__ import annotations

from codespar_cli.core.light_typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias

Kind: TypeAlias = 'Literal["before", "after", "failure", "permission", "other"]'

BEFORE: Literal["before"] = "before"
AFTER: Literal["after"] = "after"
FAILURE: Literal["failure"] = "failure"
PERMISSION: Literal["permission"] = "permission"
OTHER: Literal["other"] = "other"

JUDGED = frozenset((BEFORE, PERMISSION))
"""Events that a decision answers."""
ENDED = frozenset((AFTER, FAILURE))
"""Events of a call that is over."""


class MalformedEvent(ValueError):
    """Not an event of this host. The message is one harmless line; `event_name` is the host's, where it could be read."""

    def __init__(self, reason: str, event_name: str | None = None) -> None:
        super().__init__(reason)
        self.event_name = event_name


class HostEvent(NamedTuple):
    """What a host says of one tool call.

    `name` is the host's own word for the event, `tool` its own name of the tool; both stay as they came. `agent` is the
    kind of agent within the host (a subagent's type), `mode` the host's permission mode. `duration_ms` is the tool's own
    time where the host tells it. `error` is a short code and never a message: `tool_error`, `interrupted`, `timeout`,
    `permission_denied`. `result_bytes` is the size of the result as JSON. Of an event that is not about a tool only
    `host`, `kind` and `name` mean anything. `workspaces` are the absolute paths of the folders that are open, of a host that
    may start its hooks elsewhere.
    """

    host: str
    kind: Kind
    name: str
    tool: str = ""
    args: dict[str, Any] = {}  # noqa: RUF012  never changed
    tool_use_id: str | None = None
    session: str | None = None
    cwd: str | None = None
    agent: str | None = None
    mode: str | None = None
    duration_ms: float | None = None
    error: str | None = None
    result_bytes: int | None = None
    workspaces: tuple[str, ...] = ()

    @property
    def canonical(self) -> str:
        """`shell` for `Bash`, `server/tool` for an MCP tool of any spelling, the tool's own name otherwise."""
        from codespar_cli.hosts.tool_alias import canonical_name

        return canonical_name(self.tool)
