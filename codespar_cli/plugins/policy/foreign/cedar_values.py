"""A call as Cedar sees it. What Cedar cannot hold is spelled so that a forbid that asks for it errs, which denies, or
the whole call is refused; nothing is left out. The mapping is told in docs/policy-backends.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from codespar_cli.core.clock import from_micros
from codespar_cli.core.hooks import CallContext
from codespar_cli.plugins.policy.decision.judge import JudgeError
from codespar_cli.plugins.policy.language.money import to_micros

NULL = {"__entity": {"type": "Json", "id": "null"}}
MAX_DEPTH = 32
MAX_CHARACTERS = 1 << 20
_LONG = range(-(2**63), 2**63)
# Under these keys Cedar's JSON would read an entity or a call of a function in what a caller sent.
_ESCAPES = frozenset(("__entity", "__extn", "__expr"))


def record_of(values: Mapping[str, Any] | None, what: str) -> dict[str, Any]:
    """A caller's own mapping. Raises JudgeError."""
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise JudgeError(f"{what} are no table")
    found = _value(values, what, 0)
    assert isinstance(found, dict)
    return found


def context_of(tool: str, cost: str | None, context: CallContext, attributes: Any, args: Any, now: int) -> str:
    """The `context` of a request, as JSON; `tool` is the name as it was called. Raises JudgeError."""
    facts: dict[str, Any] = {
        "tool": tool,
        "tenant": context.tenant,
        "args": args,
        "attributes": attributes,
        "now": _extension("datetime", f"{from_micros(now):%Y-%m-%dT%H:%M:%S}.{now // 1000 % 1000:03d}Z"),
    }
    for name in ("project", "session", "environment"):
        value = getattr(context, name)
        if value is not None:
            facts[name] = value
    if cost is not None:
        # Cedar's decimal ends at four digits after the point, and prices of tokens do not.
        facts["cost"] = cost
        facts["cost_micros"] = to_micros(Decimal(cost))
    text = json.dumps(facts)
    if len(text) > MAX_CHARACTERS:
        raise JudgeError(f"the call is larger than {MAX_CHARACTERS} characters")
    return text


def _value(value: Any, what: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise JudgeError(f"{what} are nested deeper than {MAX_DEPTH} levels")
    if value is None:
        return NULL
    if isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        if value not in _LONG:
            raise JudgeError(f"{what} hold a whole number beyond 64 bits")
        return int(value)
    if isinstance(value, float | Decimal):
        return _number(Decimal(repr(float(value))) if isinstance(value, float) else value, what)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value) or not _ESCAPES.isdisjoint(value):
            raise JudgeError(f"{what} hold a key that Cedar has no place for")
        return {key: _value(item, what, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item, what, depth + 1) for item in value]
    raise JudgeError(f"{what} hold a {type(value).__name__}, which Cedar has no place for")


def _number(value: Decimal, what: str) -> Any:
    """A Long where it is whole, a decimal where that holds all of it, else its text."""
    if not value.is_finite():
        raise JudgeError(f"{what} hold a number that is none")
    size = value.adjusted() if value else 0
    if not -5 < size < 20:
        return str(value)
    if value == int(value):
        whole = int(value)
        if whole not in _LONG:
            raise JudgeError(f"{what} hold a whole number beyond 64 bits")
        return whole
    spelled = f"{value:f}".rstrip("0")
    fits = len(spelled.partition(".")[2]) <= 4 and size < 14
    return _extension("decimal", spelled) if fits else spelled


def _extension(function: str, argument: str) -> dict[str, Any]:
    return {"__extn": {"fn": function, "arg": argument}}
