"""The gate's own chained record: answers that a broken policy could not record itself. `gate.db` in the state directory."""

from __future__ import annotations

import os

from codespar_cli.core.calls import PolicyDecision, ToolCall
from codespar_cli.storage.chain import CHAIN_SCHEMA, append
from codespar_cli.storage.sqlite import Database, Schema

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

SCHEMA = Schema(application_id=0x43534701, migrations=(CHAIN_SCHEMA,))
_LONGEST = 256


def append_refusal(state_dir: str | os.PathLike[str], at: datetime, call: ToolCall, decision: PolicyDecision) -> None:
    """Append one record. Raises StoreError; the gate counts it."""
    database = Database(os.path.join(state_dir, "gate.db"), SCHEMA)
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
