"""The HTTP doors in one process: an application without a server around it, asked as uvicorn would ask it."""

import asyncio
import json
import sys
from pathlib import Path

from codespar_cli.cli.io import Terminal
from codespar_cli.cli.session import Session
from codespar_cli.cli.standing_gate import standing_gate
from codespar_cli.doors.addresses import DoorKeys, doors
from codespar_cli.server.app import App

TOKEN = "0123456789-the-token-of-the-tests"
BEARER = (b"authorization", f"Bearer {TOKEN}".encode())
HOST = (b"host", b"127.0.0.1:8787")
RULES = """version: 1
costs: {"**": "0.10"}
rules:
  - {id: no-writing, effect: deny, tools: ["Write", "write_file", "edit"]}
  - {id: ask-first, effect: approve, tools: ["deploy/**"]}
  - {id: money, effect: budget, limit: "1.00", window: calendar day, per: agent}
  - {id: rest, effect: allow, tools: ["**"]}
"""
PLUGINS = """version = 1
state_dir = "state"
[policy]
backend = "engine"
rules = "policy.yaml"
[observability]
backend = "observer"
[integrations]
active = []
[serve]
token = "env:DOOR_TOKEN"
"""


def written(directory, rules=RULES, plugins=PLUGINS):
    (directory / "plugins.toml").write_text(plugins)
    (directory / "policy.yaml").write_text(rules)
    return directory / "plugins.toml"


def live_gate(directory, *, named=True):
    """The gate of `codespar serve`, whose plugins.toml is named or found in the working directory."""
    terminal = Terminal(sys.stdin, sys.stdout, sys.stderr, color=False)
    return standing_gate(Session(terminal, config_path=str(directory / "plugins.toml") if named else None))


class Doors:
    """Entered, it answers; what was logged is in `said`."""

    def __init__(self, directory, gate, names=(), turns=None):
        self.said = []
        keys = DoorKeys(TOKEN, names)
        state_dir = str(Path(directory) / "user")
        made = doors(gate, keys, tenant="default", state_dir=state_dir, log=self.said.append, turns=turns)
        self.app = App(made.addresses, log=self.said.append, life=[made.life])

    async def __aenter__(self):
        self._alive = self.app.alive()
        await self._alive.__aenter__()
        return self

    async def __aexit__(self, *error):
        return await self._alive.__aexit__(*error)

    async def post(self, path, body, headers=(HOST, BEARER), client="127.0.0.1", hung_up=False):
        """Status and body of the answer; None when nobody was answered."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"content-length", str(len(raw)).encode()), *headers],
            "client": (client, 1),
        }
        arriving = [{"type": "http.request", "body": raw, "more_body": False}]
        sent = []

        async def receive():
            if arriving:
                return arriving.pop()
            if hung_up:
                return {"type": "http.disconnect"}
            return await asyncio.Event().wait()

        async def send(message):
            sent.append(message)

        await self.app(scope, receive, send)
        return (sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])) if sent else None


def pre(tool="Bash", host="claude", use="t1", **args):
    """An event before a call, as this host sends it."""
    args = args or {"command": "ls"}
    if host in {"claude", "codex"}:
        found = {"hook_event_name": "PreToolUse", "tool_name": tool, "tool_input": args, "tool_use_id": use}
    elif host == "cursor":
        found = {"hook_event_name": "preToolUse", "tool_name": tool, "tool_input": args, "tool_use_id": use}
    elif host == "gemini":
        found = {"hook_event_name": "BeforeTool", "tool_name": tool, "tool_input": args}
    else:
        return {"timestamp": 1, "cwd": "/tmp", "toolName": tool, "toolArgs": args}
    return {"session_id": "s1", "conversation_id": "s1", "cwd": "/tmp", **found}


def is_deny(host, body):
    """Whether this host takes it for a no to a call that waits."""
    found = json.loads(body)
    if host in {"claude", "codex"}:
        said = found.get("hookSpecificOutput", {})
        return (
            found.get("decision") == "block"
            or said.get("permissionDecision") == "deny"
            or said.get("decision", {}).get("behavior") == "deny"
        )
    if host == "cursor":
        return found.get("permission") == "deny"
    if host == "gemini":
        return found.get("decision") == "deny"
    return found.get("permissionDecision") == "deny" or found.get("behavior") == "deny"


def is_allow(host, body):
    if host in {"claude", "codex", "copilot"}:
        return body == b""
    return json.loads(body) in ({"permission": "allow"}, {"decision": "allow"})
