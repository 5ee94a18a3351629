"""Schemas and calls that were made to hurt: always an answer, soon, and never from the network."""

from __future__ import annotations

import socket
import time

import pytest

from codespar_cli.plugins.observability import check_call
from codespar_cli.plugins.observability.checks.catalogue import Catalogue

SOON_S = 0.6  # a hundred milliseconds on an idle machine, and this one is shared


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def checked(schema, arguments, *, soon=SOON_S):
    catalogue = Catalogue([{"name": "t", "inputSchema": schema}])
    started = time.process_time()
    found = check_call({"name": "t", "arguments": arguments}, catalogue)
    assert time.process_time() - started < soon
    assert len(found) <= 100
    assert all(len(str(result)) < 8000 for result in found)
    return found


def only(found):
    (result,) = found
    return result


@pytest.mark.parametrize(
    "reference",
    [
        "http://127.0.0.1:1/x",
        "https://example.org/schema.json#/a",
        "file:///etc/passwd",
        "other.json",
        "//host/x",
        "urn:x",
    ],
)
def test_a_remote_reference_is_refused_and_said(reference):
    result = only(checked({"properties": {"x": {"$ref": reference}}}, {"x": 1}))
    assert (result.check, result.severity, result.path) == ("not_checked", "warn", "/x")
    assert "never fetched" in result.got


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "#"}, "leads back to itself"),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
            "leads back to itself",
        ),
        ({"allOf": [{"$ref": "#"}]}, "leads back to itself"),
        ({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}, "leads back to itself"),
        ({"$ref": "#/$defs/nowhere"}, "leads nowhere"),
        ({"$ref": "#nowhere"}, "leads nowhere"),
        ("not a schema", "neither an object nor"),
        (5, "neither an object nor"),
        ([], "neither an object nor"),
        ({"properties": {"x": "string"}}, "neither an object nor"),
    ],
)
def test_what_cannot_be_evaluated_is_said_and_accuses_nobody(schema, words):
    found = checked(schema, {"x": 1})
    assert {result.check for result in found} == {"not_checked"}
    assert words in found[0].got


def test_doubt_within_alternatives_accuses_nobody():
    far = {"$ref": "https://example.org/x"}
    for schema in (
        {"not": far},
        {"oneOf": [far, {}]},
        {"if": far, "then": False},
        {"if": far, "else": False},
        {"anyOf": [far, False]},
    ):
        assert {result.check for result in checked(schema, {"x": 1})} == {"not_checked"}
    held = {"properties": {"x": {"contains": far, "minContains": 5}}}
    assert {result.check for result in checked(held, {"x": [1]})} == {"not_checked"}


def test_a_million_choices():
    choices = {"properties": {"x": {"enum": [f"choice-{n}" for n in range(1_000_000)]}}}
    catalogue = Catalogue([{"name": "t", "inputSchema": choices}])
    assert check_call({"name": "t", "arguments": {"x": "choice-999999"}}, catalogue) == []  # looked at once
    started = time.process_time()
    (found,) = check_call({"name": "t", "arguments": {"x": "choice"}}, catalogue)
    assert (found.check, found.path) == ("not_in_enum", "/x")
    assert len(found.expected) < 400
    assert time.process_time() - started < SOON_S


@pytest.mark.parametrize("wrap", [
    lambda inner: {"properties": {"x": inner}}, lambda inner: {"allOf": [inner]}, lambda inner: {"items": inner},
    lambda inner: {"not": inner}, lambda inner: {"anyOf": [inner, inner]},
])  # fmt: skip
def test_ten_thousand_levels(wrap):
    schema, value = {"type": "string"}, "leaf"
    for _ in range(10_000):
        schema, value = wrap(schema), {"x": value}
    assert {result.check for result in checked(schema, {"x": 1})} <= {"not_checked", "wrong_type"}
    assert only(checked({}, value)).check == "wrong_type"
    assert checked(schema, value)


def test_ten_thousand_levels_in_a_choice():
    choice: list = []
    for _ in range(10_000):
        choice = [choice]
    assert only(checked({"properties": {"x": {"enum": [choice]}}}, {"x": 1})).check == "not_in_enum"
    assert only(checked({"properties": {"x": {"enum": [choice, *range(50)]}}}, {"x": [[]]})).check == "not_in_enum"


