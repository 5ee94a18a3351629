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
from urllib.parse import quote, quote_plus

SHORTEST = 4
"""Bytes. What is shorter is in every other line of output: masking it would hide nothing and ruin everything."""
_URL_SAFE = ("", "/", "!'()*", "/:", "*")  # as RFC 3986, paths, JavaScript's encodeURIComponent, whole URLs, forms
_BASE64_COLUMNS = (76, 64)  # coreutils and MIME; PEM
_HEX_COLUMNS = 60  # xxd -p
_BARE_IN_SHELL = re.compile(r"[\t !\"$&'()*,;<>?\[\\\]^`{|}]|^[#~]|(?<=[:=])~")  # what bash puts a backslash before
_IN_DOUBLE_QUOTES = re.compile(r'[\\"$`]')
_ESCAPED_CODE = re.compile(r"\\u[0-9a-f]{4}")
_PERCENT = re.compile(r"%[0-9A-F]{2}")


def spellings(values: Iterable[str]) -> set[bytes]:
    """Every spelling of these values that is long enough to be masked. A line of a value counts as a value."""
    found: set[bytes] = set()
    for value in values:
        for part in {value, *(line.strip() for line in value.splitlines())}:
            if len(part.encode()) >= SHORTEST:
                found.update(_spelled(part))
    return {spelling for spelling in found if len(spelling) >= SHORTEST}


def _spelled(text: str) -> Iterator[bytes]:
    for spelled in _as_text(text):
        yield spelled.encode()
    data = text.encode()
    yield repr(data)[2:-1].encode()
    for line in _as_hex(data):
        yield line
        yield line.upper()
    for alphabet in (b"+/", b"-_"):
        for core in _as_base64(data):
            yield core.replace(b"+", alphabet[:1]).replace(b"/", alphabet[1:])


def _as_text(text: str) -> Iterator[str]:
    yield text
    yield text.replace("\n", "\r\n")  # as a terminal shows it
    yield from _as_json(text)
    yield from _as_url(text)
    yield from _in_shell(text)
    yield repr(text)[1:-1]
    yield html.escape(text, quote=False)
    for apostrophe in ("&#x27;", "&#39;", "&apos;"):
        yield html.escape(text).replace("&#x27;", apostrophe)


def _as_json(text: str) -> Iterator[str]:
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
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


def _as_hex(data: bytes) -> Iterator[bytes]:
    digits = data.hex().encode()
    yield digits
    yield from _lines(digits, _HEX_COLUMNS)


def _as_base64(data: bytes) -> Iterator[bytes]:
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data)
        first = (before * 8 + 5) // 6
        last = (before + len(data)) * 8 // 6
        yield encoded[first:last]
        if before == 0:
            for columns in _BASE64_COLUMNS:
                yield from _lines(encoded[:last], columns)


def _lines(encoded: bytes, columns: int) -> Iterator[bytes]:
    """The lines of an encoding that is broken at a column; what is left over counts only when it tells something."""
    if len(encoded) > columns:
        for start in range(0, len(encoded), columns):
            line = encoded[start : start + columns]
            if len(line) >= 2 * SHORTEST:
                yield line
