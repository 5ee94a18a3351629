"""`format`, where a value is plainly not what it says. In doubt a value passes: servers read more than RFCs write.

A date-time without an offset passes (Python's datetime and many servers take it); an unknown format says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]{1,30})?([Zz]|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])?"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f<>\"{}|\\^`]")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_\u0080-\U0010ffff-]{1,63}(?<!-)")
_DURATION = re.compile(
    r"P(?=[0-9T])([0-9]{1,18}W|([0-9]{1,18}Y)?([0-9]{1,18}M)?([0-9]{1,18}D)?"
    r"(T(?=[0-9])([0-9]{1,18}H)?([0-9]{1,18}M)?([0-9]{1,18}(\.[0-9]{1,18})?S)?)?)"
)
_LONGEST = 8192


def _date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None and _parses(date.fromisoformat, text)


def _date_time(text: str) -> bool:
    day, mark, time = text[:10], text[10:11], text[11:]
    return _date(day) and mark in {"T", "t", " "} and bool(mark) and _time_without_seconds(time)


def _time_without_seconds(text: str) -> bool:
    return _TIME.fullmatch(text) is not None or _parses(datetime.fromisoformat, f"2000-01-01T{text}")


def _time(text: str) -> bool:
    return _time_without_seconds(text)


def _email(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    return bool(local and at and domain) and not _BLANK.search(domain) and (local[0] == '"' or " " not in local)


def _uri(text: str) -> bool:
    return _SCHEME.match(text) is not None and _BLANK.search(text) is None


def _hostname(text: str) -> bool:
    labels = text.removesuffix(".").split(".")
    return len(text) <= 253 and all(_LABEL.fullmatch(label) for label in labels)


def _ipv4(text: str) -> bool:
    return _parses(IPv4Address, text)


def _ipv6(text: str) -> bool:
    return "%" not in text and _parses(IPv6Address, text)


def _uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def _duration(text: str) -> bool:
    return _DURATION.fullmatch(text) is not None


def _parses(parse: Callable[[str], Any], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


_FORMATS: dict[str, Callable[[str], bool]] = {
    "date": _date,
    "date-time": _date_time,
    "time": _time,
    "duration": _duration,
    "email": _email,
    "idn-email": _email,
    "uri": _uri,
    "url": _uri,
    "iri": _uri,
    "hostname": _hostname,
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "uuid": _uuid,
}


def breaks_format(name: Any, text: str) -> bool:
    check = _FORMATS.get(name) if isinstance(name, str) else None
    return check is not None and len(text) <= _LONGEST and not check(text)
