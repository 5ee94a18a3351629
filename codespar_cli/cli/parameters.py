"""Options that several commands share, and how their text becomes values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, TypeVar

import typer

from codespar_cli.core.clock import Clock, parse_moment
from codespar_cli.core.durations import parse_duration
from codespar_cli.core.numerals import parse_decimal, parse_whole
from codespar_cli.errors import UsageError

T = TypeVar("T")


class Output(str, Enum):
    table = "table"
    json = "json"


class StreamOutput(str, Enum):
    table = "table"
    json = "json"
    jsonl = "jsonl"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="table for people, json for programs")]
StreamOption = Annotated[StreamOutput, typer.Option("--output", "-o", help="table, json, or jsonl: a line a record")]
AgentOption = Annotated[str, typer.Option("--agent", help="who calls")]
YesOption = Annotated[bool, typer.Option("--yes", help="do not ask")]


def as_moment(text: str | None, option: str) -> datetime | None:
    """ISO 8601. Raises UsageError naming the option."""
    return _parsed(text, option, parse_moment, "a time such as 2026-11-23T09:00:00Z", hint=f"{option} 2026-11-23")


def as_duration(text: str | None, option: str) -> timedelta | None:
    """`30s`, `10m`. Raises UsageError naming the option."""
    return _parsed(text, option, parse_duration, "a duration such as 30s, 10m, 24h or 7d", hint=f"{option} 10m")


def as_since(text: str | None, option: str, clock: Clock) -> datetime | None:
    """A time, or a duration before now."""
    if text is None:
        return None
    try:
        return clock() - parse_duration(text)
    except (ValueError, OverflowError):
        expected = "a duration such as 10m, or a time such as 2026-11-23T09:00:00Z"
        return _parsed(text, option, parse_moment, expected, hint=f"{option} 2h means two hours ago")


def as_amount(text: str | None, option: str) -> Decimal | None:
    """Money: `0.05`. Raises UsageError naming the option."""
    return _parsed(text, option, parse_decimal, "an amount such as 0.05", hint=f"{option} 0.05")


def as_milliseconds(text: str | None, option: str) -> float | None:
    """`12.5`. Raises UsageError naming the option."""
    expected = "a number of milliseconds such as 12.5"
    return _parsed(text, option, lambda given: float(parse_decimal(given)), expected, hint=f"{option} 12.5")


def as_whole(text: str | None, option: str) -> int | None:
    """`7`. Raises UsageError naming the option."""
    return _parsed(text, option, parse_whole, "a whole number from 0", hint=f"{option} 10")


def _parsed(
    text: str | None, option: str, parse: Callable[[str], T], expected: str, *, hint: str | None = None
) -> T | None:
    if text is None:
        return None
    try:
        return parse(text)
    except (ValueError, OverflowError):
        raise UsageError(f"{option}: expected {expected}, found `{text}`", hint=hint) from None
