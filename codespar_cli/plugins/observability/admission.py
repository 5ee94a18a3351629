"""The boundary: what a metric must be to become a row. Nothing past this file has to doubt a value.

Numbers that would poison a sum are refused. Names are only made storable: what an agent called its tool is evidence,
also when it is a megabyte of surrogates. A tenant's name is no evidence but a boundary: two of them must never become
one, so it is taken as it is or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeAlias

from codespar_cli.core.clock import to_micros
from codespar_cli.core.hooks import CostSource, ToolMetric
from codespar_cli.errors import UsageError
from codespar_cli.plugins.observability.argument_seal import UNKNOWN, Seal, unsealed
from codespar_cli.plugins.observability.money import to_micro_units

StoredRow: TypeAlias = tuple[Any, ...]
"""The columns of `calls` without its id, in their order."""

MAX_TEXT = 256
MAX_LATENCY_MS = 1e12
MAX_TOKENS = 10**12
FIRST_MOMENT = to_micros(datetime.min.replace(tzinfo=UTC))
LAST_MOMENT = to_micros(datetime.max.replace(tzinfo=UTC))
COST_SOURCES: tuple[CostSource, ...] = ("reported", "estimated", "configured", "unknown")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def admit(metric: ToolMetric, now: Callable[[], datetime], seal: Seal = unsealed) -> StoredRow:
    """The row of a metric. `seal` is what is kept of its arguments.

    Raises UsageError (`invalid_metric`) naming the field at fault.
    """
    cost = _cost(metric.cost)
    sealed = UNKNOWN if metric.arguments is None else seal(metric.arguments)
    return (
        _moment(metric.time, now),
        _tenant(metric.tenant),
        _text("project", metric.project),
        _text("session", metric.session),
        _name("agent", metric.agent_id),
        _name("tool", metric.tool_name),
        _latency(metric.latency_ms),
        _flag(metric.success),
        _text("error_type", metric.error_type),
        cost,
        _cost_source(metric.cost_source, known=cost is not None),
        _tokens("input_tokens", metric.input_tokens),
        _tokens("output_tokens", metric.output_tokens),
        _text("decision_id", metric.decision_id),
        _text("server", metric.server),
        sealed.size,
        sealed.digest,
        _tokens("result_bytes", metric.result_bytes),
    )


def refuse(field: str, expected: str) -> NoReturn:
    raise UsageError(f"{field}: expected {expected}", code="invalid_metric")


def _moment(time: object, now: Callable[[], datetime]) -> int:
    if time is None:
        return to_micros(now())
    if not isinstance(time, datetime) or time.utcoffset() is None:
        refuse("time", "a time with its offset from UTC")
    micros = to_micros(time)
    if not FIRST_MOMENT <= micros <= LAST_MOMENT:  # 0001-01-01T00:00+14:00 lies in no year of UTC
        refuse("time", "a time in the years 1 to 9999 of UTC")
    return micros


def _tenant(name: object) -> str:
    if not isinstance(name, str) or not name:
        refuse("tenant", "a name")
    if not is_tenant(name):
        refuse("tenant", f"a name of at most {MAX_TEXT} characters, without NUL or lone surrogates")
    return name


def is_tenant(name: str) -> bool:
    """Whether rows of a tenant of this name can exist."""
    return len(name) <= MAX_TEXT and _UNSTORABLE.search(name) is None


def _name(field: str, text: object) -> str:
    if not isinstance(text, str) or not text:
        refuse(field, "a name")
    return capped(text)


def _text(field: str, text: object) -> str | None:
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        refuse(field, "a text")
    return capped(text)


def capped(text: str) -> str:
    """The name as it is stored, and therefore as it is looked up."""
    if len(text) > MAX_TEXT:
        text = text[: MAX_TEXT - 1] + "…"
    return storable(text)


def storable(text: str) -> str:
    """The text with every NUL and lone surrogate as U+FFFD: what SQLite can hold and a name is looked up by."""
    return _UNSTORABLE.sub("\ufffd", text)


def _latency(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse("latency_ms", "a number of milliseconds")
    if not 0 <= value <= MAX_LATENCY_MS:  # false for NaN as well
        refuse("latency_ms", f"a number of milliseconds from 0 to {MAX_LATENCY_MS:.0e}, found `{value}`")
    return float(value) + 0.0  # no negative zero


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        refuse("success", "true or false")
    return value


def _cost(value: Any) -> int | None:
    if value is None:
        return None
    try:
        return to_micro_units(value)
    except ValueError as error:
        raise UsageError(f"cost: {error}", code="invalid_metric") from None


def _cost_source(source: object, *, known: bool) -> str:
    if source is not None and source not in COST_SOURCES:
        refuse("cost_source", "one of " + ", ".join(f"`{name}`" for name in COST_SOURCES))
    if not known:
        # A price table may come to a cost from tokens that nobody counted: that is to be seen on the row.
        return "estimated" if source == "estimated" else "unknown"
    return "reported" if source is None else str(source)


def _tokens(field: str, value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TOKENS:
        refuse(field, f"a whole number from 0 to {MAX_TOKENS}")
    return value
