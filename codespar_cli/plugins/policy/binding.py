"""What an approval is bound to: the SHA-256 of one canonical spelling of the call and the policy (RFC 8785).

Money is spelled as a whole number of millionths, so that `40` and `40.0` are one cost. What RFC 8785 has no spelling for
is told apart from every text: whole numbers beyond 2^53 and decimals become tagged objects.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from codespar_cli.core.text import visible
from codespar_cli.plugins.policy.call import Call
from codespar_cli.plugins.policy.money import to_micros

_EXACT = 2**53 - 1
_DEEPEST = 64
_SHOWN_TEXT = 400
_SHOWN = 4096
# A value under a key that sounds like one of these is not shown to approvers; the digest covers it all the same.
_SECRET_WORDS = ("secret", "password", "passwd", "token", "credential", "authorization", "api_key", "apikey", "private")


def digest_of(call: Call) -> str:
    """Hexadecimal. Raises ValueError when the arguments cannot be told as JSON."""
    import rfc8785

    context = call.context
    facts: dict[str, Any] = {
        "tenant": context.tenant,
        "agent": call.agent,
        "tool": call.tool,
        "args": None if context.args is None else _canonical(context.args, 0),
        "cost": None if call.cost is None else str(to_micros(call.cost)),
        "project": context.project,
        "policy": call.policy.hash,
    }
    try:
        return hashlib.sha256(rfc8785.dumps(facts)).hexdigest()
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise ValueError("the arguments have no canonical JSON") from error


def preview_of(args: Mapping[str, Any] | None) -> str | None:
    """What an approver is shown of the arguments: JSON, cut short, without what sounds secret."""
    if args is None:
        return None
    text = json.dumps(_shown(args, 0), ensure_ascii=False)
    return (
        text if len(text) <= _SHOWN else json.dumps({"…": f"{len(text)} characters of arguments"}, ensure_ascii=False)
    )


def _canonical(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"the arguments are nested deeper than {_DEEPEST} levels")
    if isinstance(value, int) and not -_EXACT <= value <= _EXACT:
        return {"$integer": str(value)}
    if value is None or isinstance(value, str | bool | int | float):
        return value  # 5.0 is spelled as 5: one number in JSON
    if isinstance(value, Decimal):
        return {"$decimal": str(value.normalize())}
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        # A caller's own `$integer` is not ours.
        return {f"${key}" if key.startswith("$") else key: _canonical(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item, depth + 1) for item in value]
    raise ValueError(f"the arguments hold a {type(value).__name__} that JSON has no spelling for")


def _shown(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return {visible(str(key)[:80]): _masked(str(key)) or _shown(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item, depth + 1) for item in value]
    if isinstance(value, str):
        return visible(value[:_SHOWN_TEXT]) + ("…" if len(value) > _SHOWN_TEXT else "")
    return value if value is None or isinstance(value, bool) else str(value) if isinstance(value, Decimal) else value


def _masked(key: str) -> str | None:
    folded = key.lower().replace("-", "_")
    return "(not shown)" if any(word in folded for word in _SECRET_WORDS) else None
