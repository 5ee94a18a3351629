"""Where in a TOML file a key stands, and how to change one value while every comment and every other byte stays.

`tomllib` tells values, not places. A TOML file is a sequence of statements (a header, or a key with its value); they are
cut apart by one pass over strings and brackets, and the parser itself says what each one sets. This is only done to say
where an error is, or to edit.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
_DEEPEST = 32
# What matters between statements: strings (whole where they end on the line), comments, brackets.
_TOKEN = re.compile(r'''"""|\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|\#[^\n]*|[\[\]{}]''')
_ENDS = {
    '"""': re.compile(r'(?:[^"\\]|\\.|"(?!""))*"""', re.DOTALL),
    "'''": re.compile(r"(?:[^']|'(?!''))*'''", re.DOTALL),
}


# One name on a line of its own, within a list: `    "github",   # ours`.
_NAME_LINE = re.compile(r"""\s*["']([^"'\\]*)["']\s*(,)?\s*(?:#.*)?\r?$""")


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
    for first, last in _spans(text):
        parsed = _parse("\n".join(lines[first - 1 : last]))
        if not parsed:
            continue
        is_header = lines[first - 1].lstrip().startswith("[")
        path = _spine(parsed)
        if is_header:
            path = table = _resolve(path, arrays)
            paths: tuple[Path, ...] = (path,)
        else:
            paths = tuple((*table, *inner) for inner in _walk(parsed))
            path = (*table, *path)
        yield Statement(path, first, last, is_header, paths)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """First and last line of each statement: a line break ends one where no bracket and no string is open."""
    first, line, depth, at = 1, 1, 0, 0
    size = len(text)
    while at < size:
        end = text.find("\n", at)
        end = size if end < 0 else end
        token = _TOKEN.search(text, at, end)
        if token is None:
            if depth <= 0:
                yield first, line
                first, depth = line + 1, 0
            line, at = line + 1, end + 1
            continue
        at = token.end()
        mark = token[0]
        if mark in _ENDS:
            close = _ENDS[mark].match(text, at)
            stop = size if close is None else close.end()
            line += text.count("\n", at, stop)
            at = stop
        elif mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
    if first <= line:
        yield first, line


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
    added at the end of its table, or of the file. Line endings stay what they are."""
    lines = text.split("\n")
    end = "\r" if lines[0].endswith("\r") else ""
    *table, key = path
    header: Statement | None = None
    last_of_table = 0
    for statement in statements(text):
        if statement.path == path and not statement.is_header:
            return _replaced(lines, statement, rendered, end)
        if statement.is_header:
            header = statement
        if (header.path if header else ()) == tuple(table):
            last_of_table = statement.last
    if last_of_table:
        lines.insert(last_of_table, f"{key} = {rendered}{end}")
        return "\n".join(lines)
    block = f"[{'.'.join(table)}]{end}\n{key} = {rendered}{end}\n"
    return (text.rstrip("\r\n") + f"{end}\n{end}\n" if text.strip() else "") + block


def set_names(text: str, path: tuple[str, ...], names: list[str]) -> str:
    """As `set_value`, for a list of plain names. A list that is written over several lines keeps its lines and comments:
    a name is taken out with its line, a new one gets a line of its own."""
    for statement in statements(text):
        if statement.path == path and not statement.is_header and statement.last > statement.first:
            return _relisted(text.split("\n"), statement, names)
    return set_value(text, path, "[" + ", ".join(f'"{name}"' for name in names) + "]")


def _replaced(lines: list[str], statement: Statement, rendered: str, end: str) -> str:
    first = lines[statement.first - 1]
    comment = _comment("\n".join(line.removesuffix("\r") for line in lines[statement.first - 1 : statement.last]))
    indent = first[: len(first) - len(first.lstrip())]
    name = first.partition("=")[0].strip()
    lines[statement.first - 1 : statement.last] = [f"{indent}{name} = {rendered}{comment}{end}"]
    return "\n".join(lines)


def _relisted(lines: list[str], statement: Statement, names: list[str]) -> str:
    kept: list[str] = []
    seen: set[str] = set()
    for line in lines[statement.first : statement.last - 1]:
        quoted = _NAME_LINE.match(line)
        if quoted is None or quoted[1] in names:
            kept.append(line)
        if quoted is not None:
            seen.add(quoted[1])
    last = lines[statement.last - 1]
    end = "\r" if last.endswith("\r") else ""
    fresh = [f'    "{name}",{end}' for name in names if name not in seen]
    if fresh:
        # The line before a new one may be the last name, without its comma.
        for number in range(len(kept) - 1, -1, -1):
            if (name := _NAME_LINE.match(kept[number])) is not None:
                kept[number] = (
                    kept[number] if name[2] else f"{kept[number][: name.end(1) + 1]},{kept[number][name.end(1) + 1 :]}"
                )
                break
    lines[statement.first : statement.last - 1] = [*kept, *fresh]
    return "\n".join(lines)


def _parse(chunk: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(chunk.removesuffix("\r"))
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


def _walk(parsed: dict[str, Any]) -> Iterator[Path]:
    waiting: list[tuple[Path, Any]] = [((), parsed)]
    while waiting:
        path, value = waiting.pop()
        if path:
            yield path
        if isinstance(value, dict) and len(path) < _DEEPEST:
            waiting.extend(((*path, key), inner) for key, inner in value.items())


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
