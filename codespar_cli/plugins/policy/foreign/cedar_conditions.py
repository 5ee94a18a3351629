"""Conditions of a Cedar policy that can never hold: without a schema Cedar loads `when { 5 }`, and errs at every call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from codespar_cli.plugins.policy.foreign.cedar_text import Statement, Token, tokens
from codespar_cli.plugins.policy.language.nodes import Refused

# Longer ones are left to Cedar: what is nested deep enough to exhaust a stack is written with more words than these.
_LONGEST = 500
_VALUES = {"ip": "an IP address", "decimal": "a decimal", "datetime": "a date", "duration": "a duration"}
_NEVER = {
    "Set": "a set",
    "Record": "a record",
    "Var": "an entity or a record",
    **dict.fromkeys(("+", "-", "*", "neg"), "a number"),
    **_VALUES,
}


def check_conditions(statement: Statement, to_json: Callable[[str], str]) -> None:
    """Raises Refused, with the line, for a condition whose outermost part is never true or false."""
    for kind, body in _bodies(statement):
        if not 0 < len(body) <= _LONGEST:
            continue
        text = statement.text[body[0].start : body[-1].start + len(body[-1].text)]
        policy = json.loads(to_json(f"permit(principal, action, resource) when {{ {text} }};"))
        never = _never(policy["staticPolicies"]["policy0"]["conditions"][0]["body"])
        if never is not None:
            line = statement.line + body[0].line - 1
            raise Refused(line, f"`{kind}`: expected a condition, which is true or false, found {never}")


def _bodies(statement: Statement) -> Iterator[tuple[str, list[Token]]]:
    """Each `when` and `unless`, with what stands between its braces."""
    parts = list(tokens(statement.text))
    at = 0
    while at + 1 < len(parts):
        if parts[at].text not in {"when", "unless"} or parts[at + 1].text != "{":
            at += 1
            continue
        depth, end = 1, at + 2
        while end < len(parts) and depth:
            depth += (parts[end].text == "{") - (parts[end].text == "}")
            end += 1
        yield parts[at].text, parts[at + 2 : end - 1]
        at = end


def _never(node: dict[str, Any]) -> str | None:
    """What a part is that can be neither true nor false; None for one that might."""
    ((kind, inner),) = node.items()
    if kind == "Value":
        if isinstance(inner, bool):
            return None
        return "text" if isinstance(inner, str) else "a number" if isinstance(inner, int) else "an entity"
    if kind == "if-then-else":
        return _never(inner["then"]) and _never(inner["else"])
    return _NEVER.get(kind)
