"""What a definition means, apart from how it is written: two notations of one meaning become one text.

Notation is: the order of `required`, `enum`, `type`, `anyOf`, `oneOf`, `allOf` and `dependentRequired`; one type as text
or as a list of one; `integer` beside `number`; `const` or an enum of one; a schema `true` or `{}`; empty `required`,
`properties` and `$defs`; `additionalProperties: true`; annotations that say what holds without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from codespar_cli.plugins.observability.drift.canonical import canonical

HINTS: Mapping[str, bool] = {
    "readOnlyHint": False,
    "destructiveHint": True,
    "idempotentHint": False,
    "openWorldHint": True,
}
"""What the protocol assumes of a tool that says nothing. In each case it is the less safe of the two."""

SUBSCHEMA = frozenset(
    {
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
SUBSCHEMA_MAPS = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
SUBSCHEMA_SETS = frozenset({"allOf", "anyOf", "oneOf"})
SCHEMA_FIELDS = ("inputSchema", "outputSchema")


class Notation:
    """The texts of one document's schemas, each made once; the document must outlive it and stay as it is."""

    def __init__(self, document: Any) -> None:
        self._sealed = '"unevaluated' in canonical(document)
        self._normal: dict[int, Any] = {}
        self._texts: dict[int, str] = {}
        self._kept: list[Any] = []  # an id is only good while its object lives

    def text(self, schema: Any) -> str:
        key = id(schema)
        if key not in self._texts:
            self._kept.append(schema)
            self._texts[key] = canonical(self.normal(schema))
        return self._texts[key]

    def normal(self, schema: Any) -> Any:
        if schema is True:
            return {}
        if not isinstance(schema, dict):
            return schema
        key = id(schema)
        if key not in self._normal:
            self._kept.append(schema)
            self._normal[key] = self._normalised(schema)
        return self._normal[key]

    def _normalised(self, schema: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for keyword, value in schema.items():
            if keyword == "const" and "enum" not in schema:
                found["enum"] = [value]
            elif not self._says_nothing(keyword, value):
                found[keyword] = self._value(keyword, value)
        return found

    def _says_nothing(self, keyword: str, value: Any) -> bool:
        if keyword == "additionalProperties":
            return not self._sealed and (value is True or value == {})
        return (keyword == "required" and value == []) or (keyword in SUBSCHEMA_MAPS and value == {})

    def _value(self, keyword: str, value: Any) -> Any:
        if keyword in SUBSCHEMA_MAPS and isinstance(value, dict):
            return {name: self.normal(inner) for name, inner in value.items()}
        if keyword in SUBSCHEMA_SETS and isinstance(value, list):
            branches = [self.normal(branch) for branch in value]
            return in_order(branches, unique=keyword != "oneOf")
        if keyword in {"prefixItems", "items"} and isinstance(value, list):
            return [self.normal(item) for item in value]
        if keyword in SUBSCHEMA:
            return self.normal(value)
        if keyword == "type":
            return _types(value)
        if keyword in {"enum", "required"} and isinstance(value, list):
            return in_order(value)
        if keyword == "dependentRequired" and isinstance(value, dict):
            return {name: in_order(names) if isinstance(names, list) else names for name, names in value.items()}
        return value


def in_order(values: Iterable[Any], *, unique: bool = True) -> list[Any]:
    """The values as a set, or as a bag."""
    pairs = [(canonical(value), value) for value in values]
    if unique:
        return [value for _, value in sorted(dict(pairs).items())]
    return [value for _, value in sorted(pairs, key=lambda pair: pair[0])]


def meaning_of(field: str, value: Any) -> str:
    """The text of what one field of a tool means."""
    if field in SCHEMA_FIELDS:
        return Notation(value).text(value)
    if field == "annotations":
        return canonical(_annotations(value))
    return canonical(value)


def _types(value: Any) -> Any:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return value
    return sorted(set(names) - ({"integer"} if "number" in names else set()))


def _annotations(value: Any) -> Any:
    if value is None:
        return {}
    if not isinstance(value, dict):
        return value
    return {key: said for key, said in value.items() if key not in HINTS or said is not HINTS[key]}
