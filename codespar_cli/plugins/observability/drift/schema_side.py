"""One of the two schemas that are compared: its references, its branches, what its texts are."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from codespar_cli.plugins.observability.drift.canonical import canonical
from codespar_cli.plugins.observability.drift.notation import Notation
from codespar_cli.plugins.observability.drift.schema_keywords import DOCS, Schema, types_of, values_of

_SILENT = frozenset({*DOCS, "default", "$defs", "definitions", "$schema"})
_MOST_BRANCHES = 200


class Side:
    """A whole document. References stay within it: nothing is fetched, a reference out of it stands for itself."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self._notation = Notation(document)
        self._made: dict[str, Schema] = {}
        self._kept: list[Schema] = []
        self.visited: set[int] = set()
        # Whether there are references that cannot be followed.
        self.opaque = any(word in canonical(document) for word in ('"$dynamicRef"', '"$recursiveRef"'))

    def text(self, schema: Any) -> str:
        return self._notation.text(schema)

    def normal(self, schema: Schema) -> Any:
        """What is left of a schema that is not of the document when nothing but meaning is."""
        self._kept.append(schema)
        return self._notation.normal(schema)

    def follow(self, schema: Any) -> tuple[Any, str | None]:
        """The schema that a mere reference, or an `allOf` of one, stands for; and the last reference on the way."""
        through: str | None = None
        seen: set[int] = set()
        while isinstance(schema, dict) and id(schema) not in seen:
            seen.add(id(schema))
            said = assertions(schema)
            if said == {"$ref"}:
                target = self._target(schema["$ref"])
                if target is None:
                    break
                through, schema = schema["$ref"], target[0]
                self.visited.add(id(schema))
            elif said == {"allOf"} and isinstance(schema["allOf"], list) and len(schema["allOf"]) == 1:
                schema = schema["allOf"][0]
            else:
                break
        return schema, through

    def resolves(self, reference: Any) -> bool:
        return self._target(reference) is not None

    def reference(self, text: str) -> Schema:
        """A schema that is only this reference."""
        if text not in self._made:
            self._made[text] = {"$ref": text}
        return self._made[text]

    def branches(self, schema: Any) -> list[Any] | None:
        """The alternatives of a schema that is nothing else; None for any other."""
        if not isinstance(schema, dict):
            return None
        said = assertions(schema)
        if said == {"anyOf"} and isinstance(schema["anyOf"], list):
            return list(schema["anyOf"])
        if said == {"oneOf"} and isinstance(schema["oneOf"], list) and self.are_disjoint(schema["oneOf"]):
            return list(schema["oneOf"])
        return None

    def alternatives(self, schema: Any) -> list[Any]:
        """A schema as alternatives: its branches and theirs, and one for each type it names."""
        schema, _ = self.follow(schema)
        branches = self.branches(schema)
        if branches is not None:
            return [inner for branch in branches[:_MOST_BRANCHES] for inner in self._flat(branch)]
        if isinstance(schema, dict) and isinstance(schema.get("type"), list):
            found = [{**schema, "type": name} for name in schema["type"]]
            self._kept += found
            return list(found)
        return [schema]

    def _flat(self, branch: Any) -> list[Any]:
        followed, through = self.follow(branch)
        # A branch that refers back to what holds it would never end.
        return [branch] if through is not None or self.branches(followed) is not None else self.alternatives(branch)

    def are_disjoint(self, branches: list[Any]) -> bool:
        """Whether no value is in two of them, as far as types and listed values tell: then `oneOf` is `anyOf`."""
        if len(branches) > _MOST_BRANCHES:
            return False
        followed = [self.follow(branch)[0] for branch in branches]
        return all(
            _disjoint(first, second, self) for index, first in enumerate(followed) for second in followed[:index]
        )

    def _target(self, reference: Any) -> tuple[Any] | None:
        """What a JSON pointer names. Anchors are not looked up: one stands for itself."""
        found = self._pointed(unquote(reference[1:])) if isinstance(reference, str) and reference[:1] == "#" else None
        self.opaque = self.opaque or found is None
        return found

    def _pointed(self, pointer: str) -> tuple[Any] | None:
        if pointer and not pointer.startswith("/"):
            return None
        place = self.document
        for step in pointer.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if isinstance(place, dict) and key in place:
                place = place[key]
            elif isinstance(place, list) and key.isascii() and key.isdigit() and len(key) < 9 and int(key) < len(place):
                place = place[int(key)]
            else:
                return None
        return (place,)


def assertions(schema: Schema) -> set[str]:
    """The keywords that decide which values are taken, and every one that is not known."""
    return {key for key in schema if key not in _SILENT}


def _disjoint(first: Any, second: Any, side: Side) -> bool:
    if first is False or second is False:
        return True
    if not isinstance(first, dict) or not isinstance(second, dict):
        return False
    types, others = types_of(first), types_of(second)
    if types is not None and others is not None and not types & others:
        return True
    values, other_values = values_of(first), values_of(second)
    if values is not None and other_values is not None and not values & other_values:
        return True
    return types == others == frozenset({"object"}) and _told_apart(first, second)


def _told_apart(first: Schema, second: Schema) -> bool:
    """Whether both require one property, and no value of it is in both."""
    for name in _names(first.get("required")) & _names(second.get("required")):
        one, other = (_property(side, name) for side in (first, second))
        if one is not None and other is not None and not one & other:
            return True
    return False


def _property(schema: Schema, name: str) -> frozenset[str] | None:
    properties = schema.get("properties")
    found = properties.get(name) if isinstance(properties, dict) else None
    return values_of(found) if isinstance(found, dict) else None


def _names(value: Any) -> set[str]:
    return {name for name in value if isinstance(name, str)} if isinstance(value, list) else set()
