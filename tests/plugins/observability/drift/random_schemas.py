"""Schemas, small changes of them, and values to try them on; all from one random generator, so that a seed is a case."""

import copy
import json

NAMES = ("a", "b", "c")
SCALARS = (None, True, False, 0, 1, 2, 3, 5, 1.5, -1, "", "x", "xx", "xxxx", "a", "b")
TYPES = ("string", "integer", "number", "boolean", "null", "object", "array")


def _some(rng, values, most):
    return rng.sample(values, rng.randint(0, min(most, len(values))))


def _types(rng):
    return rng.choice(TYPES) if rng.random() < 0.6 else rng.sample(TYPES, rng.randint(1, 3))


KEYWORDS = {
    "type": _types,
    "enum": lambda rng: rng.sample(SCALARS, rng.randint(1, 4)),
    "const": lambda rng: rng.choice(SCALARS),
    "minimum": lambda rng: rng.randint(0, 3),
    "maximum": lambda rng: rng.randint(1, 4),
    "exclusiveMinimum": lambda rng: rng.randint(0, 3),
    "exclusiveMaximum": lambda rng: rng.randint(1, 4),
    "multipleOf": lambda rng: rng.choice([1, 2, 3, 0.5, 1.5]),
    "minLength": lambda rng: rng.randint(0, 2),
    "maxLength": lambda rng: rng.randint(1, 4),
    "pattern": lambda rng: rng.choice(["^x", "x$", "^a|b$"]),
    "minItems": lambda rng: rng.randint(0, 2),
    "maxItems": lambda rng: rng.randint(1, 4),
    "uniqueItems": lambda rng: rng.random() < 0.5,
    "minProperties": lambda rng: rng.randint(0, 2),
    "maxProperties": lambda rng: rng.randint(1, 4),
    "required": lambda rng: _some(rng, NAMES, 2),
    "dependentRequired": lambda rng: {rng.choice(NAMES): _some(rng, NAMES, 2)},
    "description": lambda rng: rng.choice(["one", "two"]),
    "default": lambda rng: rng.choice(SCALARS),
}


def _one(rng, depth):
    return subschema(rng, depth - 1)


def _several(rng, depth):
    return [subschema(rng, depth - 1) for _ in range(rng.randint(1, 3))]


def _named(names):
    return lambda rng, depth: {name: subschema(rng, depth - 1) for name in _some(rng, names, 3)}


HOLDERS = {
    "properties": _named(NAMES),
    "additionalProperties": _one,
    "patternProperties": _named(("^a", "b")),
    "propertyNames": lambda rng, depth: {"pattern": rng.choice(["a", "^[ab]$"])},
    "items": _one,
    "prefixItems": _several,
    "contains": _one,
    "minContains": lambda rng, depth: rng.randint(0, 2),
    "maxContains": lambda rng, depth: rng.randint(0, 3),
    "anyOf": _several,
    "oneOf": _several,
    "allOf": _several,
    "not": _one,
    "if": _one,
    "then": _one,
    "else": _one,
    "dependentSchemas": _named(NAMES),
    "unevaluatedProperties": lambda rng, depth: rng.random() < 0.3,
    "unevaluatedItems": lambda rng, depth: rng.random() < 0.3,
}


def subschema(rng, depth):
    """One schema; deeper ones have fewer keywords."""
    chance = rng.random()
    if chance < 0.06:
        return rng.random() < 0.6
    if chance < 0.14:
        return {"$ref": rng.choice(["#/$defs/T", "#/$defs/U"])}
    found = {key: KEYWORDS[key](rng) for key in _some(rng, list(KEYWORDS), 2 if depth else 3)}
    if depth > 0:
        found |= {key: HOLDERS[key](rng, depth) for key in _some(rng, list(HOLDERS), 2)}
    return found


def schema(rng):
    """A document: mostly of an object with properties, with two definitions that it may refer to."""
    root = {key: KEYWORDS[key](rng) for key in _some(rng, list(KEYWORDS), 2)}
    root |= {key: HOLDERS[key](rng, 2) for key in _some(rng, list(HOLDERS), 2)}
    if rng.random() < 0.5:
        root = {**root, "type": "object", "properties": _named(NAMES)(rng, 2)}
    root["$defs"] = _ended({"T": subschema(rng, 1), "U": subschema(rng, 0)})
    return root


def mutated(rng, document):
    """The document with one to three keywords put in, taken out or given another value, anywhere."""
    new = copy.deepcopy(document)
    for _ in range(rng.randint(1, 3)):
        place, step = rng.choice(list(_places(new)))
        if step in {"properties", "patternProperties", "dependentSchemas"}:
            place[rng.choice(NAMES)] = subschema(rng, 1)
        elif step in {"$defs", "dependentRequired"}:
            continue
        elif place and rng.random() < 0.4:
            del place[rng.choice(sorted(place))]
        elif rng.random() < 0.6:
            key = rng.choice(list(KEYWORDS))
            place[key] = KEYWORDS[key](rng)
        else:
            key = rng.choice(list(HOLDERS))
            place[key] = HOLDERS[key](rng, 1)
    new["$defs"] = _ended({"T": {"type": "string"}, "U": {"type": "integer"}, **new.get("$defs", {})})
    return new


def value(rng, depth=2):
    """A JSON value near the edges of such schemas."""
    chance = rng.random()
    if depth == 0 or chance < 0.4:
        return rng.choice(SCALARS)
    if chance < 0.6:
        return [value(rng, depth - 1) for _ in range(rng.randint(0, 4))]
    return {name: value(rng, depth - 1) for name in _some(rng, NAMES, 3)}


def _places(inner, step=""):
    if isinstance(inner, dict):
        yield inner, step
        for key, held in inner.items():
            yield from _places(held, key)
    elif isinstance(inner, list):
        for held in inner:
            yield from _places(held, "")


def _ended(defs):
    """Definitions without references of their own, but for one within a property: a validator always comes to an end."""
    text = json.dumps(defs)
    if '"$ref"' not in text:
        return defs
    return {name: _unreferring(held, False) for name, held in defs.items()}


def _unreferring(held, inside):
    if isinstance(held, list):
        return [_unreferring(item, inside) for item in held]
    if not isinstance(held, dict):
        return held
    if "$ref" in held and not inside:
        held = {key: kept for key, kept in held.items() if key != "$ref"}
    deeper = {"properties", "items", "additionalProperties"}
    return {key: _unreferring(item, inside or key in deeper) for key, item in held.items()}
