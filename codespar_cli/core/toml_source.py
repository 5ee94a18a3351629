"""Where in a TOML file a key stands, and how to change one value while every comment and every other byte stays.

`tomllib` tells values, not places. A TOML file is a sequence of statements (a header, or a key with its value), and a
statement is the shortest run of lines that parses alone: so the parser itself finds them, multi-line strings and all.
This is only done to say where an error is, or to edit.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
_LONGEST_STATEMENT = 2_000


class Statement(NamedTuple):
    """Lines `first` to `last` (from 1, inclusive). `path` leads to what a header opens, or to what a key sets."""

    path: Path
    first: int
    last: int
    is_header: bool
    paths: tuple[Path, ...]


def statements(text: str) -> Iterator[Statement]:
    """The statements of a valid TOML text, in order."""
    lines = text.split("\n")
    table: Path = ()
    arrays: dict[Path, int] = {}
    at = 0
    while at < len(lines):
        for end in range(at + 1, min(len(lines), at + _LONGEST_STATEMENT) + 1):
            parsed = _parse("\n".join(lines[at:end]))
            if parsed is not None:
                break
        else:
            at += 1
            continue
        if parsed:
            is_header = lines[at].lstrip().startswith("[")
            path = _spine(parsed)
            if is_header:
                path = table = _resolve(path, arrays)
                paths: tuple[Path, ...] = (path,)
            else:
                paths = tuple((*table, *inner) for inner in _walk(parsed, ()))
                path = (*table, *path)
            yield Statement(path, at + 1, end, is_header, paths)
        at = end


def line_of(text: str, path: Path) -> int:
    """The line of the nearest key or header on the way to `path`; 1 if there is none."""
    places: dict[Path, int] = {}
    for statement in statements(text):
        for found in statement.paths:
            for length in range(1, len(found) + 1):
                places.setdefault(found[:length], statement.first)
            if not statement.is_header or found not in places:
                places[found] = statement.first
    for length in range(len(path), 0, -1):
        if path[:length] in places:
            return places[path[:length]]
    return 1


def set_value(text: str, path: tuple[str, ...], rendered: str) -> str:
    """The same text with `path` set to an already rendered value. A trailing comment stays; a missing key or table is
    added at the end of its table, or of the file."""
    lines = text.split("\n")
    *table, key = path
    header: Statement | None = None
    last_of_table = 0
    for statement in statements(text):
        if statement.path == path and not statement.is_header:
            comment = _comment("\n".join(lines[statement.first - 1 : statement.last]))
            indent = lines[statement.first - 1][: -len(lines[statement.first - 1].lstrip()) or None]
            name = lines[statement.first - 1].partition("=")[0].strip()
            lines[statement.first - 1 : statement.last] = [f"{_blank(indent)}{name} = {rendered}{comment}"]
            return "\n".join(lines)
        if statement.is_header:
            header = statement
        if (header.path if header else ()) == tuple(table):
            last_of_table = statement.last
    if last_of_table:
        lines.insert(last_of_table, f"{key} = {rendered}")
        return "\n".join(lines)
    block = f"[{'.'.join(table)}]\n{key} = {rendered}\n"
    return (text.rstrip("\n") + "\n\n" if text.strip() else "") + block


def _blank(indent: str) -> str:
    return indent if indent.isspace() else ""


def _parse(chunk: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(chunk)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def _spine(parsed: dict[str, Any]) -> Path:
    # The path of one statement: down through the tables it implies. Inline tables look the same as dotted keys, and
    # are set by the same line, so nothing is lost.
    path: list[str | int] = []
    value: Any = parsed
    while isinstance(value, dict) and len(value) == 1:
        ((key, value),) = value.items()
        path.append(key)
        if isinstance(value, list) and value == [{}]:
            path.append(-1)
            break
    return tuple(path)


def _resolve(path: Path, arrays: dict[Path, int]) -> Path:
    # `[[routes]]` opens the next element; `[routes.x]` after it speaks of the latest one.
    resolved: Path = ()
    for part in path:
        if part == -1:
            arrays[resolved] = arrays.get(resolved, -1) + 1
            resolved = (*resolved, arrays[resolved])
        else:
            resolved = (*resolved, part)
            if resolved in arrays and path[len(resolved) :] not in ((-1,), ()):
                resolved = (*resolved, arrays[resolved])
    return resolved


def _walk(value: Any, path: Path) -> Iterator[Path]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, (*path, key))


def _comment(statement: str) -> str:
    # A `#` starts the comment if the text before it already is the whole statement.
    value = _parse(statement)
    at = statement.find("#")
    while at >= 0:
        if _parse(statement[:at]) == value and "\n" not in statement[at:]:
            body = statement[:at].rstrip()
            return statement[len(body) :]
        at = statement.find("#", at + 1)
    return ""
