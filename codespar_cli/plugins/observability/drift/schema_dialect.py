"""When a change of `$schema` changes what other keywords mean, and what is known of keywords that are none of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from codespar_cli.plugins.observability.drift.effect import Effect
from codespar_cli.plugins.observability.drift.schema_keywords import Schema

_MEANINGS_DIFFER = frozenset(
    {"$ref", "additionalItems", "const", "contains", "contentSchema", "dependencies", "dependentRequired"}
    | {"dependentSchemas", "else", "exclusiveMaximum", "exclusiveMinimum", "if", "maxContains", "minContains"}
    | {"prefixItems", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"}
)
"""Keywords that some dialect does not know, or reads otherwise. An `items` that is a list is one, too."""

_STEERING = frozenset(
    {"$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveAnchor", "$recursiveRef", "$vocabulary"}
    | {"dependencies", "disallow", "divisibleBy", "extends", "id"}
)


def effect(old: Schema, new: Schema) -> Effect:
    """Of another `$schema`: nothing but words where every dialect reads the rest alike."""
    return "other" if any(_is_sensitive(schema) for side in (old, new) for schema in _objects(side)) else "docs"


def unknown(key: str) -> Effect:
    """Of a change to a keyword that is not judged otherwise. The ones nobody knows are annotations to a validator."""
    return "other" if key in _STEERING else "equal"


def _is_sensitive(schema: Schema) -> bool:
    return not _MEANINGS_DIFFER.isdisjoint(schema) or isinstance(schema.get("items"), list)


def _objects(value: Any) -> Iterator[Schema]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
