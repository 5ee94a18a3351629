from __future__ import annotations

import dataclasses
from collections import UserDict
from decimal import Decimal
from types import SimpleNamespace

import pytest

from codespar_cli.core.administration.tool_checks import CheckResult
from codespar_cli.errors import UsageError
from codespar_cli.plugins.observability import check_call
from codespar_cli.plugins.observability.checks.catalogue import Catalogue

READ = {
    "name": "read_file",
    "inputSchema": {
        "type": "object",
        "properties": {
            "path": {"type": "string"},
            "limit": {"type": "integer"},
            "mode": {"enum": ["text", "binary"]},
            "token": {"type": "string", "enum": ["a", "b"]},
        },
        "required": ["path"],
        "additionalProperties": False,
    },
}
CATALOGUE = {"tools": [READ, {"name": "terminal"}]}


def tool(schema):
    return {"tools": [{"name": "t", "inputSchema": schema}]}


def verdicts(schema, arguments):
    found = check_call({"name": "t", "arguments": arguments}, tool(schema))
    return [(result.check, result.severity, result.path) for result in found]


def prop(schema, value):
    """What is said of one argument under this schema."""
    return [check for check, _, _ in verdicts({"type": "object", "properties": {"x": schema}}, {"x": value})]


@pytest.mark.parametrize(
    "call",
    [
        {"name": "read_file", "arguments": {"path": "a"}},
        {"name": "read_file", "arguments": '{"path": "a"}'},
        {"name": "read_file", "input": {"path": "a"}},
        {"name": "read_file", "args": {"path": "a"}},
        {"id": "1", "type": "function", "function": {"name": "read_file", "arguments": '{"path": "a"}'}},
        {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "read_file", "arguments": {"path": "a"}}},
        SimpleNamespace(name="read_file", arguments={"path": "a"}),
        SimpleNamespace(function=SimpleNamespace(name="read_file", arguments='{"path": "a"}')),
        UserDict(name="read_file", arguments=UserDict(path="a")),
    ],
)
def test_a_call_is_read_however_it_is_written(call):
    assert check_call(call, CATALOGUE) == []
    wanting = {"tools": [{**READ, "inputSchema": {**READ["inputSchema"], "required": ["path", "limit"]}}]}
    assert [(found.check, found.path) for found in check_call(call, wanting)] == [("missing_argument", "/limit")]


@pytest.mark.parametrize(
    "catalogue",
    [
        [READ],
        (READ,),
        {"result": {"tools": [READ]}},
        [{"type": "function", "function": {"name": "read_file", "parameters": READ["inputSchema"]}}],
        [{"name": "read_file", "input_schema": READ["inputSchema"]}],
        Catalogue(CATALOGUE),
    ],
)
def test_a_catalogue_is_read_however_it_is_written(catalogue):
    found = check_call({"name": "read_file", "arguments": {"path": 1}}, catalogue)
    assert found == [CheckResult("wrong_type", "error", "read_file", "/path", "string", "integer", (), "integer")]


@pytest.mark.parametrize(
    "catalogue", [None, {}, {"tools": None}, "tools", 5, [{}], [5], [{"name": ""}], {"tools": {"a": {}}}]
)
def test_what_is_no_catalogue_is_refused(catalogue):
    with pytest.raises(UsageError) as refused:
        check_call({"name": "a"}, catalogue)
    assert refused.value.code == "invalid_catalogue"
    assert "tools/list" in refused.value.message


@pytest.mark.parametrize(
    "call", [None, 5, "read_file", [], {}, {"name": None}, {"name": 5}, {"name": ["read_file"]}, b"x"]
)
def test_a_call_without_a_name_is_no_tool(call):
    (found,) = check_call(call, CATALOGUE)
    assert (found.check, found.severity, found.tool) == ("unknown_tool", "error", "")


