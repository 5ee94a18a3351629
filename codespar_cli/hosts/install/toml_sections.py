"""Where the tables of a TOML text begin and end, without changing a character of it."""

from __future__ import annotations

import re
import tomllib
from typing import NamedTuple

_SKIPPED = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|' r"'''.*?'{3,5}|" r'"(?:[^"\\\n]|\\.)*"|' r"'[^'\n]*'|" r"#[^\n]*", re.DOTALL
)
_BRACKETS = {"[": 1, "{": 1, "]": -1, "}": -1}


class Section(NamedTuple):
    """From its header's line to the next one's. `listed` tells `[[name]]` from `[name]`."""

    names: tuple[str, ...]
    listed: bool
    start: int
    end: int


def sections(text: str) -> list[Section]:
    """The tables with headers, in order. The text has to be valid TOML."""
    starts = _header_lines(text)
    found = []
    for number, (start, line) in enumerate(starts):
        end = starts[number + 1][0] if number + 1 < len(starts) else len(text)
        names, listed = _names(line)
        found.append(Section(names, listed, start, end))
    return found


def _header_lines(text: str) -> list[tuple[int, str]]:
    found, place, depth = [], 0, 0
    line_start, fresh = 0, True
    while place < len(text):
        char = text[place]
        skipped = _SKIPPED.match(text, place)
        if fresh and depth == 0 and char == "[":
            end = text.find("\n", place)
            end = len(text) if end < 0 else end
            found.append((line_start, text[place:end]))
            place = end
            continue
        if skipped:
            fresh = False
            place = skipped.end()
            continue
        if char == "\n":
            line_start, fresh = place + 1, True
        elif char not in " \t\r":
            fresh = False
            depth += _BRACKETS.get(char, 0)
        place += 1
    return found


def _names(line: str) -> tuple[tuple[str, ...], bool]:
    """The keys of one header, read by the TOML parser itself."""
    table = tomllib.loads(line.rstrip("\r"))
    names: list[str] = []
    listed = False
    while isinstance(table, dict) and table:
        name, value = next(iter(table.items()))
        names.append(name)
        listed = isinstance(value, list)
        table = value[0] if listed else value
    return tuple(names), listed
