"""Reading a payload nobody vouches for: any path may lead nowhere, any value may be of any type. None means "not there".

Text comes out harmless (no control, bidi or invisible characters) and bounded; links only as http or https.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from codespar_cli.core.clock import EPOCH, parse_moment
from codespar_cli.core.text import clean_block, clean_line

MAX_URL = 2048
MAX_FILES = 300
_MAX_SCANNED = 10_000
_MAX_READ = 1 << 18
_LONGEST_LINE = 1024
_LARGEST = 10**18
_URL = re.compile(
    r"https?://(?P<host>\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>\d{1,5}))?(?:[/?#][^\s<>\"\\`]*)?"
)
_OBJECT = (dict, Mapping)  # in this order: a dict is told five times faster than a Mapping
_DIGITS = re.compile(r"\d{1,16}(\.\d{1,9})?")


def at(value: Any, path: str) -> Any:
    """What lies at `a.b.0.c`, or None. Numbers step into lists."""
    for step in path.split("."):
        if isinstance(value, _OBJECT):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal():
            index = int(step)
            value = value[index] if index < len(value) else None
        else:
            return None
    return value


def first(value: Any, *paths: str) -> Any:
    """The first of these that holds something other than None and empty text."""
    return next((found for path in paths if (found := at(value, path)) not in (None, "")), None)


def table(value: Any, path: str) -> Mapping[str, Any]:
    """The object there, or an empty one."""
    found = at(value, path)
    return found if isinstance(found, _OBJECT) else {}


def items(value: Any, path: str, limit: int = _MAX_SCANNED) -> list[Any]:
    """The list there, or an empty one; never more than `limit` items."""
    found = at(value, path)
    return found[:limit] if isinstance(found, list) else []


def line(value: Any, limit: int = 300) -> str | None:
    """Text or a number as one harmless line; None for everything else and for what is empty afterwards."""
    if isinstance(value, str):
        return clean_line(value, limit) or None
    if isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST:
        return str(value)
    return None


def block(value: Any, limit: int) -> str | None:
    """Text of several lines, harmless, at most `limit` characters."""
    return (clean_block(value, limit) or None) if isinstance(value, str) else None


def last(value: Any, path: str, limit: int) -> list[Any]:
    """The end of the list there, at most `limit` items of it."""
    found = at(value, path)
    return found[-limit:] if isinstance(found, list) else []


def lines(values: Iterable[Any], limit: int = MAX_FILES) -> tuple[str, ...]:
    """Each different line once, in the order found, at most `limit` of them.

    Of what is given, 10,000 values and 262,144 characters are looked at: `values` may go on for megabytes.
    """
    found: dict[str, None] = {}
    left = _MAX_READ
    for value in islice(values, _MAX_SCANNED):
        if not isinstance(value, str):
            continue
        left -= min(len(value), _LONGEST_LINE * 8)
        if left < 0:
            break
        if text := clean_line(value, _LONGEST_LINE):
            found[text] = None
            if len(found) == limit:
                break
    return tuple(found)


def web_url(value: Any) -> str | None:
    """An http or https link with a plain host and without user information, at most 2,048 characters; else None."""
    if not isinstance(value, str) or len(value) > MAX_URL:
        return None
    text = value.strip()
    match = _URL.fullmatch(text)
    if match is None or clean_line(text, MAX_URL) != text:
        return None
    host, port = match["host"], match["port"]
    if not host.startswith("[") and any(not 0 < len(label) <= 63 for label in host.removesuffix(".").split(".")):
        return None
    return text if port is None or 0 < int(port) < 65_536 else None


def moment(value: Any) -> datetime | None:
    """ISO 8601, or seconds since the epoch as a number or as digits, as an aware UTC datetime."""
    try:
        if isinstance(value, str):
            text = value[:64].strip()
            seconds = float(text) if _DIGITS.fullmatch(text) else None
            return parse_moment(text) if seconds is None else _since_epoch(seconds)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _since_epoch(value)
    except (ValueError, OverflowError):
        return None
    return None


def seconds(millis: Any) -> float | None:
    """Milliseconds since the epoch, a number or digits, as the seconds that `moment` takes."""
    if isinstance(millis, str) and _DIGITS.fullmatch(text := millis[:64].strip()):
        return float(text) / 1000
    if isinstance(millis, int | float) and not isinstance(millis, bool) and -_LARGEST < millis < _LARGEST:
        return millis / 1000
    return None


def scalars(value: Mapping[str, Any], *keys: str) -> Iterator[tuple[str, str | int | float | bool]]:
    """Those of the keys that hold a plain value, made harmless."""
    for key in keys:
        found = value.get(key)
        if isinstance(found, int | float) and -_LARGEST < found < _LARGEST:
            yield key, found
        elif (text := line(found, 200)) is not None:
            yield key, text


def _since_epoch(seconds: float) -> datetime | None:
    # Before 2001 or after 2200 it is not seconds but a counter or milliseconds: no time is better than a wrong one.
    if not 10**9 <= seconds < 7_258_118_400:
        return None
    return (EPOCH + timedelta(seconds=seconds)).astimezone(UTC)
