"""Calls with exactly one fault, and the verdict that is right for it: schemas are built beside a valid value, so that
every place is known for what it is.
"""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any, NamedTuple

WORDS = ["path", "query", "limit", "mode", "owner", "repo", "title", "body", "labels", "state", "region", "amount"]


class Place(NamedTuple):
    """Where a value is, and what its schema says."""

    path: tuple[str | int, ...]
    schema: dict[str, Any]


class Case(NamedTuple):
    call: dict[str, Any]
    expected: tuple[str, str, str]  # check, severity, path


class Corpus:
    """One tool with its valid call, and every mutation of it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.places: list[Place] = []
        self.definitions: dict[str, Any] = {}
        schema, self.arguments = self._object((), 3)
        if self.definitions:
            schema["$defs"] = self.definitions
        self.name = "_".join(self.random.sample(["get", "issue", "customer", "report", "sync", "billing"], 3))
        self.catalogue = {"tools": [{"name": self.name, "inputSchema": schema}, {"name": "zz_quite_other"}]}

    @property
    def call(self) -> dict[str, Any]:
        return {"name": self.name, "arguments": self.arguments}

    def cases(self) -> list[Case]:
        found = [self._misspelled()]
        for place in self.places:
            found.extend(self._mutations(place))
        return found

    # ── a schema and a value that fits it ──

    def _object(self, path, depth):
        pick = self.random
        names = pick.sample(WORDS, pick.randrange(1, 6))
        properties, value, required = {}, {}, []
        for name in names:
            given = pick.random() < 0.85
            inner, item = self._any((*path, name), depth - 1, record=given)
            properties[name] = inner
            if given:
                value[name] = item
                if pick.random() < 0.6:
                    required.append(name)
        schema = {"type": "object", "properties": properties, "required": required}
        closing = pick.choice([None, "additionalProperties", "unevaluatedProperties", "allOf"])
        if closing == "allOf":
            schema = {"type": "object", "allOf": [{"properties": properties}, {"required": required}]}
            schema["unevaluatedProperties"] = False
        elif closing is not None:
            schema[closing] = False
        self.places.append(Place(path, {**schema, "closed": closing is not None, "names": names, "needed": required}))
        return schema, value

    def _any(self, path, depth, *, record):
        pick = self.random
        kept = len(self.places)
        kind = pick.choice(
            ["string", "integer", "number", "boolean", "enum", "const", "nullable", "array", "object", "ref"]
        )
        if depth <= 0 and kind in {"array", "object", "ref"}:
            kind = "string"
        made = getattr(self, f"_{kind}")
        schema, value = made(path, depth)
        if not record:
            del self.places[kept:]
        return schema, value

    def _keep(self, path, schema, value):
        self.places.append(Place(path, schema))
        return schema, value

    def _string(self, path, depth):
        schema, value = self.random.choice(
            [
                ({"type": "string"}, "some text"),
                ({"type": "string", "minLength": 2, "maxLength": 9}, "abcde"),
                ({"type": "string", "pattern": "^[a-z]{3}-[0-9]+$"}, "abc-12"),
                ({"type": "string", "format": "date"}, "2026-11-23"),
                ({"type": "string", "format": "email"}, "a@example.org"),
                ({"type": "string", "format": "uri"}, "https://example.org/x"),
            ]
        )
        return self._keep(path, schema, value)

    def _integer(self, path, depth):
        schema = self.random.choice([{}, {"minimum": 1, "maximum": 100}, {"exclusiveMinimum": 0}, {"multipleOf": 5}])
        return self._keep(path, {"type": "integer", **schema}, self.random.choice([5, 10, 25.0]))

    def _number(self, path, depth):
        return self._keep(path, {"type": "number", "maximum": 10}, self.random.choice([0.5, 3, 9.75]))

    def _boolean(self, path, depth):
        return self._keep(path, {"type": "boolean"}, self.random.random() < 0.5)

    def _enum(self, path, depth):
        return self._keep(path, {"type": "string", "enum": ["open", "closed", "merged"]}, "open")

    def _const(self, path, depth):
        return self._keep(path, {"const": "v2"}, "v2")

    def _nullable(self, path, depth):
        value = self.random.choice([None, "text"])
        form = self.random.choice(
            [
                {"type": ["string", "null"]},
                {"anyOf": [{"type": "string"}, {"type": "null"}]},
                {"type": "string", "nullable": True},
            ]
        )
        return self._keep(path, form, value)

    def _array(self, path, depth):
        length = self.random.randrange(1, 4)
        inner, item = self._any((*path, 0), depth - 1, record=True)
        value = [item, *(copy.deepcopy(item) for _ in range(length - 1))]
        return self._keep(path, {"type": "array", "items": inner, "maxItems": 5, "minItems": 1}, value)

    def _ref(self, path, depth):
        inner, value = self._object(path, depth)
        name = f"d{len(self.definitions)}"
        self.definitions[name] = inner
        return {"$ref": f"#/$defs/{name}"}, value

    # ── one fault ──

    def _mutations(self, place):
        schema, path = place.schema, place.path
        if "closed" in schema:
            yield self._case(path, lambda value: value.update(zq_unheard_of=1), "unknown_argument",
                             "error" if schema["closed"] else "warn", "zq_unheard_of")  # fmt: skip
            for name in schema["needed"]:
                yield self._case(path, lambda value, name=name: value.pop(name), "missing_argument", "error", name)
            if path:
                yield self._replaced(path, "not an object", "wrong_type")
            return
        if "const" in schema:
            yield self._replaced(path, "v3", "not_in_enum")
        elif "enum" in schema:
            yield self._replaced(path, "Open", "not_in_enum")
            yield self._replaced(path, 7, "wrong_type")
        else:
            yield self._replaced(path, {"nested": "x"}, "wrong_type")
        kind = schema["type"] if isinstance(schema.get("type"), str) else None
        if kind in {"integer", "number"}:
            yield self._replaced(path, True, "wrong_type")
            yield self._replaced(path, "5", "wrong_type")
            yield self._replaced(path, None, "wrong_type")
        if kind == "integer":
            yield self._replaced(path, 2.5, "wrong_type")
        if kind == "boolean":
            yield self._replaced(path, "true", "wrong_type")
            yield self._replaced(path, 1, "wrong_type")
        if kind == "array":
            yield self._replaced(path, [], "invalid_value")
            yield self._replaced(path, "a,b", "wrong_type")
        for keyword, value in (("maximum", 1000), ("exclusiveMinimum", 0), ("minimum", -3), ("multipleOf", 7),
                               ("minLength", "a"), ("maxLength", "a" * 10), ("pattern", "ABC-12"), ("format", "soon")):  # fmt: skip
            if keyword in schema:
                yield self._replaced(path, value, "invalid_value")

    def _replaced(self, path, value, check):
        arguments = copy.deepcopy(self.arguments)
        _container(arguments, path)[path[-1]] = value
        return Case({"name": self.name, "arguments": arguments}, (check, "error", _pointer(path)))

    def _case(self, path, change, check, severity, name):
        arguments = copy.deepcopy(self.arguments)
        change(_container(arguments, (*path, name)))
        return Case({"name": self.name, "arguments": arguments}, (check, severity, _pointer((*path, name))))

    def _misspelled(self):
        at = self.random.randrange(1, len(self.name) - 1)
        name = self.name[:at] + self.name[at + 1 :]
        return Case({"name": name, "arguments": json.dumps(self.arguments)}, ("unknown_tool", "error", ""))


def _container(value, path):
    for part in path[:-1]:
        value = value[part]
    return value


def _pointer(path):
    return "".join(f"/{part}" for part in path)