def test_every_fault_carries_its_evidence():
    call = {"name": "read_file", "arguments": {"file_path": "a", "limit": "5", "mode": "Text"}}
    by_check = {found.check: found for found in check_call(call, CATALOGUE)}
    missing, wrong = by_check["missing_argument"], by_check["wrong_type"]
    choice, unknown = by_check["not_in_enum"], by_check["unknown_argument"]
    assert (missing.check, missing.path, missing.expected, missing.got) == (
        "missing_argument",
        "/path",
        "string",
        "nothing",
    )
    assert missing.suggestions == ("file_path",)
    assert (wrong.check, wrong.path, wrong.expected, wrong.got) == ("wrong_type", "/limit", "integer", "string")
    assert wrong.suggestions == ("5",)
    assert (choice.check, choice.expected, choice.got) == ("not_in_enum", 'one of "text", "binary"', '"Text"')
    assert choice.suggestions == ("text",)
    assert (unknown.check, unknown.severity, unknown.path) == ("unknown_argument", "error", "/file_path")
    assert unknown.suggestions == ("path",)


def test_results_are_frozen_and_know_their_json():
    (found,) = check_call({"name": "read_fil"}, CATALOGUE)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.tool = "other"
    assert found.document(3) == {
        "check": "unknown_tool",
        "severity": "error",
        "tool": "read_fil",
        "path": "",
        "expected": "one of `read_file`, `terminal`",
        "got": "`read_fil`",
        "suggestions": ["read_file"],
        "call": 3,
    }


def test_a_value_named_like_a_secret_is_not_repeated():
    (found,) = check_call({"name": "read_file", "arguments": {"path": "a", "token": "sk-12345"}}, CATALOGUE)
    assert (found.check, found.got) == ("not_in_enum", "string of 8 characters")
    assert "sk-12345" not in repr(found)


def test_texts_under_a_pattern_or_format_are_not_repeated():
    schema = {"properties": {"x": {"pattern": "^[0-9]+$"}, "y": {"format": "email"}, "z": {"maxLength": 2}}}
    found = check_call({"name": "t", "arguments": {"x": "hush-1", "y": "hush-2", "z": "hush-3"}}, tool(schema))
    assert [result.check for result in found] == ["invalid_value"] * 3
    assert "hush" not in repr(found)


@pytest.mark.parametrize(
    ("schema", "fits", "wrong"),
    [
        ({"type": "integer"}, [1, 1.0, -0.0, 2**80], [1.5, True, "1", None]),
        ({"type": "number"}, [1, 1.5, Decimal("1.5")], [True, "1.5", None, float("nan"), float("inf")]),
        ({"type": "boolean"}, [True, False], [0, 1, "true"]),
        ({"type": "string"}, [""], [1, None, ["a"]]),
        ({"type": "null"}, [None], [0, "", False]),
        ({"type": "array"}, [[], (1, 2)], [{}, "a,b"]),
        ({"type": ["string", "null"]}, ["a", None], [1]),
        ({"type": "string", "nullable": True}, ["a", None], [1]),
        ({"type": "dict"}, [{}], [[], "a"]),
        ({"type": "float"}, [1, 1.5], ["1.5", True]),
        ({"type": "tuple"}, [[1], (1,)], ["a"]),
        ({"type": "any"}, [1, None, "a", {}], []),
        ({"type": "STRING"}, ["a"], [1]),
        ({"type": "bool"}, [True], [1]),
        ({"type": "list"}, [[]], [{}]),
        ({"type": "int"}, [3], ["3"]),
        ({"type": "HashMap"}, [{}], [[]]),
        ({"type": "no such type"}, [1, None, "a"], []),
        ({"type": 5}, [1, None], []),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, ["a", None], [1, []]),
        ({"anyOf": [{"type": "string"}, {"enum": [1, 2], "type": "integer"}]}, ["a", 1], [[], True]),
        ({"$ref": "#/$defs/s", "$defs": {"s": {"type": "string"}}}, [], []),
    ],
)
def test_types(schema, fits, wrong):
    assert [prop(schema, value) for value in fits] == [[]] * len(fits)
    assert [prop(schema, value) for value in wrong] == [["wrong_type"]] * len(wrong)


