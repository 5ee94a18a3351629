"""What a call costs by the table of prices, where whoever recorded it did not say.

Prices are whole trillionths of a unit: sums over tokens are exact, and a call's cost is rounded once, half to even, to
the millionth that a row can hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from codespar_cli.core.clock import to_micros
from codespar_cli.core.globs import Matcher, compile_glob
from codespar_cli.plugins.observability.admission import StoredRow
from codespar_cli.plugins.observability.costs.options import FINEST, amount_of, moment_of
from codespar_cli.plugins.observability.money import MAX_AMOUNT, MICROS

_PER_MICRO = 10**FINEST // MICROS
_MOST = MAX_AMOUNT * MICROS
_FOREVER = 2**62
_MOST_REMEMBERED = 4096
# Where a row has what a price is about, see `admission.admit`.
_TIME, _AGENT, _TOOL, _COST, _SOURCE, _INPUT, _OUTPUT = 0, 4, 5, 9, 10, 11, 12


class Price(NamedTuple):
    """One entry. Prices in trillionths, None where there is none; `since` and `until` in microseconds."""

    tool: Matcher
    agent: Matcher
    since: int
    until: int
    per_call: int
    per_input_token: int | None
    per_output_token: int | None

    def cost(self, input_tokens: int | None, output_tokens: int | None) -> int | None:
        """Micro-units; None where a number of tokens that has a price is not known, or the sum is beyond all reason."""
        total = self.per_call
        for price, tokens in ((self.per_input_token, input_tokens), (self.per_output_token, output_tokens)):
            if price is None:
                continue
            if tokens is None:
                return None
            total += price * tokens
        micros, rest = divmod(total, _PER_MICRO)
        if 2 * rest > _PER_MICRO or (2 * rest == _PER_MICRO and micros % 2):
            micros += 1
        return micros if micros <= _MOST else None


class PriceTable:
    """The first entry that matches wins. Safe to share between threads."""

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """`entries` as `options.PRICES` lets them pass."""
        self._prices = [_price(entry) for entry in entries]
        self._of_name: dict[tuple[str, str], tuple[Price, ...]] = {}

    def priced(self, row: StoredRow) -> StoredRow:
        """The row with its cost, if it had none and there is a price for it at its own time."""
        if row[_COST] is not None:
            return row
        time = row[_TIME]
        for price in self._named(row[_TOOL], row[_AGENT]):
            if price.since <= time < price.until:
                cost = price.cost(row[_INPUT], row[_OUTPUT])
                # Tokens that nobody counted stay an estimate, whatever exact price they are multiplied with.
                source = "estimated" if row[_SOURCE] == "estimated" else "configured"
                return row if cost is None else (*row[:_COST], cost, source, *row[_SOURCE + 1 :])
        return row

    def _named(self, tool: str, agent: str) -> tuple[Price, ...]:
        key = (tool, agent)
        found = self._of_name.get(key)
        if found is None:
            found = tuple(price for price in self._prices if price.tool(tool) and price.agent(agent))
            if len(self._of_name) >= _MOST_REMEMBERED:
                self._of_name.clear()  # names that agents make up must not grow the table
            self._of_name[key] = found
        return found


def _price(entry: Mapping[str, Any]) -> Price:
    return Price(
        compile_glob(entry["tool"]),
        compile_glob(entry.get("agent", "**")),
        to_micros(moment_of(entry["from"])) if "from" in entry else -_FOREVER,
        to_micros(moment_of(entry["until"])) if "until" in entry else _FOREVER,
        _units(entry.get("per_call")) or 0,
        _units(entry.get("per_input_token")),
        _units(entry.get("per_output_token")),
    )


def _units(value: Any) -> int | None:
    return None if value is None else int(Decimal(amount_of(value)).scaleb(FINEST))
