"""Any name as letters, digits and `_`, and back: for places that have names of their own and bend what they are given.

ASCII letters and digits stand for themselves, every other byte of the UTF-8 name is `_xx` in lower-case hexadecimal. An
underscore is always followed by two digits, so no two names are spelled alike, and `__`, `/`, `.` and `%` never occur.
"""

from __future__ import annotations

import re

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_SPELLED = re.compile(r"(?:[A-Za-z0-9]|_[0-9a-f]{2})+")
_ESCAPE = re.compile(r"_([0-9a-f]{2})")


def spelled(name: bytes) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"_{byte:02x}" for byte in name)


def unspelled(text: str) -> str | None:
    """The name spelled so; None for what `spelled` never answers, such as another program's entry."""
    if not _SPELLED.fullmatch(text):
        return None
    data = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text).encode("latin-1")
    try:
        name = data.decode()
    except UnicodeDecodeError:
        return None
    return name if spelled(data) == text else None
