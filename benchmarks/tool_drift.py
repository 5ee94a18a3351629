"""Drift of tool definitions: is every grade right, and what does a look cost?

A corpus of definitions, each changed by every rule of docs/tool-drift.md in turn, with the exact changes that must be
told (field and grade): schema rules once on the input and once, reversed, on the output. Prints precision and recall of
each grade, then microseconds for fingerprints and comparisons beside `json.dumps` and SHA-256 alone in the same run.
Promise: precision and recall 1.0.
"""

from __future__ import annotations

import copy
import hashlib
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from codespar_cli.core.administration.tool_drift import GRADES
from codespar_cli.plugins.observability.drift.catalogue import listed_tools
from codespar_cli.plugins.observability.drift.pin_store import PinStore
from codespar_cli.plugins.observability.drift.tool_diff import field_name, tool_changes

Json = dict[str, Any]
TOOLS = 40
WORDS = ("file", "issue", "branch", "label", "query", "owner", "region", "amount", "comment", "folder")
MIRROR = {"wider": ("compatible", "breaking"), "narrower": ("breaking", "compatible")}
SAME_BOTH_WAYS = {
    "notation": "notation",
    "docs": "docs",
    "equal": "compatible",
    "new": "compatible",
    "other": "breaking",
}


class Case(NamedTuple):
    rule: str
    old: Json
    new: Json
    expected: frozenset[tuple[str, str]]


def base_schema(rng: random.Random) -> Json:
    """An object with one property of each sort that the rules need, and others beside them."""
    noise = {
        f"{word}_{rng.randint(1, 99)}": {"type": "string", "description": f"the {word}"}
        for word in rng.sample(WORDS, 3)
    }
    properties: Json = {
        "text": {"type": "string", "minLength": 1, "maxLength": rng.randint(20, 90), "description": "some text"},
        "count": {"type": "integer", "minimum": 1, "maximum": rng.randint(50, 99)},
        "sort": {"type": "string", "enum": rng.sample(["asc", "desc", "name", "size", "date"], 3)},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 9, "uniqueItems": True},
        "choice": {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "integer", "minimum": 0}]},
        "inner": {"type": "object", "properties": {"leaf": {"type": "number"}, "note": {"type": "string"}}},
        "point": {"$ref": "#/$defs/Point"},
        **noise,
    }
    names = rng.sample(list(properties), len(properties))
    found = {"type": "object", "properties": {name: properties[name] for name in names}, "required": ["text", "count"]}
    found["$defs"] = {"Point": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}}
    if rng.random() < 0.5:
        found["additionalProperties"] = False
    return found


def base_tool(rng: random.Random) -> Json:
    name = f"{rng.choice(['get', 'list', 'make', 'drop'])}_{rng.choice(WORDS)}"
    return {
        "name": name,
        "title": name.replace("_", " ").title(),
        "description": f"It will {name.replace('_', ' ')} and say how it went.",
        "inputSchema": base_schema(rng),
        "outputSchema": base_schema(rng),
        "annotations": {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False},
    }


def put(path: str, value: Any) -> Callable[[Json], None]:
    """A change that sets one place: `properties.text.type`."""

    def change(schema: Json) -> None:
        *way, last = path.split(".")
        place: Any = schema
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value

    return change


def drop(path: str) -> Callable[[Json], None]:
    def change(schema: Json) -> None:
        *way, last = path.split(".")
        place: Any = schema
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        del place[int(last) if isinstance(place, list) else last]

    return change


