"""Whether Codex runs a hook: one that no person has looked at in `/hooks` is skipped, without a word under `codex exec`.

What was trusted stands in the user's config.toml under `hooks.state`, by the hook's place and a digest of its definition.
The digest is the one that Codex 0.169.0 itself answers to `hooks/list`; it is compared here and never written.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codespar_cli.errors import ConfigError
from codespar_cli.hosts.install.entries import Found
from codespar_cli.hosts.install.findings import Finding, error, warning
from codespar_cli.hosts.install.said_settings import toml_settings

_UPPER = re.compile(r"(?<!^)(?=[A-Z])")
_DEFAULT_TIMEOUT_S = 600
_FIX = "start codex, type /hooks, look at the codespar hooks and trust them"


def trust_problems(file: Path, found: list[Found], home: Path, judged: str) -> Iterator[Finding]:
    """For the hooks of `file`, by what `home`/config.toml says. A home that a variable names is resolved, as Codex does."""
    state = _state(home)
    for one in found:
        event, number, place = one.path[1], one.path[2], one.path[-1]
        key = f"{file}:{_snake(str(event))}:{number}:{place}"
        entry = state.get(key)
        trusted = entry.get("trusted_hash") if isinstance(entry, dict) else None
        told = error if event == judged else warning  # what comes after a call decides nothing
        if isinstance(entry, dict) and entry.get("enabled") is False:
            yield told(f"the {event} hook is switched off in Codex", "start codex, type /hooks and switch it on")
        elif trusted is None:
            yield told(f"nobody has trusted the {event} hook in Codex yet, so it is skipped", _FIX)
        elif trusted != definition_digest(str(event), one.group, one.handler):
            yield told(f"the {event} hook is not the one that was trusted in Codex, so it is skipped", _FIX)


def definition_digest(event: str, group: dict[str, Any], handler: dict[str, Any]) -> str:
    """Of one hook, as Codex writes it."""
    timeout = handler.get("timeout", _DEFAULT_TIMEOUT_S)
    known = {
        "type": "command",
        "command": handler.get("command"),
        "timeout": max(int(timeout), 1) if isinstance(timeout, (int, float)) else _DEFAULT_TIMEOUT_S,
        "async": bool(handler.get("async", False)),
    }
    message = handler.get("statusMessage")
    if message is not None:
        known["statusMessage"] = message
    identity: dict[str, Any] = {"event_name": _snake(event), "hooks": [known]}
    if group.get("matcher") is not None:
        identity["matcher"] = group["matcher"]
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _state(home: Path) -> dict[str, Any]:
    try:
        state = toml_settings(home / "config.toml")["hooks"]["state"]
    except (ConfigError, KeyError, TypeError):
        return {}
    return state if isinstance(state, dict) else {}


def _snake(event: str) -> str:
    return _UPPER.sub("_", event).lower()
