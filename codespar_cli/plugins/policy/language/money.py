"""Money: whole millionths inside, `Decimal` at the edge. Never a float: ten times 0.1 is not 1."""

from __future__ import annotations

from decimal import ROUND_CEILING, Context, Decimal, InvalidOperation

from codespar_cli.core.light_cache import lru_cache

MICROS = 1_000_000
_LARGEST_INT = 10**12
LARGEST = Decimal(_LARGEST_INT)
"""The largest amount that is taken: in any currency more than a call can cost, and far within a 64-bit counter."""

EXPECTED = "a number from 0 to 1000000000000"
# Up, so that a cost of more digits than that is not less than it was.
_WIDE = Context(prec=60, rounding=ROUND_CEILING)


def as_amount(cost: object) -> Decimal:
    """A cost as it was given; a float at its shortest repr. Raises ValueError for anything that is no amount of money."""
    # By type, since `__class__` can say anything.
    amount = _held(cost) if issubclass(type(cost), int | float | str | Decimal) else None
    # The comparison comes before any arithmetic: 1e999999999 is a small text and a very large integer.
    if amount is None or not amount.is_finite() or amount < 0 or amount > LARGEST:
        raise ValueError(f"expected {EXPECTED}")
    return amount


def _held(cost: object) -> Decimal | None:
    """What a value of a derived class holds, not what its methods say."""
    if isinstance(cost, int):
        whole = int.__int__(cost)
        return None if isinstance(cost, bool) or not 0 <= whole <= _LARGEST_INT else Decimal(whole)
    if isinstance(cost, Decimal):
        return cost if type(cost) is Decimal else Decimal(cost)
    return _read(float.__repr__(cost) if isinstance(cost, float) else str.__str__(cost))


def _read(text: str) -> Decimal | None:
    # Decimal would also take blanks around, underscores within and the digits of every script.
    if len(text) > 60 or not text.isascii() or "_" in text or text[:1].isspace() or text[-1:].isspace():
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def to_micros(amount: Decimal) -> int:
    """Rounded up to the next millionth: what is held is never less than what may be spent."""
    return int((amount.scaleb(6, _WIDE)).to_integral_value(ROUND_CEILING, _WIDE))


def from_micros(micros: int) -> Decimal:
    return Decimal(micros).scaleb(-6, _WIDE)


def parse_limit(text: str) -> int:
    """A limit of a rule, exact, in millionths. Raises ValueError."""
    expected = 'expected an amount such as "5000.00"'
    body = text.replace(".", "", 1)
    if not (body.isascii() and body.isdecimal() and text[0] != "." and text[-1] != "."):
        raise ValueError(f"{expected}, found `{text[:60]}`")
    amount = Decimal(text)
    if amount > LARGEST:
        raise ValueError(f"{expected}, at most {LARGEST}")
    micros = amount.scaleb(6, _WIDE)
    if micros != micros.to_integral_value():
        raise ValueError(f"{expected}, with at most 6 digits after the point")
    return int(micros)


def plain(micros: int) -> str:
    """`4980.00`, `0.000125`: for programs."""
    return _spelled(micros, "")


@lru_cache(maxsize=1024)
def grouped(micros: int) -> str:
    """`4,980.00`: for people."""
    return _spelled(micros, ",")


def _spelled(micros: int, separator: str) -> str:
    whole, rest = divmod(abs(micros), MICROS)
    cents, dust = divmod(rest, 10_000)
    fraction = f"{rest:06d}".rstrip("0") if dust else f"{cents:02d}"
    sign = "-" if micros < 0 else ""
    return f"{sign}{whole:,}.{fraction}" if separator else f"{sign}{whole}.{fraction}"
