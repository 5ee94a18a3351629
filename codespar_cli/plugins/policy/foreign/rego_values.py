"""A call as `input`, and what a policy answers as rules. The mapping is told in docs/policy-backends.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from codespar_cli.core.clock import from_micros, iso
from codespar_cli.core.hooks import CallContext
from codespar_cli.core.text import visible
from codespar_cli.plugins.policy.decision.judge import JudgeError
from codespar_cli.plugins.policy.foreign.foreign_policy import rule_of
from codespar_cli.plugins.policy.language.money import to_micros
from codespar_cli.plugins.policy.language.nodes import Refused
from codespar_cli.plugins.policy.language.patterns import LETTERS_AND_DIGITS
from codespar_cli.plugins.policy.language.rules import Allow, Approve, Deny, Rule

MAX_DEPTH = 32
MAX_CHARACTERS = 1 << 20
_EXACT = range(-(2**63), 2**63)
_ID_CHARACTERS = LETTERS_AND_DIGITS + "_.-"
_LONGEST_REASON = 300
_MOST = 256
_OF_APPROVALS = ("quorum", "approvers", "expires", "allow_self", "reason")


def input_of(agent: str, tool: str, cost: str | None, context: CallContext, now: int) -> dict[str, Any]:
    """All of `input` but `tools`. Raises JudgeError."""
    for what, values in (("the arguments", context.args), ("the attributes", context.attributes)):
        if values is not None and not isinstance(values, Mapping):
            raise JudgeError(f"{what} are no table")
    return {
        "agent": agent,
        "tool": tool,
        "args": {} if context.args is None else _value(context.args, "the arguments", 0),
        "cost": cost,
        "cost_micros": None if cost is None else to_micros(Decimal(cost)),
        "project": context.project,
        "session": context.session,
        "environment": context.environment,
        "tenant": context.tenant,
        "context": _value(context.attributes, "the attributes", 0),
        "now": iso(from_micros(now)),
        "now_ns": now * 1000,
    }


def input_text(facts: Mapping[str, Any], tools: tuple[str, ...]) -> str:
    text = json.dumps({**facts, "tools": tools}, allow_nan=False)
    if len(text) > MAX_CHARACTERS:
        raise JudgeError(f"the call is larger than {MAX_CHARACTERS} characters")
    return text


def denies_in(value: Any) -> tuple[Deny, ...]:
    """Raises JudgeError for what is no answer to `deny`."""
    if value is None or value is False:
        return ()
    if value is True:
        value = ["deny"]
    rules = [_deny(item) for item in _items(value, "deny", "a boolean or a set of ids, sentences or objects")]
    return tuple(sorted(rules, key=lambda rule: (rule.id, rule.reason)))


def approvals_in(value: Any, taken: frozenset[str]) -> tuple[Approve, ...]:
    """Raises JudgeError for what is no answer to `approve`, and for an id that the rules file has."""
    if value is None:
        return ()
    found: dict[str, Approve] = {}
    for item in _items(value, "approve", "a set of ids or objects"):
        rule = _approve(item)
        if rule.id in found or rule.id in taken:
            raise JudgeError(f"`approve` gives `{rule.id}` twice")
        found[rule.id] = rule
    return tuple(found[name] for name in sorted(found))


def allow_in(value: Any) -> Allow | None:
    """Raises JudgeError for what is no answer to `allow`."""
    if value is None or value is False:
        return None
    if value is True:
        return _allow("allow")
    ids = [_id(item, "allow") for item in _items(value, "allow", "a boolean or a set of ids")]
    return _allow(min(ids)) if ids else None


def _items(value: Any, what: str, expected: str) -> list[Any]:
    if not isinstance(value, list):
        raise JudgeError(f"`{what}` is {_kind(value)}, expected {expected}")
    if len(value) > _MOST:
        raise JudgeError(f"`{what}` has more than {_MOST} elements")
    return value


def _deny(item: Any) -> Deny:
    if isinstance(item, str):
        # A name of a rule, or, as Rego policies are used to, a sentence.
        name, reason = (item, "") if _is_id(item) else ("deny", item)
    elif isinstance(item, dict) and item.keys() <= {"id", "reason"} and isinstance(item.get("reason", ""), str):
        name, reason = _id(item.get("id", "deny"), "deny"), item.get("reason", "")
    else:
        raise JudgeError(f"`deny` has {_kind(item)} in it, expected text or an object of `id` and `reason`")
    rule = _rule("deny", name, (("reason", visible(reason[:_LONGEST_REASON])),) if reason else ())
    assert isinstance(rule, Deny)
    return rule


def _approve(item: Any) -> Approve:
    fields = {"id": item} if isinstance(item, str) else item
    if not isinstance(fields, dict) or not fields.keys() <= {"id", *_OF_APPROVALS}:
        raise JudgeError(f"`approve` has {_kind(item)} in it, expected an object of `id`, {', '.join(_OF_APPROVALS)}")
    spelled = tuple((key, _spelled(value, key)) for key, value in fields.items() if key != "id")
    rule = _rule("approve", _id(fields.get("id"), "approve"), spelled)
    assert isinstance(rule, Approve)
    return rule


def _allow(id: str) -> Allow:
    rule = _rule("allow", id, ())
    assert isinstance(rule, Allow)
    return rule


@lru_cache(maxsize=1024)
def _rule(effect: str, id: str, fields: tuple[tuple[str, str | tuple[str, ...]], ...]) -> Rule:
    given = {key: (value if isinstance(value, str) else list(value), 1) for key, value in fields}
    try:
        return rule_of(effect, id, 1, given)
    except Refused as error:
        raise JudgeError(error.message) from None


def _spelled(value: Any, key: str) -> str | tuple[str, ...]:
    kinds: dict[str, type] = {"quorum": int, "allow_self": bool, "approvers": list}
    sound = type(value) is kinds.get(key, str)
    if not sound or (isinstance(value, list) and not all(isinstance(name, str) for name in value)):
        raise JudgeError(f"`approve`: {key} is {_kind(value)}")
    if isinstance(value, bool):
        return "true" if value else "false"
    return tuple(value) if isinstance(value, list) else str(value)


def _id(value: Any, what: str) -> str:
    if not isinstance(value, str) or not _is_id(value):
        raise JudgeError(f"`{what}` names a rule by {_kind(value)}, expected letters, digits and `_.-`, at most 64")
    return value


def _is_id(text: str) -> bool:
    return 0 < len(text) <= 64 and text[0] not in "_.-" and not text.strip(_ID_CHARACTERS)


def _kind(value: Any) -> str:
    """Never the value: it may be an argument, and an argument may be a secret."""
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a set", dict: "an object"}
    return names.get(type(value), "nothing")


def _value(value: Any, what: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise JudgeError(f"{what} are nested deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        if value not in _EXACT:
            raise JudgeError(f"{what} hold a whole number beyond 64 bits")
        return int(value)
    if isinstance(value, float | Decimal):
        return _number(value, what)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise JudgeError(f"{what} hold a key that is no text")
        return {key: _value(item, what, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item, what, depth + 1) for item in value]
    raise JudgeError(f"{what} hold a {type(value).__name__}, which Rego has no place for")


def _number(value: float | Decimal, what: str) -> int | float:
    exact = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    if not exact.is_finite():
        raise JudgeError(f"{what} hold a number that is none")
    if abs(exact.adjusted()) < 20 and exact == int(exact):
        if int(exact) not in _EXACT:
            raise JudgeError(f"{what} hold a whole number beyond 64 bits")
        return int(exact)
    if Decimal(repr(float(exact))) != exact or abs(exact.adjusted()) > 300:
        raise JudgeError(f"{what} hold a number with more digits than Rego keeps")
    return float(exact)