P = "properties"
# rule, change, where it must be told, what it does to the values taken
SCHEMA_RULES: list[tuple[str, Callable[[Json], None], str, str]] = [
    ("type widened to an array", put(f"{P}.text.type", ["string", "null"]), f"{P}.text.type", "wider"),
    ("type replaced", put(f"{P}.text.type", "boolean"), f"{P}.text.type", "other"),
    ("integer to number", put(f"{P}.count.type", "number"), f"{P}.count.type", "wider"),
    ("number to integer", put(f"{P}.inner.{P}.leaf.type", "integer"), f"{P}.inner.{P}.leaf.type", "narrower"),
    ("type dropped", drop(f"{P}.count.type"), f"{P}.count.type", "wider"),
    ("type as a list of one", put(f"{P}.text.type", ["string"]), "", "notation"),
    ("required added", put("required", ["text", "count", "sort"]), "required", "narrower"),
    ("required dropped", put("required", ["text"]), "required", "wider"),
    ("required swapped", put("required", ["text", "sort"]), "required", "other"),
    ("required reordered", put("required", ["count", "text"]), "", "notation"),
    ("enum value added", lambda s: s[P]["sort"]["enum"].append("random"), f"{P}.sort.enum", "wider"),
    ("enum value removed", lambda s: s[P]["sort"]["enum"].pop(), f"{P}.sort.enum", "narrower"),
    ("enum value replaced", lambda s: s[P]["sort"]["enum"].__setitem__(0, "no"), f"{P}.sort.enum", "other"),
    ("enum reordered", lambda s: s[P]["sort"]["enum"].reverse(), "", "notation"),
    ("enum dropped", drop(f"{P}.sort.enum"), f"{P}.sort.enum", "wider"),
    ("enum put on", put(f"{P}.text.enum", ["a", "b"]), f"{P}.text.enum", "narrower"),
    ("const put on", put(f"{P}.text.const", "a"), f"{P}.text.const", "narrower"),
    ("minimum raised", put(f"{P}.count.minimum", 5), f"{P}.count.minimum", "narrower"),
    ("minimum lowered", put(f"{P}.count.minimum", 0), f"{P}.count.minimum", "wider"),
    ("minimum dropped", drop(f"{P}.count.minimum"), f"{P}.count.minimum", "wider"),
    ("minimum as 1.0", put(f"{P}.count.minimum", 1.0), "", "none"),
    ("maximum lowered", put(f"{P}.count.maximum", 7), f"{P}.count.maximum", "narrower"),
    ("maximum raised", put(f"{P}.count.maximum", 700), f"{P}.count.maximum", "wider"),
    ("exclusive bound put on", put(f"{P}.count.exclusiveMinimum", 1), f"{P}.count.exclusiveMinimum", "narrower"),
    ("minLength raised", put(f"{P}.text.minLength", 2), f"{P}.text.minLength", "narrower"),
    ("minLength dropped", drop(f"{P}.text.minLength"), f"{P}.text.minLength", "wider"),
    ("maxLength lowered", put(f"{P}.text.maxLength", 10), f"{P}.text.maxLength", "narrower"),
    ("maxLength raised", put(f"{P}.text.maxLength", 900), f"{P}.text.maxLength", "wider"),
    ("pattern put on", put(f"{P}.text.pattern", "^a"), f"{P}.text.pattern", "narrower"),
    ("format put on", put(f"{P}.text.format", "email"), f"{P}.text.format", "narrower"),
    ("multipleOf put on", put(f"{P}.count.multipleOf", 5), f"{P}.count.multipleOf", "narrower"),
    ("items narrowed", put(f"{P}.tags.items.maxLength", 3), f"{P}.tags.items.maxLength", "narrower"),
    ("items type changed", put(f"{P}.tags.items.type", "integer"), f"{P}.tags.items.type", "other"),
    ("minItems raised", put(f"{P}.tags.minItems", 3), f"{P}.tags.minItems", "narrower"),
    ("maxItems raised", put(f"{P}.tags.maxItems", 30), f"{P}.tags.maxItems", "wider"),
    ("uniqueItems off", put(f"{P}.tags.uniqueItems", False), f"{P}.tags.uniqueItems", "wider"),
    ("anyOf branch added", lambda s: s[P]["choice"]["anyOf"].append({"type": "null"}), f"{P}.choice.anyOf", "wider"),
    ("anyOf branch removed", drop(f"{P}.choice.anyOf.1"), f"{P}.choice.anyOf", "narrower"),
    ("anyOf reordered", lambda s: s[P]["choice"]["anyOf"].reverse(), "", "notation"),
    ("anyOf branch narrowed", put(f"{P}.choice.anyOf.0.maxLength", 3), f"{P}.choice.anyOf[0].maxLength", "narrower"),
    ("anyOf to oneOf", lambda s: s[P]["choice"].update(oneOf=s[P]["choice"].pop("anyOf")), f"{P}.choice.oneOf", "equal"),
    ("allOf put on", put(f"{P}.text.allOf", [{"pattern": "x"}]), f"{P}.text.allOf", "narrower"),
    ("not put on", put(f"{P}.text.not", {"const": "no"}), f"{P}.text.not", "narrower"),
    ("nullable by anyOf", lambda s: s[P].update(tags={"anyOf": [s[P]["tags"], {"type": "null"}]}), f"{P}.tags.anyOf", "wider"),
    ("nested required put on", put(f"{P}.inner.required", ["leaf"]), f"{P}.inner.required", "narrower"),
    ("nested object closed", put(f"{P}.inner.additionalProperties", False), f"{P}.inner.additionalProperties", "narrower"),
    ("nested property added", put(f"{P}.inner.{P}.more", {"type": "string"}), f"{P}.inner.{P}.more", "new"),
    ("nested property removed", drop(f"{P}.inner.{P}.note"), f"{P}.inner.{P}.note", "wider"),
    ("$ref target narrowed", put(f"$defs.Point.{P}.x.minimum", 0), f"$defs.Point.{P}.x.minimum", "narrower"),
    ("$ref target widened", drop("$defs.Point.required"), "$defs.Point.required", "wider"),
    ("$ref made remote", put(f"{P}.point.$ref", "https://example.com/p.json"), f"{P}.point.$ref", "other"),
    ("description reworded", put(f"{P}.text.description", "other text"), f"{P}.text.description", "docs"),
    ("title put on", put(f"{P}.text.title", "Text"), f"{P}.text.title", "docs"),
    ("default put on", put(f"{P}.count.default", 3), f"{P}.count.default", "equal"),
    ("unused definition", put("$defs.Spare", {"type": "string"}), "$defs.Spare", "docs"),
    ("keys reordered", lambda s: s.update(properties=dict(reversed(s[P].items()))), "", "none"),
]  # fmt: skip


