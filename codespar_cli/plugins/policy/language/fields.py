"""The keys of one table in a rules file, read with the type each must have. Every error names its line."""

from __future__ import annotations

from decimal import Decimal

from codespar_cli.core.light_typing import TYPE_CHECKING, TypeVar
from codespar_cli.core.text import nearest, visible
from codespar_cli.plugins.policy.language.nodes import Listing, Node, Refused, Scalar, Table, describe, mismatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeAlias

    from codespar_cli.core.light_datetime import timedelta

T = TypeVar("T")
Value: TypeAlias = "str | bool | int | Decimal"

# What YAML 1.1 reads as something else than text, beside its odd numbers.
_GUESSES = frozenset(("yes", "no", "on", "off", "true", "false", "null"))


class Fields:
    """One table. `what` names it in errors: ``rule `office-hours` ``, `the policy`."""

    def __init__(self, node: Node, what: str, known: Iterable[str]) -> None:
        if not isinstance(node, Table):
            raise Refused(node.line, f"{what}: expected a table, found {describe(node)}")
        self.what = what
        self.line = node.line
        self._entries = node.entries
        names = tuple(known)
        for key, (scalar, _) in node.entries.items():
            if key not in names:
                raise Refused(scalar.line, f"{what}: unknown key `{visible(key)}`", suggestion(key, names))

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def node(self, key: str) -> Node:
        """Raises Refused when the key is missing."""
        if key not in self._entries:
            raise Refused(self.line, f"{self.what}: missing key `{key}`")
        return self._entries[key][1]

    def refuse(self, key: str, message: str, hint: str | None = None) -> Refused:
        return Refused(self.node(key).line, f"{self.what}: {key}: {message}", hint)

    def text(self, key: str, default: str | None = None) -> str:
        if default is not None and key not in self:
            return default
        return self.parsed(key, text_of)

    def choice(self, key: str, names: tuple[str, ...], default: str | None = None) -> str:
        word = self.text(key, default)
        if word not in names:
            listed = ", ".join(f"`{name}`" for name in names)
            raise self.refuse(key, f"expected one of {listed}, found `{visible(word)}`", suggestion(word, names))
        return word

    def count(self, key: str, default: int) -> int:
        """A whole number above zero."""
        return self.parsed(key, _count_of) if key in self else default

    def flag(self, key: str) -> bool:
        return self.parsed(key, _flag_of) if key in self else False

    def duration(self, key: str, default: timedelta) -> timedelta:
        return self.parsed(key, _duration_of) if key in self else default

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, or one text; not empty, each only once."""
        node = self.node(key)
        if isinstance(node, Scalar):
            return (self.text(key),)
        found: dict[str, None] = {}
        for item in self.items(key):
            text = self.apply(f"{key}", item, text_of)
            if text in found:
                raise Refused(item.line, f"{self.what}: {key}: `{visible(text)}` is given twice")
            found[text] = None
        if not found:
            raise self.refuse(key, "the list is empty, so it matches nothing", f"remove `{key}` to match everything")
        return tuple(found)

    def items(self, key: str) -> list[Node]:
        node = self.node(key)
        if not isinstance(node, Listing):
            raise self.refuse(key, f"expected a list, found {describe(node)}")
        return node.items

    def parsed(self, key: str, parse: Callable[[Node], T]) -> T:
        return self.apply(key, self.node(key), parse)

    def apply(self, key: str, node: Node, parse: Callable[[Node], T]) -> T:
        """What `parse` makes of a node; its ValueError becomes an error with this line."""
        try:
            return parse(node)
        except ValueError as error:
            raise Refused(node.line, f"{self.what}: {key}: {error}") from None


def entries_of(node: Node, what: str) -> Mapping[str, tuple[Scalar, Node]]:
    """A table whose keys are the user's own names."""
    if not isinstance(node, Table):
        raise Refused(node.line, f"{what}: expected a table, found {describe(node)}")
    return node.entries


def text_of(node: Node) -> str:
    value = value_of(node)
    if isinstance(value, str):
        return value
    assert isinstance(node, Scalar)
    raise ValueError(f'expected text, found `{visible(node.text[:60])}`; quote it: "{visible(node.text[:60])}"')


def amount_of(node: Node) -> str:
    """Money as it was written: quoted or not, its exact text."""
    if not isinstance(node, Scalar):
        raise mismatch("an amount", node)
    return node.text


def value_of(node: Node) -> Value:
    """A scalar's value: text, true or false, or an exact number. Raises ValueError for what YAML readers disagree on."""
    if not isinstance(node, Scalar):
        raise mismatch("a value", node)
    text = node.text
    if not node.plain:
        return _not_empty(text)
    if text in {"true", "false"}:
        return text == "true"
    if text in {"", "~"} or text.lower() in _GUESSES:
        raise ValueError(_quote_it(text))
    if text[0] not in "+-.0123456789":
        return text
    whole, point, fraction = text.removeprefix("-").partition(".")
    if _is_digits(whole) and (whole == "0" or whole[0] != "0") and (not point or _is_digits(fraction)):
        return Decimal(text) if point else int(text)
    if _is_odd_number(text):
        raise ValueError(f"`{visible(text[:60])}` can be read as several numbers; write it in plain digits or quote it")
    return text


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 30


def _is_odd_number(text: str) -> bool:
    """Octal, hexadecimal, underscored, named and exponential numbers, and those with a plus. Dates and times are none."""
    bare = text.lstrip("+-").lower()
    if bare in {".inf", ".nan"}:
        return True
    if bare[:2] in {"0x", "0o", "0b"}:
        return not bare[2:].strip("0123456789abcdef_")
    mantissa, exponential, exponent = bare.partition("e")
    if exponential and not exponent.lstrip("+-").isdecimal():
        return False
    return mantissa.count(".") <= 1 and bool(mantissa.strip("_.")) and not mantissa.strip("0123456789_.")


def suggestion(word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = nearest(word, names)
    return f"did you mean `{close}`?" if close else f"known: {', '.join(names)}"


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("expected text, found an empty string")
    return text


def _quote_it(text: str) -> str:
    if text.lower() in {"", "~", "null"}:
        return "expected a value, found nothing"
    if text.lower() in {"true", "false"}:
        return f'write `{text.lower()}`, or quote it: "{text}"'
    return f'some YAML readers take `{text}` for true or false; quote it: "{text}"'


def _duration_of(node: Node) -> timedelta:
    value = value_of(node)
    if type(value) is int and value > 0:
        whole = f"`{value // 60}m`" if value % 60 == 0 else f"`{value}m`"
        raise ValueError(f"expected a duration with its unit, found `{value}`; write `{value}s` or {whole}")
    from codespar_cli.core.durations import parse_duration

    return parse_duration(text_of(node))


def _count_of(node: Node) -> int:
    value = value_of(node)
    if type(value) is not int or not 0 < value < 10**9:
        raise mismatch("a whole number above 0", node)
    return value


def _flag_of(node: Node) -> bool:
    value = value_of(node)
    if not isinstance(value, bool):
        raise mismatch("true or false", node)
    return value
