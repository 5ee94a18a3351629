"""What an approval is bound to: the SHA-256 of one canonical spelling of the call and the policy (RFC 8785).

Numbers that are equal are one number: `40` and `40.0` are one cost. What RFC 8785 has no spelling for is told apart from
every text: whole numbers beyond 2^53 and decimals become tagged objects.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal

from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.plugins.policy.decision.call import Call

if TYPE_CHECKING:
    from typing import Any

_EXACT = 2**53 - 1
_DEEPEST = 64
_MOST_VALUES = 100_000
_MOST_BITS = 8192


def digest_of(call: Call) -> str:
    """Hexadecimal. Raises ValueError when the arguments cannot be told as JSON."""
    import rfc8785

    context = call.context
    facts: dict[str, Any] = {
        "tenant": context.tenant,
        "agent": call.agent,
        "tool": call.tool,
        "args": None if context.args is None else _Canonical().spelled(context.args, 0),
        "cost": None if call.cost is None else _exactly(call.cost),
        "project": context.project,
        "policy": call.policy.hash,
    }
    if context.environment is not None:
        # Rules ask for it, so a yes to staging must not be a yes to production.
        facts["environment"] = context.environment
    if isinstance(directory := context.attributes.get("cwd"), str):
        # The same words do something else somewhere else: `rm -rf build`.
        facts["cwd"] = directory
    try:
        return hashlib.sha256(rfc8785.dumps(facts)).hexdigest()
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise ValueError("the arguments hold text that is not Unicode, or a number that is none") from error


class _Canonical:
    """Counts as it goes: a value that holds itself many times over is small in memory and endless on paper."""

    def __init__(self) -> None:
        self._left = _MOST_VALUES

    def spelled(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"the arguments hold more than {_MOST_VALUES} values")
        if depth > _DEEPEST:
            raise ValueError(f"the arguments are nested deeper than {_DEEPEST} levels")
        if value is None or isinstance(value, str | bool | float):
            return value  # 5.0 is spelled as 5: one number in JSON
        if isinstance(value, int):
            return value if -_EXACT <= value <= _EXACT else {"$integer": _digits(value)}
        if isinstance(value, Decimal):
            return {"$decimal": _exactly(value)}
        if isinstance(value, Mapping):
            # A caller's own `$integer` is not ours.
            return {_key(key): self.spelled(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.spelled(item, depth + 1) for item in value]
        raise ValueError(f"the arguments hold a {type(value).__name__}, which JSON has no spelling for")


def _key(key: object) -> str:
    if isinstance(key, str):
        return f"${key}" if key.startswith("$") else key
    raise ValueError(f"the arguments hold a key that is no text but a {type(key).__name__}")


def _digits(number: int) -> str:
    if number.bit_length() > _MOST_BITS:
        raise ValueError(f"the arguments hold a whole number of more than {_MOST_BITS} bits")
    return str(number)


def _exactly(number: Decimal) -> str:
    """Digits and exponent, without trailing zeros. `normalize()` would round to the precision of the thread."""
    sign, digits, exponent = number.as_tuple()
    if isinstance(exponent, str):  # n, N or F: no number, or an infinite one
        raise ValueError("the arguments hold a number that is none")  # noqa: TRY004
    text = "".join(map(str, digits)).lstrip("0")
    bare = text.rstrip("0")
    if not bare:
        return "0"
    return f"{'-' if sign else ''}{bare}e{exponent + len(text) - len(bare)}"
