"""What is graded harmless is harmless: said by a validator that knows nothing of drift, over random schemas and values."""

import json
import os
import random
import sys
from pathlib import Path

from jsonschema import Draft202012Validator

from codespar_cli.core.administration.tool_drift import GRADES
from codespar_cli.plugins.observability.drift.canonical import canonical
from codespar_cli.plugins.observability.drift.notation import meaning_of
from codespar_cli.plugins.observability.drift.tool_diff import tool_changes

sys.path.insert(0, str(Path(__file__).parent))
import random_schemas

HARMLESS = {"notation", "docs", "compatible"}
CASES = int(os.environ.get("DRIFT_CASES", "1500"))
VALUES = 40


def drift(field, old, new):
    return tool_changes({"name": "t", field: old}, {"name": "t", field: new})


def grades(field, old, new):
    return {change.grade for change in drift(field, old, new)}


def cases(salt):
    """Pairs of an old and a new schema: most of them a little changed, some unrelated."""
    for seed in range(CASES):
        rng = random.Random(f"{salt} {seed}")
        old = random_schemas.schema(rng)
        new = random_schemas.schema(rng) if rng.random() < 0.1 else random_schemas.mutated(rng, old)
        yield seed, rng, old, new


def names_a_property(old, new):
    """Whether the new one names more properties anywhere: what callers did not know, they did not send."""
    return any(count > named(old).get(name, 0) for name, count in named(new).items())


def named(schema, found=None):
    """How often each property is named."""
    found = {} if found is None else found
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "properties":
                for name in value:
                    found[name] = found.get(name, 0) + 1
            named(value, found)
    elif isinstance(schema, list):
        for value in schema:
            named(value, found)
    return found


def counterexample(rng, first, second):
    """A value that the first takes and the second does not."""
    one, two = Draft202012Validator(first), Draft202012Validator(second)
    for _ in range(VALUES):
        value = random_schemas.value(rng)
        if one.is_valid(value) and not two.is_valid(value):
            return json.dumps({"first": first, "second": second, "value": value})
    return None


def test_what_was_taken_still_is_after_a_compatible_change_of_the_input():
    looked_at = 0
    for seed, rng, old, new in cases("input"):
        if grades("inputSchema", old, new) <= HARMLESS and not names_a_property(old, new):
            looked_at += 1
            assert counterexample(rng, old, new) is None, seed
    assert looked_at > CASES // 10


def test_nothing_new_comes_after_a_compatible_change_of_the_output():
    looked_at = 0
    for seed, rng, old, new in cases("output"):
        if grades("outputSchema", old, new) <= HARMLESS:
            looked_at += 1
            assert counterexample(rng, new, old) is None, seed
    assert looked_at > CASES // 10


def test_most_changes_that_break_nothing_are_not_called_breaking():
    """The other side of caution: of changes that no value tells from none, in either direction, few are `breaking`."""
    alarms = quiet = 0
    for _, rng, old, new in cases("caution"):
        if counterexample(rng, old, new) is None:
            quiet += 1
            alarms += "breaking" in grades("inputSchema", old, new)
    assert quiet > CASES // 4
    assert alarms < quiet * 0.6


def test_nothing_changed_is_no_change():
    for seed, _, old, _ in cases("same"):
        twin = json.loads(json.dumps(old))
        assert drift("inputSchema", old, twin) == drift("outputSchema", old, twin) == [], seed


def test_it_is_notation_exactly_when_the_meaning_is_the_same_and_the_text_is_not():
    for seed, _, old, new in cases("notation"):
        for field in ("inputSchema", "outputSchema"):
            found = grades(field, old, new)
            if canonical(old) == canonical(new):
                assert found == set()
            elif meaning_of(field, old) == meaning_of(field, new):
                assert found == {"notation"}, seed
            else:
                assert found, seed
                assert found <= set(GRADES) - {"notation"}, seed


def test_every_change_of_meaning_is_found_by_the_walk_itself():
    """The last resort, the whole field as one change, is for what the walk has no words for."""
    for seed, _, old, new in cases("words"):
        assert all(len(change.path) > 1 or change.grade == "notation" for change in drift("inputSchema", old, new)), (
            seed,
            json.dumps([old, new]),
        )


def test_two_notations_of_one_meaning_take_the_same():
    looked_at = 0
    for seed, rng, old, _ in cases("two notations"):
        new = otherwise_written(rng, old)
        if canonical(new) != canonical(old):
            looked_at += 1
            assert grades("inputSchema", old, new) == {"notation"}, (seed, json.dumps([old, new]))
            assert counterexample(rng, old, new) is counterexample(rng, new, old) is None, seed
    assert looked_at > CASES // 4


def test_input_and_output_are_each_others_mirror():
    """What breaks callers one way breaks readers the other way round."""
    for seed, _, old, new in cases("mirror"):
        there_or_not = any(
            change.path[-2:-1] == ("properties",) and (change.before is None or change.after is None)
            for change in drift("inputSchema", old, new)
        )
        if not there_or_not and not names_a_property(old, new) and not names_a_property(new, old):
            forward, backward = grades("inputSchema", old, new), grades("outputSchema", new, old)
            assert ("breaking" in forward) == ("breaking" in backward), (seed, json.dumps([old, new]))


def otherwise_written(rng, schema, holds_names=False):
    """The same meaning: other orders, one type as text or list, `const` or an enum, 1.0 for 1."""
    if isinstance(schema, list):
        return [otherwise_written(rng, item) for item in schema]
    if not isinstance(schema, dict):
        return float(schema) if type(schema) is int else schema
    found = {}
    for key in rng.sample(sorted(schema), len(schema)):
        value = schema[key]
        if not holds_names and key in {"required", "enum", "anyOf", "oneOf", "allOf"} and isinstance(value, list):
            value = rng.sample(value, len(value))
        if not holds_names and key == "type":
            names = [value] if isinstance(value, str) else rng.sample(value, len(value))
            found[key] = names[0] if len(names) == 1 and rng.random() < 0.5 else names
        elif not holds_names and key == "const" and "enum" not in schema:
            found["enum"] = [value]
        elif not holds_names and key in {"const", "default", "enum"}:
            found[key] = value
        else:
            maps = {"properties", "patternProperties", "dependentSchemas", "$defs", "dependentRequired"}
            found[key] = otherwise_written(rng, value, not holds_names and key in maps)
    return found
