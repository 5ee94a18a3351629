r"""A dialect of dotenv, exact: docs/secrets-import.md is its definition. What tools read differently is refused.

One assignment a line, `NAME=VALUE`. Unquoted values are taken as they are and hold nothing that any tool treats
specially; 'single quotes' hold anything but themselves; "double quotes" know \n \r \t \\ \" \$ \` and \uXXXX. Nothing is
ever interpolated: a `$` that could mean that is an error, since the value would be another one elsewhere.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from codespar_cli.errors import UsageError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_START = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(?P<equals>=)[ \t]*")
_EMPTY = re.compile(r"[ \t]*(?:#[^\r\n]*)?\r?(?:\n|\Z)")
_COMMENT = re.compile(r"[ \t]*#")
_UNQUOTED = re.compile(r"(?P<value>(?:[^\s#]|(?<![ \t=])#|[ \t]+(?=[^ \t\r\n#]))*)")
_REST = re.compile(r"(?:[ \t]+#[^\r\n]*|[ \t]*)\r?(?:\n|\Z)")
_ESCAPE = re.compile(r"\\(?:u(?P<code>[0-9A-Fa-f]{4})|(?P<letter>.))|[$`]|\r\n?", re.DOTALL)
_DOUBLE = re.compile(r'"(?P<body>[^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_SINGLE = re.compile(r"'(?P<body>[^']*)'")
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$", "`": "`"}
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")
_SINGLE_QUOTABLE = re.compile(r"[^'\x00-\x1f\x7f\r\n]*")
_CONTROLS = re.compile(r'[\x00-\x1f\x7f"\\$`]')
_QUOTE_HINT = "put the value into 'single quotes'"


class Assignment(NamedTuple):
    """One line: which name, and where it stands. `repr` shows no value."""

    name: str
    value: str
    line: int

    def __repr__(self) -> str:
        return f"<Assignment {self.name} at line {self.line}>"


class _Broken(Exception):
    def __init__(self, words: str, hint: str | None = None) -> None:
        super().__init__(words)
        self.words = words
        self.hint = hint


def parse_dotenv(data: bytes, file: str) -> dict[str, Assignment]:
    """Every assignment, by name. Raises UsageError with file and line, never with what stands there."""
    found: dict[str, Assignment] = {}
    for assignment in _assignments(_decoded(data, file), file):
        before = found.setdefault(assignment.name, assignment)
        if before is not assignment:
            raise UsageError(
                f"`{assignment.name}` is given twice, first on line {before.line}",
                code="duplicate_key",
                file=file,
                line=assignment.line,
                hint=f"keep the one that is meant, then look: {_look(file)}",
            )
    return found


def write_dotenv(values: Mapping[str, str]) -> str:
    """What `parse_dotenv` reads back as it is. Raises UsageError for a name that it would not read."""
    for name in values:
        if NAME.fullmatch(name) is None:
            raise UsageError(
                f"`{name}` cannot be a name in this format", hint="codespar secrets export -o json --reveal"
            )
    return "".join(f"{name}={_quoted(value)}\n" for name, value in values.items())


def _decoded(data: bytes, file: str) -> str:
    place = -1
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = error.start
    # Raised out here, since the other one would come along with the whole file in it.
    line = data.count(b"\n", 0, place) + 1
    hint = f"say what it is in, such as: iconv -f LATIN1 -t UTF-8 {shlex.quote(file)} | codespar secrets import -"
    raise UsageError("expected UTF-8, found other bytes", code="invalid_utf8", file=file, line=line, hint=hint)


def _look(file: str) -> str:
    return f"codespar secrets import {'-' if file == 'stdin' else shlex.quote(file)} --dry-run"


def _assignments(text: str, file: str) -> Iterator[Assignment]:
    place, line = 0, 1
    while place < len(text):
        empty = _EMPTY.match(text, place)
        if empty is not None:
            place, line = empty.end(), line + 1
            continue
        try:
            name, value, end = _assignment(text, place)
        except _Broken as error:
            hint = error.hint or f"close it where the value ends, then look: {_look(file)}"
            raise UsageError(error.words, code="dotenv_invalid", file=file, line=line, hint=hint) from None
        yield Assignment(name, value, line)
        line += text.count("\n", place, end)
        place = end


def _assignment(text: str, place: int) -> tuple[str, str, int]:
    if _COMMENT.match(text, place):  # one that ends with its line is skipped before
        raise _Broken(
            "a carriage return without a line feed", "end lines with \\n: tr '\\r' '\\n' makes one of the other"
        )
    start = _START.match(text, place)
    if start is None:
        raise _Broken("expected NAME=VALUE", "a name is letters, digits, `_`, `.` and `-`, and begins with no digit")
    quote = text[start.end() : start.end() + 1]
    if quote == '"':
        value, end = _double(text, start.end())
    elif quote == "'":
        value, end = _single(text, start.end())
    else:
        value, end = _unquoted(text, start.end())
        end = end if value else start.end("equals")
    rest = _REST.match(text, end)
    if rest is None:
        raise _Broken("expected the end of the line or a comment after the value", _QUOTE_HINT)
    return start["name"], value, rest.end()


def _unquoted(text: str, place: int) -> tuple[str, int]:
    found = _UNQUOTED.match(text, place)
    assert found is not None  # it matches the empty text
    special = re.search(r"[\"'\\$`\x00-\x08\x0b-\x1f\x7f]", found["value"])
    if special is not None:
        raise _Broken(f"an unquoted value cannot hold {_named(special[0])}", _QUOTE_HINT)
    return found["value"], found.end()


def _single(text: str, place: int) -> tuple[str, int]:
    found = _SINGLE.match(text, place)
    if found is None:
        raise _Broken("the single quote is never closed")
    body = found["body"].replace("\r\n", "\n")
    if "\r" in body:
        raise _Broken("a carriage return without a line feed", 'write "\\r", in double quotes')
    return body, found.end()


def _double(text: str, place: int) -> tuple[str, int]:
    found = _DOUBLE.match(text, place)
    if found is None:
        raise _Broken("the double quote is never closed")
    return _ESCAPE.sub(_unescaped, found["body"]), found.end()


def _unescaped(found: re.Match[str]) -> str:
    if found["code"] is not None:
        number = int(found["code"], 16)
        if 0xD800 <= number < 0xE000:
            raise _Broken("an escaped surrogate is no character", "write the character itself")
        return chr(number)
    if found["letter"] is not None:
        if found["letter"] not in _LETTERS:
            raise _Broken(
                'a backslash before something that is not n r t \\ " $ ` or uXXXX', "write \\\\ for a backslash"
            )
        return _LETTERS[found["letter"]]
    if found[0] == "\r":
        raise _Broken("a carriage return without a line feed", "write \\r")
    if found[0] == "\r\n":
        return "\n"
    raise _Broken(f"{_named(found[0])} would be replaced by other tools", f"{_QUOTE_HINT}, or write \\{found[0]}")


def _named(character: str) -> str:
    names = {"\\": "a backslash", "$": "a `$`", "`": "a backtick", '"': "a double quote", "'": "a single quote"}
    return names.get(character, "a control character")


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    if _SINGLE_QUOTABLE.fullmatch(value):
        return f"'{value}'"
    return '"' + _CONTROLS.sub(_escaped, value) + '"'


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    letters = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    if character in letters:
        return letters[character]
    return f"\\{character}" if character in '"\\$`' else f"\\u{ord(character):04x}"
