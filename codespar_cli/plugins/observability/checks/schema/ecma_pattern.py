r"""ECMA-262 expressions, the language of `pattern`, read into a tree.

Read as with the flag `u`, and forgiving where engines are without it (a lone `{` or `]` is itself). What no automaton
can decide (backreferences), and what only other languages have (`(?i)`, `\A`), is refused: then nothing is claimed.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

from codespar_cli.plugins.observability.checks.schema.ecma_classes import (
    ANY_CHARACTER,
    CONTROLS,
    DOT,
    SHORTHANDS,
    CharacterClass,
    one,
    property_class,
)

MAX_LENGTH = 4096
_MAX_NESTING = 40
_QUANTIFIER = re.compile(r"\{([0-9]{1,6})(,([0-9]{0,6}))?\}")
_NAME = re.compile(r"\(\?P?<[A-Za-z_$][A-Za-z0-9_$]*>")
_PROPERTY = re.compile(r"\\[pP]\{([A-Za-z_=]+)\}")
_CODE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
_LOW_HALF = re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})")


class NotAnExpression(ValueError):
    """Why an expression is not looked at."""


class Single(NamedTuple):
    characters: CharacterClass


class Sequence(NamedTuple):
    parts: tuple[Node, ...]


class Choice(NamedTuple):
    options: tuple[Node, ...]


class Repeat(NamedTuple):
    body: Node
    least: int
    most: int | None


class Assertion(NamedTuple):
    """`^`, `$`, `b`, `B`, or `ahead`, `behind` with a body and whether it must not match."""

    kind: str
    body: Node | None = None
    negated: bool = False


Node: TypeAlias = Single | Sequence | Choice | Repeat | Assertion
EMPTY = Sequence(())


def parse(text: str) -> Node:
    """Raises NotAnExpression."""
    if len(text) > MAX_LENGTH:
        raise NotAnExpression(f"a pattern longer than {MAX_LENGTH} characters")
    parser = _Parser(text)
    node = parser.choice(0)
    if parser.at < len(text):
        raise NotAnExpression(f"a pattern with an unexpected `{text[parser.at]}`")
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def choice(self, nesting: int) -> Node:
        if nesting > _MAX_NESTING:
            raise NotAnExpression(f"a pattern nested deeper than {_MAX_NESTING} levels")
        options = [self._sequence(nesting)]
        while self._take("|"):
            options.append(self._sequence(nesting))
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self, nesting: int) -> Node:
        parts: list[Node] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            parts.append(self._repeated(self._atom(nesting)))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self, atom: Node) -> Node:
        bounds = self._bounds()
        if bounds is None:
            return atom
        self._take("?")  # lazy or greedy is the same where only a match counts
        if self.text[self.at : self.at + 1] in {"*", "+"} or self._bounds() is not None:
            raise NotAnExpression("a pattern with nothing to repeat")
        return Repeat(atom, *bounds)

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return bounds
        found = _QUANTIFIER.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        least = int(found[1])
        most = least if found[2] is None else int(found[3]) if found[3] else None
        if most is not None and most < least:
            raise NotAnExpression("a pattern with a repetition out of order")
        return least, most

    def _atom(self, nesting: int) -> Node:
        character = self.text[self.at]
        match character:
            case "(":
                return self._group(nesting)
            case "[":
                return Single(self._class())
            case "\\":
                return self._escape()
            case "^" | "$":
                self.at += 1
                return Assertion(character)
            case "*" | "+" | "?":
                raise NotAnExpression("a pattern with nothing to repeat")
        self.at += 1
        return Single(DOT if character == "." else one(character))

    def _group(self, nesting: int) -> Node:
        for opening, kind, negated in (
            ("(?=", "ahead", False),
            ("(?!", "ahead", True),
            ("(?<=", "behind", False),
            ("(?<!", "behind", True),
        ):
            if self._take(opening):
                return Assertion(kind, self._closed(nesting), negated)
        if self._take("(?:"):
            return self._closed(nesting)
        name = _NAME.match(self.text, self.at)
        if name is None and self.text.startswith("(?", self.at):
            raise NotAnExpression("a pattern with a group that ECMA-262 does not know")
        self.at = name.end() if name else self.at + 1
        return self._closed(nesting)

    def _closed(self, nesting: int) -> Node:
        node = self.choice(nesting + 1)
        if not self._take(")"):
            raise NotAnExpression("a pattern with a group that is not closed")
        return node

    def _escape(self) -> Node:
        following = self.text[self.at + 1 : self.at + 2]
        if following in {"b", "B"}:
            self.at += 2
            return Assertion(following)
        if following in set("123456789k"):
            raise NotAnExpression("a pattern with a backreference")
        return Single(self._escaped_class())

    def _escaped_class(self) -> CharacterClass:
        named = _PROPERTY.match(self.text, self.at)
        if named is not None:
            self.at = named.end()
            found = property_class(named[1])
            if found is None:
                raise NotAnExpression(f"a pattern with the property `{named[1][:40]}`")
            return found.inverted() if named[0][1] == "P" else found
        code = _CODE.match(self.text, self.at)
        if code is not None:
            self.at = code.end()
            return one(self._code_point(int(code[1] or code[2] or code[3], 16)))
        following = self.text[self.at + 1 : self.at + 2]
        self.at += 2
        if following in SHORTHANDS:
            return SHORTHANDS[following]
        if following in CONTROLS:
            return one(CONTROLS[following])
        if not following or (following.isascii() and following.isalnum()):
            raise NotAnExpression(f"a pattern with the escape `\\{following}`")
        return one(following)

    def _code_point(self, point: int) -> str:
        low = _LOW_HALF.match(self.text, self.at) if 0xD800 <= point < 0xDC00 else None
        if low is not None:
            self.at = low.end()
            point = 0x10000 + ((point - 0xD800) << 10) + int(low[1], 16) - 0xDC00
        if point > 0x10FFFF:
            raise NotAnExpression("a pattern with a character beyond Unicode")
        return chr(point)

    def _class(self) -> CharacterClass:
        self.at += 1
        negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        parts: list[CharacterClass] = []
        while not self._take("]"):
            low = self._class_member()
            single = low.ranges[0][0] if len(low.ranges) == 1 and low.ranges[0][0] == low.ranges[0][1] else None
            if single is None or not self._is_range():
                (parts.append(low) if single is None else ranges.append((single, single)))
                continue
            self.at += 1
            high = self._class_member()
            if len(high.ranges) != 1 or high.ranges[0][0] != high.ranges[0][1] or high.ranges[0][0] < single:
                raise NotAnExpression("a pattern with a range out of order")
            ranges.append((single, high.ranges[0][0]))
        if negated and not ranges and not parts:
            return ANY_CHARACTER
        return CharacterClass(tuple(ranges), parts=tuple(parts), negated=negated)

    def _is_range(self) -> bool:
        return self.text.startswith("-", self.at) and self.text[self.at + 1 : self.at + 2] not in {"]", ""}

    def _class_member(self) -> CharacterClass:
        if self.at >= len(self.text):
            raise NotAnExpression("a pattern with a class that is not closed")
        if self._take("\\b"):
            return one("\b")
        if self.text[self.at] == "\\":
            if self._take("\\-"):
                return one("-")
            return self._escaped_class()
        self.at += 1
        return one(self.text[self.at - 1])

    def _take(self, text: str) -> bool:
        if not self.text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True
