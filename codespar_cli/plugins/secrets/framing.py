"""Fields as bytes, each behind its length: `a` + `bc` and `ab` + `c` are never the same bytes.

Everything that is authenticated in a vault (additional data, row digests, manifests, derivation labels) is framed here.
"""

from __future__ import annotations

from struct import Struct
from struct import error as struct_error

FORMAT = 2
"""What is written. Format 1 is still read, and becomes 2 with the next change."""
READABLE_FORMATS = (1, 2)
UNREADABLE = (TypeError, AttributeError, struct_error)
"""What framing raises over a row of a damaged page, which can hold a type that its table does not allow."""

_LENGTH = Struct(">I").pack
_NUMBER = Struct(">q").pack
_NUMBER_FIELD = Struct(">Iq").pack
_NO_FIELD, _MISSING_FIELD = _LENGTH(0), _LENGTH(1) + b"\x00"
_DOMAIN = b"codespar vault 1 "


def framed(*fields: bytes) -> bytes:
    """The fields in order, each behind four bytes of big-endian length."""
    return b"".join([_LENGTH(len(field)) + field for field in fields])


def unframed(data: bytes) -> list[bytes]:
    """The fields that `framed` put together. Raises ValueError for bytes that it never answers."""
    fields, at = [], 0
    while at < len(data):
        start = at + 4
        at = start + int.from_bytes(data[at:start], "big")
        if at > len(data):
            raise ValueError("cut short")
        fields.append(data[start:at])
    return fields


def number(value: int | None) -> bytes:
    """Eight big-endian bytes, two's complement; no bytes at all for None. Raises UNREADABLE."""
    return b"" if value is None else _NUMBER(value)


def optional(data: bytes | None) -> bytes:
    """A missing text and an empty one differ. Raises UNREADABLE."""
    return b"\x00" if data is None else b"\x01" + data


def field(data: bytes) -> bytes:
    """`framed(data)`. This and the next two are for what is framed a hundred thousand times: each step counts there."""
    return _LENGTH(len(data)) + data


def number_field(value: int | None) -> bytes:
    """`framed(number(value))`. Raises UNREADABLE."""
    return _NO_FIELD if value is None else _NUMBER_FIELD(8, value)


def optional_field(data: bytes | None) -> bytes:
    """`framed(optional(data))`. Raises UNREADABLE."""
    return _MISSING_FIELD if data is None else _LENGTH(len(data) + 1) + b"\x01" + data


def label(purpose: str) -> bytes:
    """The first field of everything framed: what the bytes are for, so that none can stand in for another."""
    return _DOMAIN + purpose.encode()
