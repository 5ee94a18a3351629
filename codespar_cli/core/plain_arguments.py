"""A Python call's arguments as a policy reads them: texts, numbers, lists and tables.

A rule compares texts. A `Path`, bytes or a class of one's own below `str` means the same file to the tool, and would
be none of the texts that a rule names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Any

_DEEPEST = 64
_PLAIN = frozenset((str, int, float, bool, type(None)))


def plain_arguments(args: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same arguments, copied. What has no plain form, and what lies deeper than 64 levels, stays what it is.

    Raises whatever an argument's own `__fspath__` or items raise.
    """
    return _table(args, 0) if isinstance(args, Mapping) else args


def _table(value: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
    return {_plain(key, depth) if isinstance(key, str) else key: _plain(one, depth + 1) for key, one in value.items()}


def _plain(value: Any, depth: int) -> Any:
    if type(value) in _PLAIN or depth > _DEEPEST:
        return value
    if isinstance(value, Enum):
        return _plain(value.value, depth + 1)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _text(bytes(value))
    if isinstance(value, os.PathLike):
        return _plain(os.fspath(value), depth + 1)
    if isinstance(value, Mapping):
        return _table(value, depth)
    if isinstance(value, (list, tuple)):
        return [_plain(one, depth + 1) for one in value]
    if isinstance(value, AbstractSet):
        return sorted((_plain(one, depth + 1) for one in value), key=repr)  # a set has no order, a digest needs one
    return _of_own_class(value)


def _of_own_class(value: Any) -> Any:
    """By the class below, whatever its own methods would say of it."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    return float.__float__(value) if isinstance(value, float) else value


def _text(value: bytes) -> str:
    """As the system reads the bytes of a path; no two different ones become the same text."""
    return value.decode("utf-8", "surrogateescape")
