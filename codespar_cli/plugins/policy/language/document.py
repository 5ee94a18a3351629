"""A rules file as text with line numbers: YAML's shapes, none of its guesses.

PyYAML would make `on` a boolean, `22:00` a number of minutes and `1.10` the price 1.1, and it lets the last of two equal
keys win. So only its event parser is used: every scalar keeps its text, every node its line, and what a rules file
never needs (anchors, tags, several documents, deep nesting) is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.core.text import visible
from codespar_cli.plugins.policy.language.nodes import Listing, Node, Refused, Scalar, Table, describe

if TYPE_CHECKING:
    from typing import Any

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 32
# Where a value begins: after a key, a dash, a bracket or a comma.
_STAR = r"(?:^|[:\-]\s|[\[{,])\s*(\*[^\s,\]}:]*)"


def parse(data: bytes) -> Node:
    """The file's one document. Raises Refused."""
    if len(data) > MAX_BYTES:
        raise Refused(None, f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(data.count(b"\n", 0, error.start) + 1, "not UTF-8") from None
    import yaml

    try:
        # The C parser when there is one: it reads ten times as fast, and keeps its state off the C stack.
        return _build(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), text.split("\n"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, lines = (mark.line if mark else 0), text.split("\n")
        told = _often_meant(lines[line] if line < len(lines) else "")
        if told is not None:
            raise Refused(line + 1, *told) from None
        problem = visible(error.problem or "cannot be read")
        raise Refused(mark.line + 1 if mark else None, f"not YAML: {problem}") from None
    except yaml.YAMLError as error:
        raise Refused(_line_of_bad_character(text), f"not YAML: {_first_line(error)}") from None


class _Builder:
    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[tuple[Listing | Table, Scalar | None]] = []

    def enter(self, node: Listing | Table) -> None:
        self.add(node)
        self._open.append((node, None))
        if len(self._open) > MAX_DEPTH:
            raise Refused(node.line, f"nested deeper than {MAX_DEPTH} levels")

    def leave(self) -> None:
        self._open.pop()

    def add(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        parent, key = self._open[-1]
        if isinstance(parent, Listing):
            parent.items.append(node)
        elif key is None:
            self._open[-1] = (parent, _as_key(parent, node))
        else:
            parent.entries[key.text] = (key, node)
            self._open[-1] = (parent, None)


def _as_key(table: Table, node: Node) -> Scalar:
    if not isinstance(node, Scalar):
        raise Refused(node.line, f"a key is text, found {describe(node)}")
    if node.text in table.entries:
        first = table.entries[node.text][0].line
        raise Refused(node.line, f"key `{visible(node.text)}` is given twice, first in line {first}")
    return node


def _build(events: Iterator[Any], lines: list[str]) -> Node:
    builder, documents = _Builder(), 0
    for event in events:
        name = type(event).__name__
        line = event.start_mark.line + 1
        if name == "AliasEvent" or getattr(event, "anchor", None):
            told = _often_meant(lines[line - 1]) if name == "AliasEvent" else None
            raise Refused(line, *(told or ("anchors and aliases are not supported", "write the value out")))
        if getattr(event, "tag", None):
            raise Refused(line, f"tags such as `{visible(event.tag[:40])}` are not supported")
        match name:
            case "ScalarEvent":
                builder.add(Scalar(event.value, event.style is None or event.style == "", line))
            case "MappingStartEvent":
                builder.enter(Table(line))
            case "SequenceStartEvent":
                builder.enter(Listing(line))
            case "MappingEndEvent" | "SequenceEndEvent":
                builder.leave()
            case "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise Refused(line, "a rules file is one document, found a second")
    if builder.root is None:
        raise Refused(None, "the file is empty")
    return builder.root


def _often_meant(line: str) -> tuple[str, str] | None:
    """What YAML refuses and people write, as a message and a hint."""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "not YAML: a tab, where YAML indents with blanks", "write blanks"
    import re

    star = re.search(_STAR, line)
    if star is None:
        return None
    return f"`{visible(star[1])}` begins with `*`, which is an alias in YAML", f'quote it: "{visible(star[1])}"'


def _line_of_bad_character(text: str) -> int | None:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.replace("\t", "").replace("\r", "").isprintable():
            return number
    return None


def _first_line(error: Exception) -> str:
    return visible(str(error).splitlines()[0][:120]) if str(error) else "cannot be read"
