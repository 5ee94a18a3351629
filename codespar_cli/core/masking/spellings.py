"""How a value may turn up in output: as it is, or as the encodings that programs commonly give it.

A spelling is a byte string that gives the value away. Base64 is told by what is the same whatever stands before and
after: in each of the three alignments the characters that mix in a neighbour's bits are left out.
"""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote, quote_plus

SHORTEST = 4
"""Bytes. What is shorter is in every other line of output: masking it would hide nothing and ruin everything."""
_URL_SAFE = ("", "/", "!'()*", "/:", "*")  # as RFC 3986, paths, JavaScript's encodeURIComponent, whole URLs, forms
_SHORTEST_BROKEN = 12
"""Characters of an encoding that is looked for across the ends of lines, where other text may be joined by chance."""
_BARE_IN_SHELL = re.compile(r"[\t !\"$&'()*,;<>?\[\\\]^`{|}]|^[#~]|(?<=[:=])~")  # what bash puts a backslash before
_IN_DOUBLE_QUOTES = re.compile(r'[\\"$`]')
_ESCAPED_CODE = re.compile(r"\\u[0-9a-f]{4}")
_DOTNET = re.compile(r"[\"'&+<>`]|[^\x00-\x7f]")  # what System.Text.Json escapes besides
_PERCENT = re.compile(r"%[0-9A-F]{2}")


class Spellings(NamedTuple):
    """`whole` as they are; `broken` also with line ends anywhere in them, as encoders write what is long."""

    whole: set[bytes]
    broken: set[bytes]


def spellings(values: Iterable[str]) -> Spellings:
    """Every spelling of these values that is long enough to be masked. A line of a value counts as a value."""
    texts: set[bytes] = set()
    encoded: set[bytes] = set()
    for value in values:
        for part in parts(value):
            if len(part.encode()) >= SHORTEST:
                texts.update(_spelled(part))
                encoded.update(_encoded(part.encode()))
    whole = {spelling for spelling in texts | encoded if len(spelling) >= SHORTEST}
    return Spellings(whole, {spelling for spelling in encoded if len(spelling) >= _SHORTEST_BROKEN})


def parts(value: str) -> set[str]:
    """The value and each line of it."""
    return {value, *(line.strip() for line in value.splitlines())}


def _spelled(text: str) -> Iterator[bytes]:
    for spelled in _as_text(text):
        yield spelled.encode()
    yield repr(text.encode())[2:-1].encode()


def _encoded(data: bytes) -> Iterator[bytes]:
    digits = data.hex().encode()
    yield digits
    yield digits.upper()
    for core in _as_base64(data):
        yield core
        yield core.replace(b"+", b"-").replace(b"/", b"_")


def _as_text(text: str) -> Iterator[str]:
    yield text
    yield text.replace("\n", "\r\n")  # as a terminal shows it
    yield from _as_json(text)
    yield from _as_url(text)
    yield from _in_shell(text)
    yield repr(text)[1:-1]
    yield html.escape(text, quote=False)
    for apostrophe in ("&#x27;", "&#39;", "&apos;"):
        for quotation in ("&quot;", "&#34;"):  # Go and MarkupSafe write numbers
            yield html.escape(text).replace("&#x27;", apostrophe).replace("&quot;", quotation)


def _as_json(text: str) -> Iterator[str]:
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield json.dumps(escaped, ensure_ascii=ascii_only)[1:-1]  # JSON within JSON, as loggers write a body
        yield _DOTNET.sub(lambda character: f"\\u{ord(character[0]):04X}", escaped.replace('\\"', '"'))
        upper = _ESCAPED_CODE.sub(lambda code: "\\u" + code[0][2:].upper(), escaped)
        for found in (escaped, upper):
            yield found
            yield found.replace("/", "\\/")
            yield found.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _as_url(text: str) -> Iterator[str]:
    for safe in _URL_SAFE:
        for quoted in (quote(text, safe=safe), quote_plus(text, safe=safe)):
            yield quoted
            yield _PERCENT.sub(lambda code: code[0].lower(), quoted)


def _in_shell(text: str) -> Iterator[str]:
    yield shlex.quote(text).removeprefix("'").removesuffix("'")
    yield text.replace("'", "'\\''")
    yield _BARE_IN_SHELL.sub(lambda character: "\\" + character[0], text)
    yield _IN_DOUBLE_QUOTES.sub(lambda character: "\\" + character[0], text)
    codes = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\x1b": "\\E"}
    yield "".join(codes.get(character, character) for character in text)  # $'…'
    yield "".join(codes.get(chr(byte), chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}") for byte in text.encode())


def _as_base64(data: bytes) -> Iterator[bytes]:
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data)
        first = (before * 8 + 5) // 6
        last = (before + len(data)) * 8 // 6
        yield encoded[first:last]