def test_alternatives_that_double_at_every_level():
    schema: dict = {"type": "string"}
    for _ in range(40):
        schema = {"anyOf": [schema, schema]}
    assert only(checked({"properties": {"x": schema}}, {"x": 1}, soon=2)).check == "not_checked"
    tree = {"oneOf": [{"$ref": "#/$defs/a"}] * 3}
    grown = {"$defs": {"a": {"items": tree}}, "properties": {"x": {"$ref": "#/$defs/a"}}}
    value: list = []
    for _ in range(40):
        value = [value]
    assert only(checked(grown, {"x": value}, soon=2)).check in {"not_checked", "invalid_value"}


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|aa)+$", "(.*)*b", "(?=(a+))+b", r"(a+)\1b", "^(([a-z])+.)+[A-Z]$"])
def test_a_pattern_that_explodes_elsewhere(pattern):
    for keyword in ({"properties": {"x": {"pattern": pattern}}}, {"patternProperties": {pattern: False}}):
        found = checked(keyword, {"x": "a" * 50_000 + "!", "a" * 5000 + "!": 1})
        assert {result.check for result in found} <= {"not_checked", "invalid_value", "unknown_argument"}


def test_many_patterns_take_no_longer_than_one():
    schema = {"patternProperties": {f"(?=.*{n})(?=.*b)c": {} for n in range(500)}}
    assert checked(schema, {"z" * 300 + str(n): 1 for n in range(20)}, soon=2)


def test_huge_arguments_are_looked_at_whole():
    schema = {"properties": {"x": {"items": {"type": "integer", "minimum": 0}}}}
    assert checked(schema, {"x": list(range(50_000))}, soon=5) == []
    assert only(checked(schema, {"x": [*range(50_000), -1]}, soon=5)).path == "/x/50000"
    assert only(checked({"properties": {"x": {"maxLength": 5}}}, {"x": "a" * 10_000_000})).check == "invalid_value"
    assert len(checked({"additionalProperties": False}, {f"k{n}": 1 for n in range(5000)}, soon=10)) == 100


def test_arguments_that_hold_themselves():
    value: list = []
    value.extend([value, value])
    assert only(checked({}, {"x": value}, soon=10)).check == "wrong_type"
    mapping: dict = {}
    mapping["m"] = mapping
    assert only(checked({}, mapping)).check == "wrong_type"


def test_numbers_beyond_measure():
    schema = {"properties": {"x": {"type": "integer", "maximum": 10, "multipleOf": 7}}}
    assert [result.check for result in checked(schema, {"x": 10**6000})] == ["invalid_value"]
    assert [result.check for result in checked(schema, {"x": 1e308})] == ["invalid_value"]
    assert only(checked(schema, {"x": float("1e400")})).check == "wrong_type"
    assert (
        only(checked({"properties": {"x": {"maximum": 10**6000, "minimum": 10**5000}}}, {"x": 1})).check
        == "invalid_value"
    )
    assert checked({"properties": {"x": {"multipleOf": 1e-320}}}, {"x": 1e308})[0:0] == []
    assert only(checked({}, '{"x": 1e400}')).check == "wrong_type"


def test_names_with_markup_and_controls_stay_what_they_are():
    name = "<script>\x1b[31m\u202e\ud800</script>"
    found = only(check_call({"name": name}, [{"name": "\x1b]0;x\x07"}]))
    assert (found.tool, found.check) == (name, "unknown_tool")
    long = only(check_call({"name": "a" * 1_000_000}, [{"name": "b" * 1_000_000}]))
    assert len(long.got) < 300
    assert len(long.expected) < 400


def test_a_hundred_thousand_tools():
    catalogue = Catalogue(
        [{"name": f"service{n % 500}_operation{n}"} for n in range(100_000)] + [{"name": "run_terminal_cmd"}]
    )
    check_call({"name": "first"}, catalogue)  # the index is made when it is first needed
    started = time.process_time()
    assert only(check_call({"name": "bash"}, catalogue)).suggestions == ("run_terminal_cmd",)
    assert "service7_operation99507" in only(check_call({"name": "service7_operatoin99507"}, catalogue)).suggestions
    assert time.process_time() - started < SOON_S


def test_keywords_of_every_wrong_kind_break_nothing():
    wrong = [None, True, 5, "text", [], {}, [None], {"x": None}, -1, 1.5, float("nan"), [[]], {"x": [5]}]
    keywords = [
        "type", "enum", "const", "properties", "required", "additionalProperties", "patternProperties", "propertyNames",
        "dependentRequired", "dependentSchemas", "dependencies", "unevaluatedProperties", "minProperties", "items",
        "prefixItems", "additionalItems", "contains", "minContains", "uniqueItems", "unevaluatedItems", "maxItems",
        "minimum", "exclusiveMaximum", "multipleOf", "minLength", "pattern", "format", "allOf", "anyOf", "oneOf", "not",
        "if", "then", "else", "$ref", "$defs", "$id", "$anchor", "nullable", "$dynamicRef",
    ]  # fmt: skip
    for keyword in keywords:
        for value in wrong:
            schema = {keyword: value, "if": True} if keyword != "if" else {"if": value, "then": value}
            for argument in ({"x": 1}, {"x": "a"}, {"x": [1, "a"]}, {"x": {"x": None}}, {}):
                checked(schema, argument)
                checked({"properties": {"x": schema}}, argument)
