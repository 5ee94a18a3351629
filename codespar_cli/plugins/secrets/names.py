"""Tenant and key names: any UTF-8, kept byte for byte. They are never file names and never normalised."""

from __future__ import annotations

from datetime import datetime

from codespar_cli.core.administration.secrets import MAX_VALUE_BYTES
from codespar_cli.core.clock import to_micros
from codespar_cli.core.hidden import Hidden
from codespar_cli.errors import UsageError

MAX_NAME_BYTES = 4096
MAX_NOTE_BYTES = 1024


def name_bytes(what: str, text: str) -> bytes:
    """The bytes of a tenant's or key's name. Raises UsageError when it is empty, too long or no UTF-8."""
    data = _utf8(f"the {what} name", text)
    if not data:
        hint = "see which there are: codespar secrets list"
        if what == "tenant":
            hint = "codespar --tenant default secrets list"
        raise UsageError(
            f"the {what} name is empty, expected 1 to {MAX_NAME_BYTES} bytes", code="invalid_name", hint=hint
        )
    if len(data) > MAX_NAME_BYTES:
        raise UsageError(
            f"the {what} name is {len(data)} bytes long, at most {MAX_NAME_BYTES} are possible",
            code="invalid_name",
            hint="shorten it; what is long belongs into the value: codespar secrets set --help",
        )
    return data


def value_bytes(text: Hidden[str]) -> Hidden[bytes]:
    """The bytes of a value; neither the error nor a frame of it shows them. Raises UsageError when too long or no UTF-8."""
    if not isinstance(text.reveal(), str):
        raise _not_text("the value", text.reveal())
    data = _hidden_utf8(text)
    if data is None:
        raise UsageError("the value is not valid UTF-8", code="invalid_utf8")
    if (size := len(data.reveal())) > MAX_VALUE_BYTES:
        raise UsageError(
            f"the value is {size} bytes long, at most {MAX_VALUE_BYTES} are possible",
            code="value_too_long",
            hint="keep large material in a file, and the key that encrypts the file here",
        )
    return data


def note_bytes(text: str | None) -> bytes | None:
    if text is None:
        return None
    data = _utf8("the note", text)
    if len(data) > MAX_NOTE_BYTES:
        raise UsageError(
            f"the note is {len(data)} bytes long, at most {MAX_NOTE_BYTES} are possible",
            hint="say in it where the long text is: --note 'see the wiki, page Keys'",
        )
    return data


def micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def _hidden_utf8(text: Hidden[str]) -> Hidden[bytes] | None:
    try:
        return Hidden(text.reveal().encode())
    except UnicodeEncodeError:
        return None  # raised from here, an error would bring this one along, and the text with it


def _not_text(what: str, found: object) -> UsageError:
    return UsageError(f"{what} is not a text: found {type(found).__name__}", code="not_text")


def _utf8(what: str, text: str) -> bytes:
    # A program's mistake, and its own callers' values are not repeated either.
    if not isinstance(text, str):
        raise _not_text(what, text)
    try:
        return text.encode()
    except UnicodeEncodeError:
        # `from None`: the exception would carry the text.
        raise UsageError(f"{what} is not valid UTF-8", code="invalid_utf8") from None
