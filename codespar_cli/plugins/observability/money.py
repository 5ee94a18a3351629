"""Money as whole micro-units, which sum exactly, and as `Decimal` for everybody else."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

from codespar_cli.core.hooks import Cost
from codespar_cli.core.numerals import parse_decimal

MICROS = 1_000_000
MAX_AMOUNT = 1_000_000_000
# Own context: what a program sets on its thread (precision, traps) must not change what is stored.
_CONTEXT = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[])
_MICRO = Decimal(1).scaleb(-6)


def to_micro_units(amount: Cost) -> int:
    """Exact to a millionth; finer amounts are rounded half to even, a float is taken at its shortest repr.

    Raises:
        ValueError: not a number, not finite, negative, or above a billion.
    """
    value = _decimal(amount)
    if not value.is_finite():
        raise ValueError("expected a finite amount")
    if value.is_signed() and value != 0:
        raise ValueError(f"expected an amount of at least 0, found `{str(value)[:60]}`")
    if value > MAX_AMOUNT:
        raise ValueError(f"expected an amount of at most {MAX_AMOUNT}")
    return int(value.quantize(_MICRO, context=_CONTEXT).scaleb(6, context=_CONTEXT))


def from_micro_units(micros: int | None) -> Decimal | None:
    return None if micros is None else Decimal(micros).scaleb(-6, context=_CONTEXT)


def _decimal(amount: Cost) -> Decimal:
    match amount:
        case bool():
            raise ValueError("expected an amount, found a boolean")
        case Decimal():
            return amount
        case float():
            return Decimal(repr(float(amount)))
        case int():
            # An int of any size is an amount, but not worth the quadratic conversion.
            return Decimal(amount) if abs(amount) <= MAX_AMOUNT else Decimal(2 * MAX_AMOUNT if amount > 0 else -1)
        case str():
            return _written(amount)
        case _:
            raise ValueError("expected an amount")


def _written(text: str) -> Decimal:
    try:
        return parse_decimal(text)
    except ValueError:
        raise ValueError(f"expected an amount such as 0.05, found `{text[:60]}`") from None
