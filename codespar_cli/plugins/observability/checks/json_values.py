"""JSON values: what type one is, when two are equal, and how one is shown without showing too much."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

Path: TypeAlias = tuple[str | int, ...]

MAX_DEPTH = 64
MAX_NODES = 1_000_000
_SHOWN = 60
_MOST_BITS = 2048
_SECRETIVE = ("password", "passwd", "secret", "token", "apikey", "authorization", "credential", "privatekey", "cookie")


class Oddity(NamedTuple):
    """A place in arguments that no JSON document can hold."""

    path: Path
    expected: str
    got: str


class Plain(NamedTuple):
    """Arguments as dicts, lists and scalars, with how many there are. After a `fatal` oddity nothing else is known."""

    value: Any
    oddities: list[Oddity]
    nodes: int
    fatal: bool


class Odd(NamedTuple):
    """Stands where something stood that is no JSON: a set, bytes, an object."""

    kind: str


class _TooMuch(Exception):
    pass


def plain(value: Any) -> Plain:
    """Any Python value as JSON sees it: mappings are objects, tuples arrays, decimals numbers. Never raises."""
    reader = _Reader()
    try:
        return Plain(reader.read(value, ()), reader.oddities, reader.nodes, fatal=False)
    except _TooMuch:
        return Plain(None, reader.oddities[-1:], reader.nodes, fatal=True)


class _Reader:
    def __init__(self) -> None:
        self.oddities: list[Oddity] = []
        self.nodes = 0

    def read(self, value: Any, path: Path) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self._give_up((), f"at most {MAX_NODES} values", "more")
        kind = type(value)
        if kind is str or kind is int or kind is bool or value is None:
            return value
        if len(path) >= MAX_DEPTH and isinstance(value, Mapping | list | tuple):
            self._give_up(path[:8], f"at most {MAX_DEPTH} levels", "more")
        if isinstance(value, Mapping):
            return self._object(value, path)
        if isinstance(value, list | tuple):
            return [self.read(item, (*path, index)) for index, item in enumerate(value)]
        return self._scalar(value, path)

    def _object(self, value: Mapping[Any, Any], path: Path) -> dict[str, Any]:
        found = {}
        for key, item in value.items():
            if not isinstance(key, str):
                self.oddities.append(Oddity(path, "names that are strings", type(key).__name__))
                continue
            found[key] = self.read(item, (*path, key))
        return found

    def _scalar(self, value: Any, path: Path) -> Any:
        if isinstance(value, Decimal) and value.is_finite():
            return int(value) if value == value.to_integral_value() and value.adjusted() < 400 else float(value)
        if isinstance(value, float) and math.isfinite(value):
            return value
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            return int(value)
        self.oddities.append(Oddity(path, "a JSON value", json_type(value)))
        return value if isinstance(value, float) else Odd(json_type(value))

    def _give_up(self, path: Path, expected: str, got: str) -> None:
        self.oddities.append(Oddity(path, expected, got))
        raise _TooMuch


def json_type(value: Any) -> str:
    """`null`, `boolean`, `integer` (1.0 as well), `number`, `string`, `array`, `object`; else what Python calls it."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float() if math.isfinite(value):
            return "integer" if value.is_integer() else "number"
        case float():
            return "NaN" if math.isnan(value) else "infinity"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
        case Odd():
            return value.kind
        case _:
            return type(value).__name__[:_SHOWN]


def identity(value: Any, depth: int = 0) -> Any:
    """A hashable stand-in: two JSON values are equal exactly when theirs are. 1 is 1.0, true is not 1."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, list):
        return ("array", tuple(identity(item, depth + 1) for item in value)) if depth < MAX_DEPTH else object()
    if isinstance(value, dict):
        if depth >= MAX_DEPTH:
            return object()  # equal to nothing: no argument nests that deep
        return ("object", frozenset((key, identity(item, depth + 1)) for key, item in value.items()))
    return value


def is_scalar(value: Any) -> bool:
    """Whether it is its own identity."""
    return value is None or type(value) in {str, int, float}


def pointer(path: Path) -> str:
    """RFC 6901: `/filter/0/name`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def shape(value: Any) -> str:
    """What may be said of a value anywhere: its type and size."""
    match value:
        case str():
            return f"string of {len(value)} character{'' if len(value) == 1 else 's'}"
        case list():
            return f"array of {len(value)}"
        case dict():
            return f"object of {len(value)}"
        case _:
            return json_type(value)


def shown(value: Any, path: Path) -> str:
    """A value in short, as JSON; only its shape where it is long, a container or named like a secret."""
    if isinstance(value, list | dict) or _secretive(path):
        return shape(value)
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, str) and len(value) > _SHOWN:
        return f"{json.dumps(value[:_SHOWN], ensure_ascii=False)}… ({shape(value)})"
    return json.dumps(value, ensure_ascii=False, default=json_type)


def _secretive(path: Path) -> bool:
    words = "".join(str(part) for part in path[-2:]).lower().replace("_", "").replace("-", "")
    return any(word in words for word in _SECRETIVE)
