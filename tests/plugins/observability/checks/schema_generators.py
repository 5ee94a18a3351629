"""Seeded random schemas, values for them, and values beside them: small enough that both outcomes are frequent."""

from __future__ import annotations

from typing import Any

NAMES = ["a", "b", "c", "d", "x-1", "y/z", "~t"]
PATTERNS = ["^[a-c]+$", "^a", "b$", r"\d{2}", "^(ab|c)*$", "[^a]", "x|^$", r"^\w+\.\w$", "^(?!a)"]
TEXTS = ["", "a", "ab", "abc", "c", "12", "x", "a.b", "ba", "x-1", "é", "𝒳b"]
NUMBERS = [0, 1, 2, 3, 5, 7, 10, -1, -4, 1.0, 2.5, 0.5, 1.5, 100, 1e15, 2**70]


class Generator:
    def __init__(self, random) -> None:
        self.random = random
        self.definitions: list[str] = []

    def root(self) -> dict[str, Any]:
        self.definitions = [f"d{n}" for n in range(self.random.randrange(3))]
        schema = self.schema(3)
        while not isinstance(schema, dict):
            schema = self.schema(3)
        if self.definitions:
            # Definitions refer to nothing: whatever refers back to itself without an end has no verdict to compare.
            names, self.definitions = self.definitions, []
            schema = {**schema, "$defs": {name: self.schema(2) for name in names}}
        return schema

    def schema(self, depth: int) -> Any:
        pick = self.random
        if pick.random() < 0.04:
            return pick.random() < 0.6
        found: dict[str, Any] = {}
        if self.definitions and pick.random() < 0.12:
            found["$ref"] = f"#/$defs/{pick.choice(self.definitions)}"
        kinds = ["string", "number", "integer", "object", "array", "boolean", "null"]
        kind = pick.choice(kinds)
        if pick.random() < 0.75:
            found["type"] = kind if pick.random() < 0.85 else sorted({kind, pick.choice(kinds)})
        for keyword, chance, make in self._keywords(depth, kind):
            if pick.random() < chance:
                found[keyword] = make()
        return found

    def _keywords(self, depth, kind):
        pick = self.random

        def small():
            return pick.randrange(4)

        def sub():
            return self.schema(depth - 1)

        def some():
            return [sub() for _ in range(pick.randrange(1, 4))]

        def names():
            return pick.sample(NAMES, pick.randrange(1, 3))

        yield (
            "enum",
            0.08,
            lambda: [self.value(2) for _ in range(pick.randrange(1, 5))] + pick.choice([[], list(range(40))]),
        )
        yield "const", 0.04, lambda: self.value(2)
        if kind == "string":
            yield "minLength", 0.2, small
            yield "maxLength", 0.2, small
            yield "pattern", 0.3, lambda: pick.choice(PATTERNS)
        if kind in {"number", "integer"}:
            for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
                yield keyword, 0.15, lambda: pick.choice(NUMBERS[:12])
            yield "multipleOf", 0.15, lambda: pick.choice([1, 2, 0.5, 3])
        if depth and kind == "object":
            yield "properties", 0.8, lambda: {name: sub() for name in pick.sample(NAMES, pick.randrange(4))}
            yield "required", 0.4, names
            yield "additionalProperties", 0.4, lambda: pick.choice([False, False, True, sub()])
            yield "patternProperties", 0.15, lambda: {pick.choice(["^a", "[bc]", "-"]): sub()}
            yield "propertyNames", 0.08, lambda: {"pattern": pick.choice(["^[a-d]", "."])}
            yield "minProperties", 0.1, small
            yield "maxProperties", 0.1, small
            yield "dependentRequired", 0.1, lambda: {pick.choice(NAMES): names()}
            yield "dependentSchemas", 0.08, lambda: {pick.choice(NAMES): sub()}
            yield "unevaluatedProperties", 0.15, lambda: pick.choice([False, sub()])
        if depth and kind == "array":
            yield "items", 0.6, sub
            yield "prefixItems", 0.25, some
            yield "minItems", 0.15, small
            yield "maxItems", 0.15, small
            yield "uniqueItems", 0.2, lambda: True
            yield "contains", 0.2, sub
            yield "minContains", 0.1, small
            yield "maxContains", 0.1, small
            yield "unevaluatedItems", 0.15, lambda: pick.choice([False, sub()])
        if depth:
            yield "allOf", 0.1, some
            yield "anyOf", 0.12, some
            yield "oneOf", 0.1, some
            yield "not", 0.06, sub
            if pick.random() < 0.08:
                yield "if", 1, sub
                yield "then", 0.7, sub
                yield "else", 0.7, sub

    def value(self, depth: int) -> Any:
        pick = self.random
        kind = pick.randrange(7 if depth else 5)
        if kind == 0:
            return pick.choice(TEXTS)
        if kind == 1:
            return pick.choice(NUMBERS)
        if kind == 2:
            return pick.choice([True, False])
        if kind == 3:
            return None
        if kind == 4:
            return pick.randrange(4)
        if kind == 5:
            return [self.value(depth - 1) for _ in range(pick.randrange(4))]
        return {name: self.value(depth - 1) for name in pick.sample(NAMES, pick.randrange(4))}

    def value_for(self, schema: Any, depth: int = 4) -> Any:
        """A value that tries to fit: without this nearly everything would be refused by its type alone."""
        pick = self.random
        if not isinstance(schema, dict) or depth == 0 or pick.random() < 0.06:
            return self.value(2)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return pick.choice(schema["enum"])
        for keyword in ("anyOf", "oneOf", "allOf"):
            if keyword in schema and "type" not in schema:
                return self.value_for(pick.choice(schema[keyword]), depth - 1)
        kind = schema.get("type", pick.choice(["object", "array", "string", "integer"]))
        kind = pick.choice(kind) if isinstance(kind, list) else kind
        match kind:
            case "object":
                known = schema.get("properties", {})
                wanted = {*schema.get("required", []), *(name for name in known if pick.random() < 0.6)}
                extra = pick.sample(NAMES, 1) if pick.random() < 0.2 else []
                return {name: self.value_for(known.get(name, True), depth - 1) for name in sorted({*wanted, *extra})}
            case "array":
                first = schema.get("prefixItems", [])
                length = pick.randrange(5)
                return [
                    self.value_for(
                        first[n] if n < len(first) else schema.get("items", schema.get("contains")), depth - 1
                    )
                    for n in range(length)
                ]
            case "string":
                return pick.choice(TEXTS)
            case "integer" | "number":
                return pick.choice(NUMBERS)
            case "boolean":
                return pick.random() < 0.5
        return None
