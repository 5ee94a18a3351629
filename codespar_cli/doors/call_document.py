"""The body of `POST /v1/check`: one tool call as JSON, under the names that `codespar policy check` has for its parts."""

from __future__ import annotations

from typing import Any, NamedTuple

from codespar_cli.core import strict_json
from codespar_cli.core.administration.metric_lines import DEFAULT_AGENT
from codespar_cli.core.hooks import CallContext, Cost, ToolCall
from codespar_cli.core.text import nearest, visible
from codespar_cli.errors import UsageError

MALFORMED = "malformed_call"
_TEXTS = ("agent", "project", "session", "environment", "approval")
_OBJECTS = ("args", "attributes")
_KEYS = frozenset(("tool", "cost", "reserve", *_TEXTS, *_OBJECTS))


class Asked(NamedTuple):
    """`reserve` says that the call will be made: what it may cost is held until its outcome is recorded."""

    call: ToolCall
    reserve: bool


def read_asked(raw: bytes, *, tenant: str) -> Asked:
    """Raises UsageError (`malformed_call`)."""
    found = read_object(raw)
    for key in found:
        if key not in _KEYS:
            close = nearest(key, _KEYS)
            raise malformed(f"unknown key `{visible(key[:60])}`", f"did you mean `{close}`?" if close else None)
    if not isinstance(tool := found.get("tool"), str) or not tool:
        raise malformed("tool: expected the name of a tool")
    texts = {key: _text(found, key) for key in _TEXTS}
    reserve = found.get("reserve", False)
    if type(reserve) is not bool:
        raise malformed("reserve: expected true or false")
    context = CallContext(
        tenant=tenant,
        project=texts["project"],
        session=texts["session"],
        args=_object(found, "args"),
        approval_id=texts["approval"],
        environment=texts["environment"],
        attributes=_object(found, "attributes") or {},
    )
    return Asked(ToolCall(texts["agent"] or DEFAULT_AGENT, tool, _cost(found), context), reserve)


def read_object(raw: bytes) -> dict[str, Any]:
    """Raises UsageError (`malformed_call`)."""
    try:
        found = strict_json.loads(raw)
    except ValueError as error:
        raise malformed(str(error)) from None
    if not isinstance(found, dict):
        raise malformed("expected a JSON object")
    return found


def malformed(message: str, hint: str | None = None) -> UsageError:
    return UsageError(message, code=MALFORMED, hint=hint)


def _text(found: dict[str, Any], key: str) -> str | None:
    value = found.get(key)
    if value is None or (isinstance(value, str) and value):
        return value
    raise malformed(f"{key}: expected a text")


def _object(found: dict[str, Any], key: str) -> dict[str, Any] | None:
    value = found.get(key)
    if value is None or isinstance(value, dict):
        return value
    raise malformed(f"{key}: expected an object")


def _cost(found: dict[str, Any]) -> Cost | None:
    """Whether it is an amount is the policy's to judge: every door has the same answer to that."""
    value = found.get("cost")
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    raise malformed('cost: expected an amount such as "0.10"')
