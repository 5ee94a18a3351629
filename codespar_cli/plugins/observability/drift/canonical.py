"""RFC 8785: one text for a JSON value. 1, 1.0 and 1e0 are the same number, and the order of keys says nothing.

One step beyond the RFC: whole numbers that a double cannot hold keep all their digits, where the RFC leaves them out.
Schemas are full of 9223372036854775807, and a change in its last digit is a change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import rfc8785

MAX_DEPTH = 100
"""How deeply containers may nest in one definition."""

_SAFE_INTEGER = 2**53 - 1
_LAST_BEFORE_SURROGATES = "\ud7ff"
_plain_encoder = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def canonical(value: Any) -> str:
    """The text. Raises ValueError, with a reason in our words, for what has none: NaN, half a surrogate pair, depth."""
    # A text or a truth value by itself is asked for by the million, one for each value of an enum.
    plain = value is None or isinstance(value, str | bool) or _is_plain(value)
    text = _plain_encoder.encode(value) if plain else _spelled(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it holds half a surrogate pair, which is no text") from None
    return text


def _is_plain(value: Any) -> bool:
    """Whether the standard library's encoder, which is fast, writes what the RFC wants.

    It spells fractions its own way, and sorts by code points where the RFC sorts by UTF-16 units.
    """
    plain, level, depth = True, [value], 0
    while level:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                plain = _are_plain_keys(item) and plain
                inner.extend(item.values())
            elif isinstance(item, list | tuple):
                inner.extend(item)
            elif isinstance(item, float):
                plain = False
            elif not (item is None or isinstance(item, str | int)):
                raise ValueError(f"it holds a {type(item).__name__}, which is no JSON value")
        depth += 1
        if depth > MAX_DEPTH + 1:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        level = inner
    return plain


def _are_plain_keys(keys: Iterable[Any]) -> bool:
    plain = True
    for key in keys:
        if not isinstance(key, str):
            raise ValueError("it has a key that is no text")  # noqa: TRY004  one error for what is no JSON
        plain = plain and (key.isascii() or max(key) <= _LAST_BEFORE_SURROGATES)
    return plain


def _spelled(value: Any) -> str:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_scalar(key)}:{_spelled(value[key])}" for key in keys) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_spelled, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, int) and abs(value) > _SAFE_INTEGER:
        return str(value)
    try:
        return rfc8785.dumps(value).decode()
    except rfc8785.FloatDomainError:
        raise ValueError("it holds NaN or an infinity, which is no JSON number") from None
    except rfc8785.CanonicalizationError:
        raise ValueError("it holds half a surrogate pair, which is no text") from None
