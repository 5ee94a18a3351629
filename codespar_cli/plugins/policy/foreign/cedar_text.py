"""A Cedar file cut into its statements, so that errors have lines and nothing in it can exhaust Cedar's parser.

Cedar tells no line of what it refuses, and some hundred brackets within another overflow its stack and end the process
(measured with cedarpy 4.12: 400 are read, 800 are not). So brackets are counted before Cedar sees them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from codespar_cli.plugins.policy.language.nodes import Refused

MAX_DEPTH = 64
MAX_CHOICES = 256
"""Most `if`s in one statement: `else if` nests as brackets do."""

_TOKEN = re.compile(r"""//[^\n]*|"(?:[^"\\]|\\.)*"|[A-Za-z_][A-Za-z0-9_]*|\s+|.""", re.DOTALL)
_LONGEST_SEARCH = 400


class Statement(NamedTuple):
    """One policy: `line` where it begins, `head` its annotations, `annotated` the line of each by its name."""

    line: int
    text: str
    head: str
    effect: str
    annotated: dict[str, int]


class Token(NamedTuple):
    text: str
    start: int
    line: int


def tokens(text: str) -> Iterator[Token]:
    """Without blanks and comments."""
    line = 1
    for match in _TOKEN.finditer(text):
        word = match[0]
        if not word.isspace() and not word.startswith("//"):
            yield Token(word, match.start(), line)
        line += word.count("\n")


def check_nesting(text: str) -> None:
    """For what has brackets as Cedar has: policies and schemas. Raises Refused."""
    depth = 0
    for token in tokens(text):
        if token.text in {"(", "[", "{"}:
            depth += 1
            if depth > MAX_DEPTH:
                raise Refused(token.line, f"nested deeper than {MAX_DEPTH} levels")
        elif token.text in {")", "]", "}"}:
            depth = max(0, depth - 1)


def statements(text: str) -> list[Statement]:
    """Every statement of a file; the last one may lack its end. Raises Refused."""
    check_nesting(text)
    found, current, choices = [], [], 0
    for token in tokens(text):
        current.append(token)
        choices += token.text == "if"
        if choices > MAX_CHOICES:
            raise Refused(token.line, f"more than {MAX_CHOICES} `if` in one policy")
        if token.text == "?":
            raise Refused(token.line, "policy templates are not supported: they allow nothing until they are linked")
        if token.text == ";":
            found.append(_statement(text, current, token.start + 1))
            current, choices = [], 0
    if current:
        found.append(_statement(text, current, len(text)))
    return found


def _statement(text: str, parts: list[Token], end: int) -> Statement:
    annotated: dict[str, int] = {}
    at = parts[0].start
    for before, token in zip([None, *parts], parts, strict=False):
        if before is not None and before.text == "@":
            annotated.setdefault(token.text, token.line)
        elif token.text in {"permit", "forbid"}:
            head = text[at : token.start]
            return Statement(parts[0].line, text[at:end], head, token.text, annotated)
    return Statement(parts[0].line, text[at:end], "", "", annotated)


def line_of_error(statement: Statement, error_of: Callable[[str], str | None]) -> int:
    """The line on which a statement stops making sense: with less of it, only its end would be missing."""
    lines = statement.text.splitlines()
    for count in range(1, min(len(lines), _LONGEST_SEARCH)):
        error = error_of("\n".join(lines[:count]))
        if error is not None and "unexpected end" not in error:
            return statement.line + count - 1
    return statement.line + min(len(lines), _LONGEST_SEARCH) - 1
