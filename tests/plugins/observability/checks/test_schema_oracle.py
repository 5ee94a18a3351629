"""The evaluator beside `jsonschema`, the reference of the field: the same verdict on random schemas and values."""

from __future__ import annotations

from random import Random

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from schema_generators import Generator

from codespar_cli.plugins.observability.checks.schema.evaluator import Schema


def compared(seeds, validator=Draft202012Validator, change=lambda schema: schema):
    valid = total = 0
    for seed in seeds:
        generator = Generator(Random(seed))
        schema = change(generator.root())
        validator.check_schema(schema)
        oracle, ours = validator(schema), Schema(schema)
        for _ in range(5):
            value = generator.value_for(schema)
            faults, _, notes = ours.evaluate(value, 100)
            assert notes == []
            expected = oracle.is_valid(value)
            assert (not faults) == expected, (seed, schema, value, faults)
            valid, total = valid + expected, total + 1
    return valid, total


def test_every_verdict_is_the_oracles():
    valid, total = compared(range(600))
    assert total == 3000
    assert 0.3 < valid / total < 0.7


@pytest.mark.slow
def test_every_verdict_is_the_oracles_over_many_schemas():
    _, total = compared(range(600, 40_000))
    assert total == 197_000


DRAFT_7 = "http://json-schema.org/draft-07/schema#"


def draft_7(schema):
    """The same in the words of draft 7. What that draft has no word for is left out."""
    if isinstance(schema, list):
        return [draft_7(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    left_out = {"unevaluatedProperties", "unevaluatedItems", "minContains", "maxContains"}
    found = {}
    for key, item in schema.items():
        if key in left_out:
            continue
        if key in {"properties", "patternProperties", "$defs", "dependentSchemas"}:
            item = {name: draft_7(inner) for name, inner in item.items()}
        elif key not in {"enum", "const", "required", "dependentRequired"}:
            item = draft_7(item)
        found[key] = item
    if "prefixItems" in found:
        rest = found.pop("items", True)
        found["items"], found["additionalItems"] = found.pop("prefixItems"), rest
    both = {**found.pop("dependentSchemas", {}), **found.pop("dependentRequired", {})}
    return {**found, "dependencies": both} if both else found


def test_the_words_of_draft_7_mean_what_they_meant():
    valid, total = compared(range(600), Draft7Validator, lambda schema: {"$schema": DRAFT_7, **draft_7(schema)})
    assert 0.3 < valid / total < 0.7
