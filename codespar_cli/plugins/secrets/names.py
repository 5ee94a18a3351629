"""Tenant and key names: any UTF-8, kept byte for byte. They are never file names and never normalised."""

from __future__ import annotations

from datetime import datetime

from codespar_cli.core.administration.secrets import MAX_VALUE_BYTES
from codespar_cli.core.clock import to_micros
from codespar_cli.errors import UsageError

MAX_NAME_BYTES = 4096
MAX_NOTE_BYTES = 1024


def name_bytes(what: str, text: str) -> bytes:
    """The bytes of a tenant's or key's name. Raises UsageError when it is empty, too long or no UTF-8."""
    data = _utf8(f"the {what} name", text)
    if not data:
        raise UsageError(f"the {what} name is empty", code="invalid_name")
    if len(data) > MAX_NAME_BYTES:
        raise UsageError(
            f"the {what} name is {len(data)} bytes long, at most {MAX_NAME_BYTES} are possible", code="invalid_name"
        )
    return data


def value_bytes(text: str) -> bytes:
    """The bytes of a value; the error never shows them. Raises UsageError when too long or no UTF-8."""
    data = _utf8("the value", text)
    if len(data) > MAX_VALUE_BYTES:
        raise UsageError(
            f"the value is {len(data)} bytes long, at most {MAX_VALUE_BYTES} are possible",
            code="value_too_long",
            hint="keep large material in a file, and the key that encrypts the file here",
        )
    return data


def note_bytes(text: str | None) -> bytes | None:
    if text is None:
        return None
    data = _utf8("the note", text)
    if len(data) > MAX_NOTE_BYTES:
        raise UsageError(f"the note is {len(data)} bytes long, at most {MAX_NOTE_BYTES} are possible")
    return data


def micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def _utf8(what: str, text: str) -> bytes:
    # A program's mistake, and its own callers' values are not repeated either.
    if not isinstance(text, str):
        raise UsageError(f"{what} is not a text: found {type(text).__name__}", code="not_text")
    try:
        return text.encode()
    except UnicodeEncodeError:
        # `from None`: the exception would carry the text.
        raise UsageError(f"{what} is not valid UTF-8", code="invalid_utf8") from None
