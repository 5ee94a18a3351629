"""The body of a webhook as it came over the wire, and the JSON inside it.

A signature covers the bytes, so the bytes are kept and this is called after they were verified. GitHub sends its JSON
either bare or as the field `payload` of a form (docs.github.com, "Webhook events and payloads": content type).
"""

from __future__ import annotations

from typing import Any

from codespar_cli.core import strict_json

_BOM = b"\xef\xbb\xbf"
_OTHER_UTF = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


def parse_body(raw: bytes) -> Any:
    """The JSON value in a body, bare or form-encoded, with or without a byte order mark.

    Raises:
        ValueError: empty, not UTF-8, or not JSON that every parser reads alike. The message is one line.
    """
    text = decode(raw)
    if text.startswith("payload="):
        from urllib.parse import parse_qs

        fields = parse_qs(text, max_num_fields=16, strict_parsing=False)
        if len(fields.get("payload", ())) != 1:
            raise ValueError("a form without exactly one field `payload`")
        text = fields["payload"][0]
    return strict_json.loads(text)


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
