"""The gate's own chained record: answers that a broken policy could not record itself. `gate.db` in the state directory."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from codespar_cli.core.hooks import PolicyDecision, ToolCall
from codespar_cli.storage.chain import CHAIN_SCHEMA, append
from codespar_cli.storage.sqlite import Database, Schema

SCHEMA = Schema(application_id=0x43534701, migrations=(CHAIN_SCHEMA,))
_LONGEST = 256


def append_refusal(state_dir: Path, at: datetime, call: ToolCall, decision: PolicyDecision) -> None:
    """Append one record. Raises StoreError; the gate counts it."""
    database = Database(state_dir / "gate.db", SCHEMA)
    body = {
        "tenant": _short(call.context.tenant),
        "tool": _short(call.tool_name),
        "allowed": decision.allowed,
        "code": decision.code,
        "reason": decision.reason,
    }
    try:
        with database.write() as connection:
            append(connection, at=at, kind="refusal", actor=_short(call.agent_id), body=body)
    finally:
        database.close()


def _short(text: object) -> str:
    return str(text).encode("utf-8", "replace").decode()[:_LONGEST]