@pytest.mark.parametrize(
    ("schema", "fits", "wrong"),
    [
        ({"minimum": 1, "maximum": 5}, [1, 5, "text"], [0, 6, 5.01]),
        ({"minimum": 1, "exclusiveMinimum": True}, [2], [1]),
        ({"exclusiveMaximum": 5}, [4.9], [5, 5.0]),
        ({"multipleOf": 0.1}, [0.3, 1, 1.1], [0.25]),
        ({"multipleOf": 0}, [1], []),
        ({"minLength": 2}, ["𝒳y", 1], ["𝒳"]),
        ({"minLength": 2.0}, ["ab"], ["a"]),
        ({"minItems": 1, "uniqueItems": True}, [[1, True, "1"], [[1], [2]]], [[], [1, 1.0], [{"a": 1}, {"a": 1.0}]]),
        ({"prefixItems": [{"type": "string"}], "items": False}, [["a"], []], [["a", 1]]),
        ({"contains": {"const": 1}, "maxContains": 1}, [[1, 2]], [[2], [1, 1]]),
        ({"maxProperties": 1}, [{"a": 1}], [{"a": 1, "b": 2}]),
        ({"not": {"type": "string"}}, [1], ["a"]),
        ({"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 5}]}, [1, 5.5], [7]),
        (
            {"format": "date-time"},
            ["2026-11-23T09:00:00Z", "2026-11-23T09:00:00", "2026-11-23 09:00"],
            ["noon", "2026-11-23"],
        ),
        ({"format": "date"}, ["2026-02-28"], ["2026-02-30", "23.11.2026"]),
        ({"format": "uuid"}, ["a3b1f0c2-0000-4000-8000-000000000000"], ["a3b1"]),
        ({"format": "ipv4"}, ["127.0.0.1"], ["127.0.0.256", "::1"]),
        ({"format": "ipv6"}, ["::1"], ["127.0.0.1", "::1%eth0"]),
        ({"format": "hostname"}, ["a.example.org"], ["-a", "a b", ""]),
        ({"format": "uri"}, ["https://a/b?c#d", "urn:x:y"], ["a/b", "http://a b"]),
        ({"format": "duration"}, ["P1D", "PT0.5S", "P1Y2M3DT4H"], ["1 day", "P", "PT"]),
        ({"format": "time"}, ["09:00:00Z", "09:00"], ["9 o'clock", "25:00:00"]),
        ({"format": "email"}, ["a@b.c"], ["a", "a@", "@b"]),
        ({"format": "of-our-own"}, ["anything"], []),
        ({"if": {"minimum": 10}, "then": {"multipleOf": 10}, "else": {"multipleOf": 2}}, [20, 8], [15, 7]),
        (
            {"minimum": "5", "pattern": 7, "enum": "abc", "required": True, "properties": [], "items": 5},
            [1, "a", {}],
            [],
        ),
    ],
)
def test_values(schema, fits, wrong):
    assert [prop(schema, value) for value in fits] == [[]] * len(fits)
    assert [prop(schema, value) for value in wrong] == [["invalid_value"]] * len(wrong)


@pytest.mark.parametrize(
    ("choices", "fits", "wrong"),
    [
        (
            {"enum": [1, "a", None, [1], {"k": 1}]},
            [1.0, "a", None, [1.0], {"k": 1}],
            [True, "A", [], [True], {"k": 2}, 2],
        ),
        ({"const": False}, [False], [0, None, ""]),
        ({"const": 1}, [1, 1.0], [True, "1"]),
        ({"enum": []}, [], [1]),
        ({"enum": [*range(100), True, [1]]}, [5.0, True, [1]], [False, 100, "5", [True]]),
    ],
)
def test_choices(choices, fits, wrong):
    assert [prop(choices, value) for value in fits] == [[]] * len(fits)
    assert [prop(choices, value) for value in wrong] == [["not_in_enum"]] * len(wrong)


OPEN = {"type": "object", "properties": {"a": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("schema", "severity"),
    [
        (OPEN, "warn"),
        ({**OPEN, "additionalProperties": True}, "warn"),
        ({**OPEN, "additionalProperties": {}}, "warn"),
        ({"type": "object", "properties": {}}, "warn"),
        ({**OPEN, "additionalProperties": False}, "error"),
        ({**OPEN, "unevaluatedProperties": False}, "error"),
        ({"allOf": [OPEN], "unevaluatedProperties": False}, "error"),
        ({"allOf": [OPEN, {"additionalProperties": False}]}, "error"),
        ({"$ref": "#/$defs/o", "$defs": {"o": {**OPEN, "additionalProperties": False}}}, "error"),
        ({"anyOf": [OPEN, {"properties": {"b": {}}}]}, "warn"),
        ({**OPEN, "propertyNames": {"enum": ["a", "b"]}}, "error"),
        ({**OPEN, "properties": {"zz": False}}, "error"),
    ],
)
def test_an_unknown_argument_is_an_error_only_where_the_schema_is_closed(schema, severity):
    assert ("unknown_argument", severity, "/zz") in verdicts(schema, {"zz": 1})
    assert all(path in {"/zz", "/a"} for _, _, path in verdicts(schema, {"zz": 1, "a": 1}))


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"type": "object"},
        {"type": "object", "additionalProperties": True},
        {**OPEN, "additionalProperties": {"type": "integer"}},
        {**OPEN, "patternProperties": {"^z": {}}},
        {**OPEN, "unevaluatedProperties": {"type": "integer"}},
        {"allOf": [OPEN, {"properties": {"zz": {}}}]},
        {"anyOf": [{"required": ["a"], **OPEN}, {"properties": {"zz": {}}}]},
        {**OPEN, "dependentSchemas": {"zz": {"properties": {"zz": {}}}}},
        {"allOf": [OPEN, {"properties": {"zz": {}}}], "unevaluatedProperties": False},
        {**OPEN, "if": {"required": ["zz"]}, "then": {"properties": {"zz": {}}}},
        None,
    ],
)
def test_an_argument_that_is_foreseen_anywhere_is_not_unknown(schema):
    assert verdicts(schema, {"zz": 1}) == []


