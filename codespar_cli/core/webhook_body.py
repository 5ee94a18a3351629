"""The body of a webhook as it came over the wire, and the JSON inside it.

A signature covers the bytes, so the bytes are kept and this is called after they were verified. GitHub sends its JSON
either bare or as the field `payload` of a form (docs.github.com, "Webhook events and payloads": content type). Datadog
with "Encode as form" sends each key of its JSON as a field (docs.datadoghq.com, "Webhooks": its example of it is a form
for Twilio).
"""

from __future__ import annotations

import re
from typing import Any

from codespar_cli.core import strict_json

_BOM = b"\xef\xbb\xbf"
# No JSON document begins like this, and no form holds white space.
_FORM = re.compile(r"[A-Za-z_][A-Za-z0-9_.%-]*=[!-%'-~]*(?:&[!-%'-<>-~]+=[!-%'-~]*)*")
_MAX_FIELDS = 200
_OPENS_JSON = frozenset('{["')
_OTHER_UTF = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


def parse_body(raw: bytes) -> Any:
    """The JSON value in a body, bare or form-encoded, with or without a byte order mark; a form's fields otherwise.

    Raises:
        ValueError: empty, not UTF-8, or not JSON that every parser reads alike. The message is one line.
    """
    text = decode(raw)
    if not is_form(text):
        return strict_json.loads(text)
    fields = _fields(text)
    if not text.startswith("payload="):
        return fields
    if not fields["payload"]:
        raise ValueError("a form whose field `payload` is empty")
    return strict_json.loads(fields["payload"])


def is_form(text: str) -> bool:
    """Whether this is a form and not JSON."""
    if text.startswith("payload="):
        return True
    # Counted first: the expression remembers every field, at some sixty bytes for each byte of them.
    return text[:1] not in _OPENS_JSON and text.count("&") < _MAX_FIELDS and _FORM.fullmatch(text) is not None


def _fields(text: str) -> dict[str, str]:
    """Raises ValueError for too many fields, or one given twice: two parsers would not read it alike."""
    from urllib.parse import parse_qsl

    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("a form that is not UTF-8") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a form in which a field is given twice" + (": `payload`" if "payload" in fields else ""))
    return fields


def decode(raw: bytes) -> str:
    """UTF-8 text without its byte order mark or surrounding white space. Raises ValueError."""
    if raw.startswith(_OTHER_UTF) or (raw[:1] != b"\x00" and raw[1:2] == b"\x00"):
        raise ValueError("not UTF-8: this looks like UTF-16 or UTF-32")
    try:
        text = raw.removeprefix(_BOM).decode("utf-8").strip(" \t\r\n")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    if not text:
        raise ValueError("empty")
    return text
