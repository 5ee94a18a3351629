"""Numbers as people write them: ASCII digits. Python would also take `1_0`, ` 1 ` and the digits of every script."""

from __future__ import annotations

import re
from decimal import Decimal

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")
_WHOLE = re.compile(r"[0-9]{1,100}")
_LONGEST = 100


def parse_decimal(text: str) -> Decimal:
    """`0.05`, `-3`, `1e-7`: finite and exact. Raises ValueError."""
    if len(text) > _LONGEST or _DECIMAL.fullmatch(text) is None:
        raise ValueError("expected a decimal number")
    return Decimal(text)


def parse_whole(text: str) -> int:
    """`0`, `7`, `12000`. Raises ValueError."""
    if _WHOLE.fullmatch(text) is None:
        raise ValueError("expected a whole number")
    return int(text)