def test_nested_places_have_json_pointers():
    schema = {"properties": {"a/b": {"items": {"properties": {"~k": {"type": "string"}}, "required": ["n"]}}}}
    assert verdicts(schema, {"a/b": [{"n": 1}, {"~k": 1}]}) == [
        ("missing_argument", "error", "/a~1b/1/n"),
        ("wrong_type", "error", "/a~1b/1/~0k"),
    ]


CIRCLE = {"properties": {"kind": {"const": "circle"}, "r": {"type": "number"}}, "required": ["kind", "r"]}
SQUARE = {"properties": {"kind": {"const": "square"}, "side": {"type": "number"}}, "required": ["kind", "side"]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"kind": "circle", "r": 1}, []),
        ({"kind": "circle", "r": "1"}, [("wrong_type", "error", "/x/r")]),
        ({"kind": "square"}, [("missing_argument", "error", "/x/side")]),
        ({"kind": "heart", "r": 1}, [("not_in_enum", "error", "/x/kind")]),
        (5, [("wrong_type", "error", "/x")]),
    ],
)
@pytest.mark.parametrize("keyword", ["oneOf", "anyOf"])
def test_of_alternatives_the_one_that_was_meant_is_told(value, expected, keyword):
    shapes = [{"type": "object", **CIRCLE}, {"type": "object", **SQUARE}]
    assert verdicts({"properties": {"x": {keyword: shapes}}}, {"x": value}) == expected


