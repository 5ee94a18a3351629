"""A host's JSON settings as their author wrote them: every value with its place in the text.

Comments and commas before a closing bracket are understood and kept. Whether the host takes them is another question,
which `Document.extras` answers: Gemini CLI reads comments, Claude Code throws the whole file away.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from codespar_cli.errors import ConfigError

_BLANK = re.compile(r"[ \t\r\n]+")
_LINE_COMMENT = re.compile(r"//[^\r\n]*")
_BLOCK_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_PLAIN = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DEEPEST = 100


class Node(NamedTuple):
    """A value from `start` to `end`. `keys` are an object's keys in order, `children` its values or a list's.

    `commas` are the places behind the commas, one for each child that has one.
    """

    start: int
    end: int
    value: Any
    keys: tuple[str, ...] = ()
    children: tuple[Node, ...] = ()
    commas: tuple[int, ...] = ()

    def child(self, step: str | int) -> Node | None:
        """The value at a key, the last one where it is given twice, or at a number."""
        if isinstance(step, int):
            return self.children[step]
        places = [number for number, key in enumerate(self.keys) if key == step]
        return self.children[places[-1]] if places else None


class Document(NamedTuple):
    """`extras` says what of the text is not JSON proper, each as (place, `comment` or `trailing comma`)."""

    text: str
    root: Node
    extras: tuple[tuple[int, str], ...]
    comments: tuple[tuple[int, int], ...]

    def node(self, path: tuple[str | int, ...]) -> Node | None:
        found: Node | None = self.root
        for step in path:
            found = None if found is None else found.child(step)
        return found


def parse(text: str) -> Document:
    """Raises ConfigError with the line, and the column in the message."""
    return _Reader(text).document()


def line_at(text: str, place: int) -> int:
    """Counted from one."""
    return text.count("\n", 0, place) + 1


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._extras: list[tuple[int, str]] = []
        self._comments: list[tuple[int, int]] = []

    def document(self) -> Document:
        self._skip()
        root = self._value(0)
        self._skip()
        if self._at < len(self._text):
            raise self._wrong("the end of the file")
        return Document(self._text, root, tuple(self._extras), tuple(self._comments))

    def _skip(self) -> None:
        while True:
            if found := _BLANK.match(self._text, self._at):
                self._at = found.end()
                continue
            found = _LINE_COMMENT.match(self._text, self._at) or _BLOCK_COMMENT.match(self._text, self._at)
            if not found:
                return
            self._extras.append((found.start(), "comment"))
            self._comments.append(found.span())
            self._at = found.end()

    def _value(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise self._wrong("fewer brackets within brackets")
        char = self._text[self._at : self._at + 1]
        if char == "{":
            return self._object(depth)
        if char == "[":
            return self._list(depth)
        found = _STRING.match(self._text, self._at) or _PLAIN.match(self._text, self._at)
        if not found:
            raise self._wrong("a value")
        self._at = found.end()
        return Node(found.start(), found.end(), json.loads(found.group()))

    def _object(self, depth: int) -> Node:
        start = self._open()
        keys: list[str] = []
        children: list[Node] = []
        commas: list[int] = []
        while not self._closes("}", behind_comma=len(commas) > 0 and len(commas) == len(children)):
            if len(commas) < len(children):
                raise self._wrong("`,` or `}`")
            key = _STRING.match(self._text, self._at)
            if not key:
                raise self._wrong("a key in double quotes")
            self._at = key.end()
            self._take(":")
            keys.append(json.loads(key.group()))
            children.append(self._value(depth + 1))
            self._comma(commas)
        value = {key: child.value for key, child in zip(keys, children, strict=True)}
        return Node(start, self._at, value, tuple(keys), tuple(children), tuple(commas))

    def _list(self, depth: int) -> Node:
        start = self._open()
        children: list[Node] = []
        commas: list[int] = []
        while not self._closes("]", behind_comma=len(commas) > 0 and len(commas) == len(children)):
            if len(commas) < len(children):
                raise self._wrong("`,` or `]`")
            children.append(self._value(depth + 1))
            self._comma(commas)
        return Node(start, self._at, [child.value for child in children], (), tuple(children), tuple(commas))

    def _open(self) -> int:
        start = self._at
        self._at += 1
        self._skip()
        return start

    def _closes(self, bracket: str, *, behind_comma: bool) -> bool:
        if not self._text.startswith(bracket, self._at):
            return False
        if behind_comma:
            self._extras.append((self._at, "trailing comma"))
        self._at += 1
        return True

    def _comma(self, commas: list[int]) -> None:
        self._skip()
        if self._text.startswith(",", self._at):
            self._at += 1
            commas.append(self._at)
            self._skip()

    def _take(self, sign: str) -> None:
        self._skip()
        if not self._text.startswith(sign, self._at):
            raise self._wrong(f"`{sign}`")
        self._at += 1
        self._skip()

    def _wrong(self, expected: str) -> ConfigError:
        """What is there is not shown: settings hold credentials."""
        column = self._at - (self._text.rfind("\n", 0, self._at) + 1) + 1
        found = "the end of the file" if self._at >= len(self._text) else "something else"
        line = line_at(self._text, self._at)
        return ConfigError(f"column {column}: expected {expected}, found {found}", line=line)
