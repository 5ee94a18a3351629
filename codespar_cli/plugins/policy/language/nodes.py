"""What a rules file is made of: text with line numbers, in tables and lists. document.py reads them."""

from __future__ import annotations

from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.core.text import visible

if TYPE_CHECKING:
    from typing import TypeAlias


class Refused(Exception):
    """Something in the file cannot stand. The reader of the whole file adds the file's name."""

    def __init__(self, line: int | None, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.message = message
        self.hint = hint


class Scalar:
    """One value as it was written; `plain` without quotes."""

    __slots__ = ("line", "plain", "text")

    def __init__(self, text: str, plain: bool, line: int) -> None:
        self.text = text
        self.plain = plain
        self.line = line


class Listing:
    __slots__ = ("items", "line")

    def __init__(self, line: int) -> None:
        self.items: list[Node] = []
        self.line = line


class Table:
    """Keys are text and unique."""

    __slots__ = ("entries", "line")

    def __init__(self, line: int) -> None:
        self.entries: dict[str, tuple[Scalar, Node]] = {}
        self.line = line


Node: TypeAlias = "Scalar | Listing | Table"


def mismatch(expected: str, node: Node) -> ValueError:
    """The error for a node that is something else than it should be."""
    return ValueError(f"expected {expected}, found {describe(node)}")


def describe(node: Node) -> str:
    """A node as an error shows it."""
    if isinstance(node, Table):
        return "a table"
    if isinstance(node, Listing):
        return "a list"
    return f"`{visible(node.text[:60])}`" if node.text else "nothing"
