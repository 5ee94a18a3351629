"""Numbers and times as people read them: with their unit, and never more exact than they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from codespar_cli.core.administration.metrics import money_text
from codespar_cli.core.durations import render_duration

NONE = "–"
"""What is not known, or is not there."""
_SIZES = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


def count(value: float) -> str:
    return f"{value:,.0f}"


def counted(value: int, word: str) -> str:
    """`1 call`, `12,345 calls`."""
    return f"{count(value)} {word}{'' if value == 1 else 's'}"


def brief(value: float) -> str:
    """For an axis: `12`, `1.5k`, `20M`."""
    for size, letter in _SIZES:
        # From where three digits round up to it: 999,999 is 1M, not 1e+03k.
        if value >= size * 0.9995:
            return f"{value / size:.3g}{letter}" if value < size * 999.5 else f"{value:.1e}"
    return f"{value:.3g}"


def axis_time(value: float) -> str:
    """Milliseconds with a short unit: `0.5 µs`, `420 ms`, `2.5 s`, `20 min`, `1.5k h`."""
    for size, unit in ((3_600_000, "h"), (60_000, "min"), (1000, "s"), (0.1, "ms")):
        if value >= size * (2 if size >= 60_000 else 1):
            return f"{brief(value / size if size >= 1 else value)} {unit}"
    return f"{value * 1000:.3g} µs" if value else "0"


def milliseconds(value: float | None) -> str:
    """`0.25 ms`, `420 ms`, `2.3 s`, `3m 20s`."""
    if value is None:
        return NONE
    if 0 < value < 0.0005:
        return "<0.001 ms"
    if value < 999.5:
        return f"{round(float(f'{value:.3g}'), 3):g} ms"
    seconds = value / 1000
    return f"{seconds:.3g} s" if seconds < 119.5 else render_duration(seconds) if seconds < 1e9 else f"{seconds:.1e} s"


def share(part: float | None) -> str:
    """`12.5%`. What is more than nothing is not `0.0%`, and what is less than all is not `100.0%`."""
    if part is None:
        return NONE
    if 0 < part < 0.0005:
        return "<0.1%"
    if 0.9995 <= part < 1:
        return ">99.9%"
    return f"{part:.1%}"


def change(trend: float | None) -> str:
    """`+25%`; ten times as much and more is `×12`."""
    if trend is None:
        return NONE
    if trend >= 9:
        return f"×{brief(trend + 1)}"
    return "±0%" if abs(trend) < 0.005 else f"{trend:+.0%}".replace("-", "−")


def money(amount: Decimal | None) -> str:
    """`1,234.50`; below 1 with the digits that matter there: `0.1235`, `0.000004`."""
    if amount is None:
        return NONE
    if amount == 0 or amount >= 1:
        return f"{amount:,.2f}"
    shown = amount.quantize(Decimal("0.0001")) if amount >= Decimal("0.01") else amount
    return money_text(shown) or NONE


def axis_money(value: float) -> str:
    return brief(value) if value >= 1000 or not value else f"{value:.3g}"


def moment(value: datetime) -> str:
    """`Mon 23 Nov 2026, 13:20`, UTC as everything on the page."""
    return value.astimezone(UTC).strftime("%a %-d %b %Y, %H:%M")


def short_moment(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%-d %b %H:%M")


def period(start: datetime, unit: timedelta) -> str:
    """`Mon 23 Nov, 13:00–14:00`, or for a day `Mon 23 Nov 2026`."""
    if unit >= timedelta(days=1):
        return start.strftime("%a %-d %b %Y")
    return f"{start.strftime('%a %-d %b, %H:%M')}–{(start + unit).strftime('%H:%M')}"
