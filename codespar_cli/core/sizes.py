"""Sizes as people write them: `512KiB`, `1MiB`, `25MB`, or a number of bytes."""

from __future__ import annotations

import re

EXPECTED = "a size such as `512KiB`, `1MiB` or `25MiB`"
_PATTERN = re.compile(r"(\d{1,12}) ?(B|kB|KB|MB|GB|KiB|MiB|GiB)?")
_UNITS = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
}


def parse_size(text: str) -> int:
    """Bytes. Raises ValueError for anything but a positive whole number and a unit."""
    match = _PATTERN.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"expected {EXPECTED}, found `{text}`")
    return int(match[1]) * _UNITS[match[2] or "B"]
