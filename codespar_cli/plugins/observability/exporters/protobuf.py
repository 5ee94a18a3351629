"""The wire format of Protocol Buffers, as far as OTLP needs it (protobuf.dev, "Encoding").

A message is the bytes of its fields, one after the other; every function here answers the bytes of one field.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def varint(value: int) -> bytes:
    """A whole number from 0 to 2^64 - 1."""
    if value < 0x80:
        return bytes((value,))
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def data(number: int, content: bytes) -> bytes:
    """Bytes, or a message."""
    return varint(number << 3 | _LENGTH) + varint(len(content)) + content


def text(number: int, content: str) -> bytes:
    return data(number, content.encode("utf-8", "replace"))


def whole(number: int, value: int) -> bytes:
    """An enumeration, a flag, or an int64, which may be negative."""
    return varint(number << 3 | _VARINT) + varint(value & 0xFFFFFFFFFFFFFFFF)


def fixed64(number: int, value: int) -> bytes:
    return varint(number << 3 | _FIXED64) + struct.pack("<Q", value)


def double(number: int, value: float) -> bytes:
    return varint(number << 3 | _FIXED64) + struct.pack("<d", value)


def packed_fixed64(number: int, values: Sequence[int]) -> bytes:
    return data(number, struct.pack(f"<{len(values)}Q", *values))


def packed_doubles(number: int, values: Sequence[float]) -> bytes:
    return data(number, struct.pack(f"<{len(values)}d", *values))


def fields_of(message: bytes) -> Iterable[tuple[int, int | bytes]]:
    """The fields of a message that somebody sent. Raises ValueError for what is none."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _read_varint(message, at)
            yield key >> 3, value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if size is None:
            if kind != _LENGTH:
                raise ValueError("expected a field")
            size, at = _read_varint(message, at)
        if at + size > len(message):
            raise ValueError("expected more bytes")
        yield key >> 3, message[at : at + size]
        at += size


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("expected more bytes")
        value |= (message[at] & 0x7F) << shift
        at += 1
        if not message[at - 1] & 0x80:
            return value, at
    raise ValueError("expected a number of at most 64 bits")
