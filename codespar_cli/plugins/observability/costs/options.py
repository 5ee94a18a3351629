"""What `[[observability.prices]]` and `[[observability.budgets]]` may say. Everything wrong is told with its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from codespar_cli.core.globs import EXPECTED as A_GLOB
from codespar_cli.core.globs import is_glob, matches
from codespar_cli.core.numerals import parse_decimal
from codespar_cli.core.options import TEXT, Check, Path, Problem, choice, describe, simple, table
from codespar_cli.core.text import visible

PRICE_KEYS = ("per_call", "per_input_token", "per_output_token")
MAX_PRICE = 10**6
MAX_LIMIT = 10**12
FINEST = 12
"""Digits after the point that a price may have: a token costs as little as a ten millionth."""


def moment_of(value: Any) -> datetime:
    """A TOML date is its beginning in UTC; a time says its offset. Raises ValueError."""
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError("expected an offset from UTC")
        return value.astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise ValueError("expected a date")


def amount_of(value: Any) -> Decimal:
    """A price or a limit: a text such as `0.005`, or a whole number. Raises ValueError."""
    if isinstance(value, str):
        return parse_decimal(value)
    if type(value) is int and abs(value) <= MAX_LIMIT:
        return Decimal(value)
    raise ValueError("expected an amount")


def _amount(expected: str, accepts: Callable[[Decimal], bool]) -> Check:
    def check(value: Any, path: Path) -> Iterator[Problem]:
        try:
            fits = accepts(amount_of(value))
        except ValueError:
            fits = False
        if not fits:
            # What a binary fraction is short for, only a text says exactly.
            hint = f'{path[-1]} = "{value!r}"' if isinstance(value, float) else None
            yield Problem(path, f"expected {expected}, found {_shown(value)}", hint)

    return check


def _shown(value: Any) -> str:
    return f"`{value!r}` without quotes" if isinstance(value, float) else describe(value)


def _is_price(amount: Decimal) -> bool:
    return 0 <= amount <= MAX_PRICE and amount == amount.quantize(Decimal(1).scaleb(-FINEST))


def _moment(value: Any, path: Path) -> Iterator[Problem]:
    try:
        moment_of(value)
    except (ValueError, OverflowError):
        yield Problem(
            path, f"expected a date, or a time with its offset, found {describe(value)}", f"{path[-1]} = 2026-10-01"
        )


_GLOB = simple(A_GLOB, is_glob)
_PRICE = _amount(f'an amount such as "0.005", from 0 to {MAX_PRICE}, with at most {FINEST} decimals', _is_price)
_PRICE_TABLE = table(
    {"tool": _GLOB, "agent": _GLOB, **dict.fromkeys(PRICE_KEYS, _PRICE), "from": _moment, "until": _moment},
    required=("tool",),
)
_BUDGET_TABLE = table(
    {
        "name": TEXT,
        "limit": _amount(
            f'an amount above 0, such as "25.00", up to {MAX_LIMIT}', lambda amount: 0 < amount <= MAX_LIMIT
        ),
        "per": choice("day", "month"),
        "tool": _GLOB,
        "agent": _GLOB,
        "project": _GLOB,
        "tenant": _GLOB,
    },
    required=("name", "limit", "per"),
)


def PRICES(value: Any, path: Path) -> Iterator[Problem]:  # noqa: N802  a check, named as the others are
    """`[[observability.prices]]`. A price that no call can ever have is a mistake, and would be a costly one."""
    if not isinstance(value, list):
        yield Problem(path, f"expected `[[observability.prices]]`, found {describe(value)}")
        return
    sound: list[tuple[int, Mapping[str, Any]]] = []
    for index, entry in enumerate(value):
        place = (*path, index)
        problems = [*_PRICE_TABLE(entry, place), *_price_problems(entry, place)]
        yield from problems
        if problems:
            continue
        for number, earlier in sound:
            if _hides(earlier, entry):
                yield Problem(
                    place,
                    f"no call can have this price: price {number + 1}, for `{visible(earlier['tool'])}`, comes first and "
                    "holds whenever this one does",
                    "put the newer or narrower price above it, or give the other one an `until`",
                )
                break
        sound.append((index, entry))


def _price_problems(entry: Any, place: Path) -> Iterator[Problem]:
    if not isinstance(entry, Mapping):
        return
    if not any(key in entry for key in PRICE_KEYS):
        yield Problem(place, "expected one of " + ", ".join(f"`{key}`" for key in PRICE_KEYS), 'per_call = "0.005"')
    try:
        first, last = moment_of(entry["from"]), moment_of(entry["until"])
    except (KeyError, ValueError, OverflowError):
        return
    if last <= first:
        yield Problem((*place, "until"), "expected a time after `from`")


def _hides(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> bool:
    for key in ("tool", "agent"):
        wide, narrow = earlier.get(key, "**"), later.get(key, "**")
        if wide not in ("**", narrow) and ("*" in narrow or not matches(wide, narrow)):
            return False
    starts_before = "from" not in earlier or (
        "from" in later and moment_of(earlier["from"]) <= moment_of(later["from"])
    )
    ends_after = "until" not in earlier or (
        "until" in later and moment_of(earlier["until"]) >= moment_of(later["until"])
    )
    return starts_before and ends_after


def BUDGETS(value: Any, path: Path) -> Iterator[Problem]:  # noqa: N802  a check, named as the others are
    """`[[observability.budgets]]`."""
    if not isinstance(value, list):
        yield Problem(path, f"expected `[[observability.budgets]]`, found {describe(value)}")
        return
    names: set[str] = set()
    for index, entry in enumerate(value):
        yield from _BUDGET_TABLE(entry, (*path, index))
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if isinstance(name, str):
            if name in names:
                yield Problem((*path, index, "name"), f"`{visible(name[:60])}` is given twice")
            names.add(name)