def schema_cases(tool: Json) -> Iterator[Case]:
    for rule, change, place, effect in SCHEMA_RULES:
        for side, field in enumerate(("inputSchema", "outputSchema")):
            new = copy.deepcopy(tool)
            change(new[field])
            yield Case(f"{field}: {rule}", tool, new, _expected(field, place, effect, side))


def _expected(field: str, place: str, effect: str, side: int) -> frozenset[tuple[str, str]]:
    path = f"{field}.{place}" if place else field
    if effect == "none":
        return frozenset()
    grade = MIRROR[effect][side] if effect in MIRROR else SAME_BOTH_WAYS[effect]
    return frozenset({(path, grade)})


def property_cases(tool: Json) -> Iterator[Case]:
    """Arguments and results that come and go: open and closed objects differ."""
    for side, field in enumerate(("inputSchema", "outputSchema")):
        closed = tool[field].get("additionalProperties") is False
        for name, asks in (("limit", False), ("conversation_history", True), ("apiKey", True), ("max_tokens", False)):
            new = copy.deepcopy(tool)
            new[field][P][name] = {"type": "string"}
            grade = "security" if asks and not side else MIRROR["wider"][side] if closed else "compatible"
            yield Case(f"{field}: property {name} added", tool, new, frozenset({(f"{field}.{P}.{name}", grade)}))
        new = copy.deepcopy(tool)
        del new[field][P]["sort"]
        grade = MIRROR["narrower" if closed else "wider"][side]
        yield Case(f"{field}: property removed", tool, new, frozenset({(f"{field}.{P}.sort", grade)}))
        new = copy.deepcopy(tool)
        if closed:
            del new[field]["additionalProperties"]
        else:
            new[field]["additionalProperties"] = False
        grade = MIRROR["wider" if closed else "narrower"][side]
        yield Case(f"{field}: opened or closed", tool, new, frozenset({(f"{field}.additionalProperties", grade)}))
    new = copy.deepcopy(tool)
    new["inputSchema"][P]["aside"] = {
        "type": "string",
        "description": "everything that other tools have returned so far",
    }
    yield Case("argument that asks in its text", tool, new, frozenset({(f"inputSchema.{P}.aside", "security")}))


