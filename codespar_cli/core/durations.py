"""Durations as people write them: `30s`, `10m`, `24h`, `7d`, `500ms`."""

from __future__ import annotations

from codespar_cli.core.light_datetime import timedelta

_MOST_DIGITS = 12
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
EXPECTED = "a duration such as `30s`, `10m`, `24h` or `7d`"


def parse_duration(text: str) -> timedelta:
    """Raises ValueError for anything but a positive whole number and one unit."""
    digits = text.rstrip("msdh")
    unit = _UNITS.get(text[len(digits) :])
    if unit is None or not (digits.isascii() and digits.isdecimal()) or len(digits) > _MOST_DIGITS or int(digits) == 0:
        raise ValueError(f"expected {EXPECTED}, found `{text}`")
    try:
        return int(digits) * unit
    except OverflowError:
        raise ValueError(f"duration `{text}` is too long") from None


def render_duration(seconds: float) -> str:
    """The shortest honest spelling for people: `850ms`, `12s`, `3m 20s`, `5h 2m`, `3d 4h`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    whole = round(seconds)
    for unit, size, below, small in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size}{unit} {rest}{below}" if rest else f"{whole // size}{unit}"
    return f"{whole}s"
