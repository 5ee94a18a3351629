import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.webhooks.documents import MAX_BROKEN, documents


def found(text):
    return [(document.text, document.place) for document in documents(text)]


def test_one_document_has_no_place_of_its_own():
    assert found('{"a": 1}') == [('{"a": 1}', "")]
    assert found('{\n  "a": 1\n}') == [('{\n  "a": 1\n}', "")]


def test_lines_are_documents_each_with_its_number():
    assert found('{"a":1}\n\n{"b":2}\r\n{"c":3}') == [('{"a":1}', ":1"), ('{"b":2}', ":3"), ('{"c":3}', ":4")]
    assert found("5\n6") == [("5", ":1"), ("6", ":2")]


def test_elements_of_an_array_keep_their_exact_text():
    assert found('[ {"a" : 1} ,\n"x",[1, 2], 7 ]') == [
        ('{"a" : 1}', "[0]"),
        ('"x"', "[1]"),
        ("[1, 2]", "[2]"),
        ("7", "[3]"),
    ]
    assert found("[]") == []


def test_a_broken_line_costs_only_itself():
    assert found('{"a":1}\n{"b":\n{"c":3}') == [('{"a":1}', ":1"), ('{"b":', ":2"), ('{"c":3}', ":3")]
    assert found('{"a":1} junk\n{"b":2}') == [('{"a":1} junk', ":1"), ('{"b":2}', ":2")]


def test_a_broken_pretty_printed_document_is_one_document():
    text = '{\n  "a": {\n    "b": 1,\n  }\n'
    assert [document.text for document in documents(text)] == [text.rstrip()]


def test_a_broken_element_costs_only_itself():
    deep = "[" * 100_000 + "]" * 100_000
    text = '[{"a":1}, {"b":}, ' + deep + ', {"c": "]}"}]'
    assert [document.text for document in documents(text)] == ['{"a":1}', '{"b":}', deep, '{"c": "]}"}']


@pytest.mark.parametrize(
    "text",
    [
        "[1,]",
        "[1, ]",
        "[1] [1]",
        "[1] 2",
        "[1]\n2",
        "[,]",
        '[{"a":1}',
        "[",
        '[{"a":1} {"b":2}]',
        "[{]}, 1]",
        '["open',
        "[1,",
        "[1]]",
        "[" * 100_000,
    ],
)
def test_what_is_no_array_in_the_end_is_broken_somewhere(text):
    def parses(document):
        try:
            json.loads(document.text)
        except (ValueError, RecursionError):
            return False
        return True

    assert not all(parses(document) for document in documents(text))


@given(
    st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
        )
    )
)
def test_an_array_is_split_as_a_parser_would(values):
    for spelled in (json.dumps(values), json.dumps(values, indent=1), json.dumps(values, ensure_ascii=False)):
        assert [json.loads(document.text) for document in documents(spelled)] == values


@given(st.lists(st.dictionaries(st.text(), st.integers() | st.text()), min_size=1))
def test_lines_are_split_as_a_parser_would(values):
    text = "\n".join(json.dumps(value) for value in values)
    assert [json.loads(document.text) for document in documents(text)] == values


def test_what_spoils_an_array_is_one_row_and_costs_no_other():
    assert found('[{"a":1},]') == [('{"a":1}', "[0]"), (",]", "[1]")]
    assert found('[{"a":1}] {"a":2}') == [('{"a":1}', "[0]"), ('] {"a":2}', "[1]")]
    assert found('[{"a":1}] {"a":2} {"a":3}') == [('{"a":1}', "[0]"), ('] {"a":2} {"a":3}', "[1]")]


@given(st.text(alphabet='[]{}",: \n1', max_size=30).map(lambda text: "[" + text))
def test_an_array_is_one_to_the_last_bracket_or_something_in_it_is_broken(text):
    def parses(spelled):
        try:
            json.loads(spelled)
        except ValueError:
            return False
        return True

    assert parses(text) == all(parses(document.text) for document in documents(text.rstrip()))


@given(st.text(alphabet='[]{}",:\\ \n1ae', min_size=1, max_size=80))
def test_no_text_makes_it_raise_or_lose_what_it_cannot_read(text):
    stripped = text.strip(" \t\r\n")
    if stripped:
        texts = [document.text for document in documents(stripped)]
        try:
            value = json.loads(stripped)
        except ValueError:
            assert texts or stripped.startswith("[")
        else:
            assert texts == [] if value == [] else texts


def test_a_hostile_file_is_split_in_linear_time():
    """Each of these takes minutes when a quote, a bracket or a line is looked at again for every other one."""
    import time

    start = time.monotonic()
    for text in ('["' + '\\"' * 300_000, '[{"' + "{" * 300_000, "[" + '{"a":},' * 100_000, "{\n" * 20_000):
        list(documents(text))
    assert time.monotonic() - start < 5


def test_after_a_thousand_broken_documents_the_rest_is_one():
    for text in ("[" + '{"a":},' * 3000 + "1]", "{\n" * 3000):
        assert len(list(documents(text))) == MAX_BROKEN + 1
