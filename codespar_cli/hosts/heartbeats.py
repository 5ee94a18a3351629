"""When each host was last heard of, and what it was told: one small file a host in `hooks/seen` of the state directory.

`hosts status` shows it: a hook that is configured and never fires is the commonest way to be governed by nothing.
"""

from __future__ import annotations

import os

from codespar_cli.core.light_json import dumps, loads
from codespar_cli.core.light_typing import TYPE_CHECKING, NamedTuple
from codespar_cli.hosts.hook_state import hook_directory, replace_file

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

Outcome: TypeAlias = 'Literal["allow", "deny", "refused", "recorded", "neutral"]'
"""`deny` is the policy's, `refused` what could not be judged, `recorded` the end of a call, `neutral` any other event."""

_DIRECTORY = "seen"
_LONGEST = 128
_FREE = ("config",)


class Heartbeat(NamedTuple):
    """The last event of one host. `at` in seconds since the epoch, `took_ms` from the process's start to its answer."""

    host: str
    at: float
    event: str
    tool: str
    outcome: str
    code: str | None
    took_ms: float
    config: str | None
    version: str


def beat(state_dir: str, heartbeat: Heartbeat) -> None:
    """Replace the host's last heartbeat. Raises OSError."""
    values = [
        value[:_LONGEST] if type(value) is str and name not in _FREE else value
        for name, value in zip(heartbeat._fields, heartbeat, strict=True)
    ]
    path = os.path.join(hook_directory(state_dir, _DIRECTORY), heartbeat.host)  # noqa: PTH118
    replace_file(state_dir, path, dumps(values).encode(), _DIRECTORY)


def last_heartbeat(state_dir: str, host: str) -> Heartbeat | None:
    """None when the host was never heard of, or what is there cannot be read."""
    try:
        with open(os.path.join(hook_directory(state_dir, _DIRECTORY), host), "rb") as file:  # noqa: PTH118, PTH123
            return Heartbeat(*loads(file.read(16384).decode()))
    except (OSError, ValueError, TypeError):
        return None
