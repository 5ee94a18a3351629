"""A `MetricFilter` as SQL: conditions on `calls`, with their parameters."""

from __future__ import annotations

from typing import Any, NamedTuple

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.clock import to_micros
from codespar_cli.plugins.observability.admission import capped, is_tenant, storable
from codespar_cli.plugins.observability.money import to_micro_units


class Selection(NamedTuple):
    """`sql` begins with ` AND`, or is empty. Globs call `matches`, which `CallStore.snapshot` defines."""

    sql: str
    parameters: tuple[Any, ...]


def select(wanted: MetricFilter) -> Selection:
    """Raises ValueError for a minimum that is no amount."""
    terms: list[tuple[str, Any]] = []
    if wanted.since is not None:
        # The plus keeps SQLite from walking the index on time: readers walk windows of ids.
        terms.append(("+time >= ?", to_micros(wanted.since)))
    if wanted.until is not None:
        terms.append(("+time < ?", to_micros(wanted.until)))
    if wanted.tenant is not None:
        # No row can have any other tenant; NULL equals nothing.
        terms.append(("tenant = ?", wanted.tenant if is_tenant(wanted.tenant) else None))
    if wanted.errors:
        terms.append(("success = ?", 0))
    if wanted.slow_ms is not None:
        terms.append(("latency_ms >= ?", wanted.slow_ms))
    if wanted.min_cost is not None:
        terms.append(("cost >= ?", to_micro_units(wanted.min_cost)))
    return _joined([*terms, *_names(wanted)])


def of_series(wanted: MetricFilter) -> Selection:
    """The same for the rollup's series, as `s`, of which a filter can only look at names and outcomes."""
    terms = _names(wanted, "s.")
    if wanted.tenant is not None:
        terms.append(("s.tenant = ?", wanted.tenant if is_tenant(wanted.tenant) else None))
    if wanted.errors:
        terms.append(("s.outcome != ?", ""))
    return _joined(terms)


def _names(wanted: MetricFilter, table: str = "") -> list[tuple[str, Any]]:
    terms: list[tuple[str, Any]] = []
    for column, pattern in (("agent", wanted.agent), ("tool", wanted.tool)):
        if pattern is not None and "*" in pattern:
            terms.append((f"matches(?, {table}{column})", storable(pattern)))
        elif pattern is not None:
            terms.append((f"{table}{column} = ?", capped(pattern)))
    return terms


def _joined(terms: list[tuple[str, Any]]) -> Selection:
    return Selection("".join(f" AND {sql}" for sql, _ in terms), tuple(value for _, value in terms))
