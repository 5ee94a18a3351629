"""Calls from a file: JSON lines, or one JSON array. What is no call is named with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from codespar_cli.core.administration.tool_checks import ObservedCall
from codespar_cli.core.strict_json import MAX_DEPTH, loads
from codespar_cli.errors import UsageError
from codespar_cli.plugins.observability.checks.call_reading import read_call

MAX_LINE_BYTES = 4 << 20
MAX_ARRAY_BYTES = 64 << 20
_NEST = 4  # what stands around the arguments: an array, a call, a function
_PLACE = re.compile(r" at line 1 (?=column [0-9]+$)")
_LINE = re.compile(r" at line ([0-9]+)(?= column [0-9]+$)")
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_calls(stream: BinaryIO, name: str) -> Iterator[ObservedCall]:
    """The calls in their order, read as they are asked for. Raises UsageError (`invalid_call`) with file and line."""
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number == 1 and line.startswith(_UTF16_MARKS):
            hint = "iconv -f UTF-16 -t UTF-8 FILE > CALLS.jsonl"
            raise UsageError("UTF-16, expected UTF-8", code="invalid_call", file=name, line=1, hint=hint)
        text = line.strip().removeprefix(_UTF8_MARK).strip() if number == 1 else line.strip()
        if not text:
            continue
        if text.startswith(b"["):
            yield from _of_array(line + stream.read(MAX_ARRAY_BYTES + 1), name, number)
            return
        if len(line) > MAX_LINE_BYTES:
            raise _refused(f"line is longer than {MAX_LINE_BYTES} bytes", name, number)
        try:
            value = loads(text, max_depth=MAX_DEPTH + _NEST)
        except ValueError as error:
            raise _refused(_PLACE.sub(" at ", str(error)), name, number) from None
        yield _call(value, name, number, "")


def _of_array(data: bytes, name: str, first_line: int) -> Iterator[ObservedCall]:
    if len(data) > MAX_ARRAY_BYTES:
        raise _refused(f"an array longer than {MAX_ARRAY_BYTES} bytes: write one call a line", name, first_line)
    try:
        values = loads(data, max_depth=MAX_DEPTH + _NEST + 1)
    except ValueError as error:
        place = _LINE.search(str(error))
        line = first_line + int(place[1]) - 1 if place else first_line
        raise _refused(_LINE.sub(" at", str(error)), name, line) from None
    for index, value in enumerate(values):
        yield _call(value, name, first_line, f"call {index}: ")


def _call(value: Any, name: str, line: int, where: str) -> ObservedCall:
    if not isinstance(value, dict):
        raise _refused(f"{where}expected a call, an object with `name` and `arguments`", name, line)
    call = read_call(value)
    if call.name is None:
        raise _refused(f"{where}missing key `name`", name, line)
    return call


def _refused(message: str, name: str, line: int) -> UsageError:
    return UsageError(
        message, code="invalid_call", file=name, line=line, hint='a line is such as {"name": "read", "arguments": {}}'
    )