def field_cases(tool: Json) -> Iterator[Case]:
    """Everything of a tool beside its schemas."""
    for rule, change, expected in (
        ("description reworded", put("description", "Other words."), ("description", "docs")),
        ("title reworded", put("title", "Other"), ("title", "docs")),
        ("icons put on", put("icons", [{"src": "https://example.com/i.png"}]), ("icons", "docs")),
        ("_meta put on", put("_meta", {"a": 1}), ("_meta", "compatible")),
        ("unknown field", put("extra", 1), ("extra", "compatible")),
        ("tasks required", put("execution", {"taskSupport": "required"}), ("execution.taskSupport", "breaking")),
        ("tasks offered", put("execution", {"taskSupport": "optional"}), ("execution.taskSupport", "compatible")),
        ("output promised no more", drop("outputSchema"), ("outputSchema", "breaking")),
        ("annotations.title", put("annotations.title", "T"), ("annotations.title", "docs")),
        ("zero width", put("description", "It\u200b."), ("description", "security")),
        ("bidi", put("title", "abc\u202etxt"), ("title", "security")),
        ("tags", put("description", "It.\U000e0041\U000e0042"), ("description", "security")),
        ("hidden in a text within", put(f"inputSchema.{P}.text.description", "a\u2060b"), (f"inputSchema.{P}.text.description", "security")),
        ("emoji are not hidden", put("description", "done \u2714\ufe0f \U0001f468\u200d\U0001f4bb"), ("description", "docs")),
    ):  # fmt: skip
        new = copy.deepcopy(tool)
        change(new)
        yield Case(rule, tool, new, frozenset({expected}))
    for hint, safe in tool["annotations"].items():
        flipped, vanished = copy.deepcopy(tool), copy.deepcopy(tool)
        flipped["annotations"][hint] = not safe
        del vanished["annotations"][hint]
        bad = frozenset({(f"annotations.{hint}", "security")})
        good = frozenset({(f"annotations.{hint}", "compatible")})
        yield Case(f"{hint} flipped", tool, flipped, bad)
        yield Case(f"{hint} vanished", tool, vanished, bad)
        yield Case(f"{hint} safer", vanished, tool, good)
        yield Case(f"{hint} says what holds anyway", vanished, flipped, frozenset({("annotations", "notation")}))
    new = copy.deepcopy(tool)
    new["inputSchema"][P]["so\u200brt"] = {"type": "string"}
    place = field_name(("inputSchema", P, "so\u200brt"))
    yield Case("hidden in a name", tool, new, frozenset({(place, "security")}))


def corpus(tools: int = TOOLS) -> Iterator[Case]:
    for seed in range(tools):
        tool = base_tool(random.Random(f"tool {seed}"))
        yield Case("nothing", tool, json.loads(json.dumps(tool)), frozenset())
        yield from schema_cases(tool)
        yield from property_cases(tool)
        yield from field_cases(tool)


def told(case: Case) -> frozenset[tuple[str, str]]:
    return frozenset((field_name(change.path), change.grade) for change in tool_changes(case.old, case.new))


def accuracy() -> None:
    right: dict[str, int] = dict.fromkeys(GRADES, 0)
    expected, found = dict(right), dict(right)
    cases = list(corpus())
    for case in cases:
        answer = told(case)
        for grade in GRADES:
            mine, theirs = ({place for place in side if place[1] == grade} for side in (answer, case.expected))
            right[grade] += len(mine & theirs)
            expected[grade] += len(theirs)
            found[grade] += len(mine)
    print(f"{len(cases)} changed definitions, {len({case.rule for case in cases})} rules")
    for grade in GRADES:
        precision, recall = right[grade] / max(found[grade], 1), right[grade] / max(expected[grade], 1)
        print(f"  {grade:<11} {expected[grade]:>5} expected   precision {precision:.3f}   recall {recall:.3f}")


def speed() -> None:
    cases = list(corpus(10))
    tools = [{**case.new, "name": f"tool_{number}"} for number, case in enumerate(cases)]
    floor = timed(lambda: [hashlib.sha256(json.dumps(tool).encode()).digest() for tool in tools]) / len(tools)
    ours = timed(lambda: listed_tools(tools)) / len(tools)
    compared = timed(lambda: [tool_changes(case.old, case.new) for case in cases]) / len(cases)
    print(f"json.dumps and sha256   {floor:7.1f} us a tool")
    print(f"fingerprint             {ours:7.1f} us a tool   {ours / floor:.1f} x")
    print(f"comparison              {compared:7.1f} us a changed tool")
    with tempfile.TemporaryDirectory() as directory:
        store, now = PinStore(Path(directory) / "state"), datetime.now(UTC)
        first = timed(lambda: store.see("bench", tools, now), rounds=1)
        again = timed(lambda: store.see("bench", tools, now), rounds=5)
        print(
            f"see {len(tools)} tools           {first / 1000:7.1f} ms the first time, {again / 1000:.1f} ms when nothing changed"
        )


def timed(act: Callable[[], Any], rounds: int = 3) -> float:
    """The median, in microseconds."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        act()
        taken.append((time.perf_counter() - started) * 1e6)
    return statistics.median(taken)


if __name__ == "__main__":
    accuracy()
    speed()
