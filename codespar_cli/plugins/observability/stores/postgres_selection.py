"""A `MetricFilter` as PostgreSQL's SQL, and globs as its regular expressions."""

from __future__ import annotations

import re
from typing import Any

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.clock import to_micros
from codespar_cli.plugins.observability.admission import MAX_TEXT, capped, is_tenant, storable
from codespar_cli.plugins.observability.money import to_micro_units
from codespar_cli.plugins.observability.selection import Selection

_SPECIAL = re.compile(r"[.^$*+?()\[\]{}|\\]")
_STARS = re.compile(r"\*+")


def select(wanted: MetricFilter) -> Selection:
    """Conditions on `calls`. Raises ValueError for a minimum that is no amount."""
    terms: list[tuple[str, Any]] = []
    if wanted.since is not None:
        terms.append(("time >= %s", to_micros(wanted.since)))
    if wanted.until is not None:
        terms.append(("time < %s", to_micros(wanted.until)))
    if wanted.errors:
        terms.append(("success = %s", False))
    if wanted.slow_ms is not None:
        terms.append(("latency_ms >= %s", wanted.slow_ms))
    if wanted.min_cost is not None:
        terms.append(("cost >= %s", to_micro_units(wanted.min_cost)))
    return _joined([*terms, *_names(wanted)])


def of_series(wanted: MetricFilter) -> Selection:
    """The same for series, as `s`, of which a filter can only look at names and outcomes."""
    terms = _names(wanted, "s.")
    if wanted.errors:
        terms.append(("s.outcome <> %s", ""))
    return _joined(terms)


def glob_expression(pattern: str) -> str | None:
    """What a glob (`core.globs`) is for `~`; None where no stored name is long enough to match."""
    parts = [part if part == "**" else _STARS.sub("*", part) for part in pattern.split("/")]
    parts = [part for number, part in enumerate(parts) if part != "**" or parts[number - 1 : number] != ["**"]]
    shortest = sum(len(part.replace("*", "")) for part in parts) + sum(part != "**" for part in parts[:-1])
    if shortest > MAX_TEXT:
        return None
    *leading, last = parts
    text = "".join("([^/]*/)*" if part == "**" else f"{_segment(part)}/" for part in leading)
    return f"^{text}{'.*' if last == '**' else _segment(last)}$"


def _segment(part: str) -> str:
    return "[^/]*".join(_SPECIAL.sub(r"\\\g<0>", piece) for piece in part.split("*"))


def _names(wanted: MetricFilter, table: str = "") -> list[tuple[str, Any]]:
    terms: list[tuple[str, Any]] = []
    if wanted.tenant is not None:
        # No row can have any other tenant; NULL equals nothing.
        terms.append((f"{table}tenant = %s", wanted.tenant if is_tenant(wanted.tenant) else None))
    for column, pattern in (("agent", wanted.agent), ("tool", wanted.tool)):
        if pattern is not None and "*" in pattern:
            terms.append((f"{table}{column} ~ %s", glob_expression(storable(pattern))))
        elif pattern is not None:
            terms.append((f"{table}{column} = %s", capped(pattern)))
    return terms


def _joined(terms: list[tuple[str, Any]]) -> Selection:
    return Selection("".join(f" AND {sql}" for sql, _ in terms), tuple(value for _, value in terms))