def test_one_of_several_arguments_is_asked_for_by_all_their_names():
    schema = {"properties": {"id": {}, "name": {}}, "anyOf": [{"required": ["id"]}, {"required": ["name"]}]}
    (found,) = check_call({"name": "t", "arguments": {}}, tool(schema))
    assert (found.check, found.path, found.expected) == ("missing_argument", "", "`id` or `name`")


def test_an_argument_that_another_asks_for():
    assert verdicts({"dependentRequired": {"a": ["b"]}}, {"a": 1}) == [("missing_argument", "error", "/b")]
    assert verdicts({"dependencies": {"a": ["b"]}}, {"b": 1}) == []


def test_arguments_that_are_none_at_all():
    assert check_call({"name": "terminal"}, CATALOGUE) == []
    assert check_call({"name": "terminal", "arguments": ""}, CATALOGUE) == []
    for arguments in ([], 5, '["a"]', "{path: a}", '{"path": "a", "path": "b"}', '{"path": NaN}', b"{}", "5"):
        (found,) = check_call({"name": "read_file", "arguments": arguments}, CATALOGUE)
        assert (found.check, found.path, found.expected) == ("wrong_type", "", "object")


def test_python_values_that_json_has_none_of():
    schema = {"properties": {"x": {"type": "string"}}}
    for value in ({1}, b"x", object(), float("nan"), 1j):
        assert verdicts(schema, {"x": value}) == [("wrong_type", "error", "/x")]
        assert verdicts({}, {"y": [value]}) == [("wrong_type", "error", "/y/0")]
    assert verdicts({}, {5: "x"}) == [("wrong_type", "error", "")]


def test_a_name_given_twice_fits_when_either_fits():
    catalogue = [
        {"name": "t", "inputSchema": {"required": ["a", "b"]}},
        {"name": "t", "inputSchema": {"required": ["c"]}},
    ]
    assert check_call({"name": "t", "arguments": {"c": 1}}, catalogue) == []
    assert [found.path for found in check_call({"name": "t", "arguments": {}}, catalogue)] == ["/c"]


def test_the_name_a_host_gives_a_tool_is_known_where_its_server_is_named():
    catalogue = Catalogue(CATALOGUE, server="files")
    for name in ("read_file", "mcp__files__read_file", "files__read_file", "files/read_file", "files.read_file"):
        assert check_call({"name": name, "arguments": {"path": "a"}}, catalogue) == []
        assert [found.check for found in check_call({"name": name, "arguments": {"path": 1}}, catalogue)] == [
            "wrong_type"
        ]
    (found,) = check_call({"name": "mcp__other__read_file"}, catalogue)
    assert (found.check, found.suggestions) == ("unknown_tool", ("read_file",))


def test_references_within_a_document():
    definitions = {"s": {"type": "string"}, "a": {"$anchor": "here", "type": "string"}, "x/y%": {"type": "string"}}
    embedded = {"$id": "https://example.org/text", "type": "string"}
    for reference in ("#/$defs/s", "#here", "#/%24defs/x~1y%25", "https://example.org/text", "text"):
        schema = {"$defs": {**definitions, "e": embedded}, "properties": {"x": {"$ref": reference}}}
        assert verdicts(schema, {"x": "a"}) == []
        assert verdicts(schema, {"x": 1}) == [("wrong_type", "error", "/x")]


def test_a_tree_that_refers_to_itself_is_looked_at_to_its_leaves():
    node = {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}}}
    schema = {"$ref": "#/$defs/node", "$defs": {"node": node}}
    value: dict = {"v": "leaf"}
    for _ in range(30):
        value = {"v": 1, "next": value}
    assert verdicts(schema, value) == [("wrong_type", "error", "/next" * 30 + "/v")]


def test_a_name_that_only_an_unfitting_alternative_declares_is_unevaluated():
    unfit = {"required": ["b"], "properties": {"zz": {}}}
    schema = {"anyOf": [unfit, {"properties": {"a": {}}}], "unevaluatedProperties": False}
    assert verdicts(schema, {"a": 1, "zz": 1}) == [("unknown_argument", "error", "/zz")]
