"""Canonical texts are those of RFC 8785, and what cannot have one is refused in a sentence."""

import json
import math

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.errors import UsageError
from codespar_cli.plugins.observability.drift.canonical import MAX_DEPTH, canonical
from codespar_cli.plugins.observability.drift.catalogue import listed_tools, read_catalogue
from codespar_cli.plugins.observability.drift.fingerprint import fingerprint, set_digest

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SAFE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
)
JSON = st.recursive(
    SAFE, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4))
)


@given(JSON)
def test_the_text_is_the_one_of_the_rfc(value):
    assert canonical(value).encode() == rfc8785.dumps(value)


@given(st.dictionaries(TEXT, JSON, min_size=1), st.randoms(use_true_random=False))
def test_the_order_of_keys_says_nothing(value, rng):
    keys = list(value)
    rng.shuffle(keys)
    assert fingerprint({key: value[key] for key in keys}) == fingerprint(value)


@given(st.dictionaries(TEXT, JSON, min_size=1), TEXT, JSON)
def test_any_other_value_is_another_fingerprint_and_of_that_field_alone(value, key, other):
    changed = {**value, key: other}
    same = canonical(changed) == canonical(value)
    first, second = fingerprint(value), fingerprint(changed)
    assert (first.whole == second.whole) is same
    assert {name for name in second.fields if second.fields[name] != first.fields.get(name)} == (
        set() if same else {key}
    )


def test_large_integers_keep_all_their_digits():
    assert canonical(2**63 - 1) == "9223372036854775807"
    assert canonical({"a": 0.5, "b": 2**63 - 1}) == '{"a":0.5,"b":9223372036854775807}'
    assert canonical({"a": 1e20}) == canonical({"a": 10**20})


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800", {"\ud800": 1}, {1: 2}, b"x", {"a": [object()]}])
def test_what_is_no_json_has_no_text(value):
    with pytest.raises(ValueError, match="it "):
        canonical(value)


def test_depth_is_bounded():
    deep = 1
    for _ in range(MAX_DEPTH):
        deep = [deep]
    canonical(deep)
    with pytest.raises(ValueError, match="deeper"):
        canonical([deep])
    for _ in range(10_000):
        deep = {"not": deep}
    with pytest.raises(ValueError, match="deeper"):
        canonical(deep)


def test_a_set_of_tools_has_no_order():
    assert (
        set_digest([("a", "1"), ("b", "2")])
        == set_digest([("b", "2"), ("a", "1")])
        != set_digest([("a", "2"), ("b", "1")])
    )


TOOL = {"name": "read", "inputSchema": {"type": "object"}}


@pytest.mark.parametrize("given", [[TOOL], {"tools": [TOOL]}, {"jsonrpc": "2.0", "id": 1, "result": {"tools": [TOOL]}}])
def test_a_list_is_found_in_every_wrapping(given):
    assert list(listed_tools(given)) == ["read"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "expected a tools/list result"),
        ({"tools": {"read": TOOL}}, "in place of the list"),
        ("read", "found text"),
        ({"tools": [TOOL, TOOL]}, "listed twice"),
        ({"tools": [TOOL], "nextCursor": "abc"}, "one page of several"),
        ({"tools": [{}]}, "expected a name"),
        ({"tools": [{"name": ""}]}, "empty text"),
        ({"tools": [{"name": 1}]}, "found a number"),
        ({"tools": [{"name": "x" * 513}]}, "longer than 512"),
        ({"tools": ["read"]}, "expected an object, found text"),
        ({"tools": [{"name": "a", "x": math.nan}]}, "NaN"),
        ({"tools": [{"name": "a", "x": "\udc00"}]}, "surrogate"),
        ({"tools": [{"name": "a\x1b[31m\u202e"}, {"name": "a\x1b[31m\u202e"}]}, "x1b"),
    ],
)
def test_what_is_no_list_of_tools_is_refused_in_one_harmless_line(given, words):
    with pytest.raises(UsageError) as caught:
        listed_tools(given, "tools.json")
    text = str(caught.value)
    assert words in text
    assert text.startswith("tools.json: ")
    assert text.isprintable()
    assert caught.value.code == "tools_invalid"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"tools": [{"name": "a", "name": "b"}]}', "given twice"),
        (b'{"tools": [{"name": "a", "x": NaN}]}', "NaN"),
        (b'{"tools": [1e999]}', "too large"),
        (b"[" * 100_000, "nested"),
        (b"\xff\xfe{}", "UTF-8"),
        (b"", "not JSON"),
        (b'{"tools": []} x', "not JSON"),
    ],
)
def test_a_file_that_parsers_disagree_on_is_refused(data, words):
    with pytest.raises(UsageError, match=words):
        read_catalogue(data, "tools.json")


def test_a_byte_order_mark_is_no_obstacle():
    assert read_catalogue(b"\xef\xbb\xbf" + json.dumps({"tools": [TOOL]}).encode(), "f") == {"tools": [TOOL]}
