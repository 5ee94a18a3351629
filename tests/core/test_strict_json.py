import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.strict_json import MAX_DEPTH, depth, loads
from codespar_cli.core.text import visible

TEXT = st.text(st.characters(exclude_categories=()))  # surrogates, controls and all
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**300), 10**300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


def refusal(text, **more):
    with pytest.raises(ValueError) as caught:
        loads(text, **more)
    return str(caught.value)


def is_fit_to_print(message):
    return len(message) <= 500 and message == visible(message) and message != ""


@given(JSON)
def test_what_json_writes_is_read_back(value):
    for spelled in (json.dumps(value), json.dumps(value, indent=1), json.dumps(value).encode()):
        assert loads(spelled) == value


@given(st.text() | st.text(alphabet='[]{}",:\\ \n1e-tru') | st.binary())
def test_any_text_is_a_value_or_a_refusal_fit_to_print(text):
    try:
        loads(text)
    except ValueError as error:
        assert is_fit_to_print(str(error))


@given(TEXT, JSON, JSON)
def test_a_key_given_twice_is_refused_in_a_line_whatever_the_key(key, one, two):
    spelled = json.dumps(key)
    message = refusal(
        f'{{"outer": [{{{spelled}: {json.dumps(one)}, "other\\u0000": 1, {spelled}: {json.dumps(two)}}}]}}'
    )
    assert is_fit_to_print(message)
    assert message.endswith("is given twice")


def test_a_key_of_a_megabyte_is_shown_by_its_beginning():
    key = "k" * (1 << 20)
    assert refusal(f'{{"{key}": 1, "{key}": 2}}') == f'key "{"k" * 60}"… is given twice'
    assert refusal('{"a":1,"a":1}') == 'key "a" is given twice'


@given(st.integers(1, 200), st.integers(1, 100))
def test_nesting_is_counted_exactly(levels, limit):
    text = "[" * levels + "]" * levels
    if levels > limit:
        assert refusal(text, max_depth=limit) == f"nested deeper than {limit} levels"
    else:
        assert depth(loads(text, max_depth=limit), 1000) == levels


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000]
)
def test_bottomless_nesting_is_a_refusal(text):
    assert "nested" in refusal(text)


def test_the_default_depth():
    assert loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    refusal("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", '{"a": NaN}', "1e999", "-1e999", "9" * 401, "9" * 100_000]
)
def test_numbers_that_are_none_are_refused(text):
    assert is_fit_to_print(refusal(text))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_finite(number):
    assert math.isfinite(loads(repr(number)))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-32-be"])
def test_bytes_are_utf8_and_nothing_else(encoding):
    refusal('{"a": 1}'.encode(encoding))
    assert refusal(b'"\xed\xa0\x80"') == "not UTF-8"
    assert loads(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
