"""Type names: those of JSON Schema, and those that other catalogues write for the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from codespar_cli.plugins.observability.checks.json_values import json_type

ANY = "any"
_DIALECT = {
    "dict": "object",
    "map": "object",
    "hashmap": "object",
    "struct": "object",
    "list": "array",
    "tuple": "array",
    "set": "array",
    "arraylist": "array",
    "float": "number",
    "double": "number",
    "decimal": "number",
    "int": "integer",
    "long": "integer",
    "short": "integer",
    "byte": "integer",
    "int32": "integer",
    "int64": "integer",
    "bool": "boolean",
    "str": "string",
    "text": "string",
    "char": "string",
    "none": "null",
    "nonetype": "null",
}
_STANDARD = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})


def accepted_types(schema: dict[str, Any]) -> list[str] | None:
    """The types a schema allows, by their standard names; None when it allows every type or names one we do not know."""
    declared = schema.get("type")
    if declared is None:
        return None
    names = declared if isinstance(declared, list) else [declared]
    found: list[str] = []
    for name in names:
        if isinstance(name, dict):
            return None  # draft 3: a schema among the types
        standard = _standard_name(name)
        if standard is None:
            return None
        found.append(standard)
    if schema.get("nullable") is True:
        found.append("null")
    return found


def _standard_name(name: Any) -> str | None:
    if not isinstance(name, str):
        return None
    word = name.lower()
    return word if word in _STANDARD else _DIALECT.get(word)


def is_of(value: Any, types: Iterable[str]) -> bool:
    actual = json_type(value)
    return actual in types or (actual == "integer" and "number" in types)


def listed(types: Iterable[str]) -> str:
    """`string`, `string or null`."""
    return " or ".join(dict.fromkeys(types)) or "nothing"
