"""To whom a secret is granted: globs over agents and tools, kept with the secret or written in `[secrets.grants]`.

Where both are there, both must agree: whoever can edit plugins.toml cannot widen what was sealed into the manifest, and
an old grant in the vault does not widen a newer file. A secret without any grant is for everyone. A program that asks
for itself, without naming a call, is not limited: it holds the master key.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from codespar_cli.core.globs import EXPECTED, is_glob, matches
from codespar_cli.core.hooks import ToolCall
from codespar_cli.core.text import visible
from codespar_cli.errors import SecretDenied, UsageError
from codespar_cli.plugins.secrets.envelope import tampered
from codespar_cli.plugins.secrets.framing import framed, unframed
from codespar_cli.plugins.secrets.vault_rows import AccessRow

MAX_GLOBS_BYTES = 4096
EXAMPLES = {"agents": "billing-*", "tools": "stripe/**"}


class Grant(NamedTuple):
    """Globs that an agent, and a tool, must match one of; None where any will do."""

    agents: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None

    def allows(self, call: ToolCall) -> bool:
        return _matches(self.agents, call.agent_id) and _matches(self.tools, call.tool_name)


ANYONE = Grant()


class ConfiguredGrants:
    """`[secrets.grants]`: globs over key names, each with what its secrets are limited to, for every tenant."""

    def __init__(self, section: Mapping[str, Any]) -> None:
        self._grants = [
            (pattern, Grant(_listed(one, "agents"), _listed(one, "tools"))) for pattern, one in section.items()
        ]

    def of(self, key: str) -> Iterable[Grant]:
        return [grant for pattern, grant in self._grants if matches(pattern, key)]


def grant_of(row: AccessRow | None) -> Grant:
    """What a row says. Raises IntegrityError."""
    return ANYONE if row is None else Grant(_unpacked(row.agents), _unpacked(row.tools))


def require_granted(call: ToolCall, key: str, grants: Iterable[Grant]) -> None:
    """Raises SecretDenied unless every grant allows the call."""
    if all(grant.allows(call) for grant in grants):
        return
    shown = shlex.quote(key)
    agent, tool = visible(str(call.agent_id))[:80], visible(str(call.tool_name))[:80]
    what = f" for tool `{tool}`" if tool else ", which names no tool"
    raise SecretDenied(
        f"secret `{key}` is not granted to agent `{agent}`{what}",
        hint=f"see who it is granted to: codespar secrets get {shown}; "
        f"change it: codespar secrets grant {shown} --agents {EXAMPLES['agents']!r}",
    )


def packed(globs: Sequence[str] | None, what: str) -> bytes | None:
    """Globs as a row keeps them, `**` alone as no limit. Raises UsageError."""
    if globs is None:
        return None
    if isinstance(globs, str):
        raise UsageError(f"{what}: expected a list of globs, found one text", hint=f'{what}=["{EXAMPLES[what]}"]')
    for glob in globs:
        if not is_glob(glob):
            found = f"`{visible(str(glob))[:80]}`" if glob else "an empty one"
            raise UsageError(
                f"{what}: expected {EXPECTED}, found {found}",
                hint=f"--{what} '{EXAMPLES[what]}': * stands for some characters, ** for whole segments",
            )
    if list(globs) == ["**"]:
        return None
    try:
        data = framed(*(glob.encode() for glob in globs))
    except UnicodeEncodeError:
        raise UsageError(
            f"{what}: a glob is not valid UTF-8", code="invalid_utf8", hint=f"--{what} '{EXAMPLES[what]}'"
        ) from None
    if len(data) > MAX_GLOBS_BYTES:
        raise UsageError(
            f"{what}: the globs take {len(data)} bytes, at most {MAX_GLOBS_BYTES} are possible",
            hint=f"fewer and wider ones, such as --{what} '{EXAMPLES[what]}'",
        )
    return data


@lru_cache(maxsize=1024)
def _unpacked(data: bytes | None) -> tuple[str, ...] | None:
    if data is None:
        return None
    try:
        return tuple(glob.decode() for glob in unframed(data))
    except ValueError:  # UnicodeDecodeError is one
        raise tampered("a secret's grants cannot be read") from None


def _matches(globs: tuple[str, ...] | None, name: object) -> bool:
    return globs is None or (isinstance(name, str) and any(matches(glob, name) for glob in globs))


def _listed(one: Mapping[str, Any], what: str) -> tuple[str, ...] | None:
    return tuple(one[what]) if what in one else None
