"""A filter as conditions of a query, for both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, LiteralString, NamedTuple

from codespar_cli.core.clock import to_micros
from codespar_cli.core.globs import compile_glob
from codespar_cli.webhooks.inbox.delivery import Filter
from codespar_cli.webhooks.inbox.inbox_rows import damaged, is_number, storable

EVENT_TYPES: LiteralString = (
    "WITH RECURSIVE type (name) AS (SELECT min(event_type) FROM delivery WHERE event_type IS NOT NULL UNION ALL"
    " SELECT (SELECT min(event_type) FROM delivery WHERE event_type > type.name) FROM type WHERE type.name IS NOT NULL)"
    " SELECT name FROM type WHERE name IS NOT NULL"
)
"""Every event type that there is, in as many steps through the index as there are types."""


class Dialect(NamedTuple):
    """How a column is compared with any of many values, and what those are bound as. `rare` repeats the condition of the
    index over rare statuses, where the planner has to see it."""

    among: LiteralString
    many: Callable[[list[Any]], Any]
    rare: LiteralString = ""


class Conditions(NamedTuple):
    where: LiteralString
    parameters: list[Any]


def conditions(filter: Filter, dialect: Dialect, event_types: Callable[[], Iterable[Any]]) -> Conditions:
    """With `?` for each parameter. `event_types` is asked only for a glob that has a star."""
    found: list[LiteralString] = []
    parameters: list[Any] = []

    def add(condition: LiteralString, value: Any) -> None:
        found.append(condition)
        parameters.append(value)

    if filter.ids:
        add(f"delivery.id {dialect.among}", dialect.many([number for number in filter.ids if is_number(number)]))
    if filter.tenant is not None:
        add("delivery.tenant = ?", storable(filter.tenant))
    if filter.provider is not None:
        add("delivery.provider = ?", storable(filter.provider))
    if filter.event is not None:
        add(f"delivery.event_type {dialect.among}", dialect.many(_matching(filter.event, event_types)))
    if filter.status is not None:
        add("delivery.status = ?", filter.status)
        if dialect.rare and filter.status in {"failed", "dead", "suspected_replay"}:
            found.append(dialect.rare)
    if filter.since is not None:
        add("delivery.received_at >= ?", to_micros(filter.since))
    if filter.until is not None:
        add("delivery.received_at < ?", to_micros(filter.until))
    return Conditions(" AND ".join(found) or "true", parameters)


def _matching(glob: str, event_types: Callable[[], Iterable[Any]]) -> list[str]:
    if "*" not in glob:
        return [storable(glob)]
    matches = compile_glob(glob)
    types = list(event_types())
    if not all(type(name) is str for name in types):
        raise damaged("an event type is unreadable")
    return [name for name in types if matches(name)]
