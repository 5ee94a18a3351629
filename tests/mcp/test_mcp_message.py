"""What a line from the client is read as: ordinary traffic passes, and nothing that a server could take for another call."""

# ruff: noqa: UP031  JSON is full of braces

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.mcp.message import CALL, Call, Message, Refused, id_key, read_message

ENVELOPE = '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":%s}'
GOOD = '{"name":"admin","arguments":{"a":1}}'
DEEP = '{"name":"x","arguments":' + '{"a":' * 70 + "1" + "}" * 71

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
methods = st.sampled_from(
    [
        "ping",
        "initialize",
        "tools/list",
        "resources/read",
        "notifications/progress",
        "tools/calls",
        "x/tools/call",
        "call",
    ]
)


def read(text):
    return read_message(text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize(
    "text",
    [
        ENVELOPE % GOOD,
        ENVELOPE.replace("tools/call", r"\u0074ools\/call") % GOOD,
        ENVELOPE % r'{"\u006eame":"\u0061dmin","arguments":{"a":1}}',
        " \t" + ENVELOPE % GOOD + " \r\n",
        (ENVELOPE % GOOD).replace(",", " ,\t").replace(":", " : ").replace('2.0" ,\t', '2.0",'),
    ],
)
def test_every_spelling_of_a_call_is_read_as_the_same_call(text):
    found = read(text)
    assert type(found) is Call
    assert (found.tool, dict(found.arguments), found.id) == ("admin", {"a": 1}, 7)


HOSTILE = {
    "a key twice, the method": '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":%s}' % GOOD,
    "a key twice, the method, the other way": '{"method":"tools/call","id":1,"method":"ping","params":%s}' % GOOD,
    "a key twice, escaped": r'{"id":1,"method":"ping","\u006dethod":"tools/call","params":%s}' % GOOD,
    "a key twice, the parameters": '{"id":1,"method":"tools/call","params":{"name":"ok"},"params":%s}' % GOOD,
    "a key twice, the name": ENVELOPE % '{"name":"ok","name":"admin","arguments":{}}',
    "a key twice, the arguments": ENVELOPE % '{"name":"ok","arguments":{"a":1},"arguments":{"a":2}}',
    "a key twice, within the arguments": ENVELOPE % '{"name":"ok","arguments":{"a":[{"b":1,"b":2}]}}',
    "a key twice, the id": '{"id":1,"id":2,"method":"tools/call","params":%s}' % GOOD,
    "Go reads keys in any case": '{"id":1,"Method":"tools/call","Params":%s}' % GOOD,
    "Go reads keys in any case, beside another": '{"id":1,"method":"ping","METHOD":"tools/call","params":%s}' % GOOD,
    "Go folds the Kelvin sign and the long s": '{"id":1,"method":"tools/call","param\u017f":%s}' % GOOD,
    "a key that ends at NUL for C": '{"id":1,"method\\u0000x":"tools/call","params":%s}' % GOOD,
    "a key in full width": '{"id":1,"\uff4dethod":"tools/call","params":%s}' % GOOD,
    "a key with white space": '{"id":1," method ":"tools/call","params":%s}' % GOOD,
    "a key with what cannot be seen": '{"id":1,"meth\u200bod":"tools/call","params":%s}' % GOOD,
    "the name in another case": ENVELOPE % '{"name":"ok","Name":"admin","arguments":{}}',
    "the arguments in another case": ENVELOPE % '{"name":"ok","arguments":{},"ARGUMENTS":{"a":2}}',
    "a method in another case": '{"id":1,"method":"Tools/Call","params":%s}' % GOOD,
    "a method with white space": '{"id":1,"method":" tools/call\\n","params":%s}' % GOOD,
    "a method with NUL": '{"id":1,"method":"tools/call\\u0000","params":%s}' % GOOD,
    "a method in full width": '{"id":1,"method":"\uff54ools/call","params":%s}' % GOOD,
    "a method with what cannot be seen": '{"id":1,"method":"tools\u200b/call","params":%s}' % GOOD,
    "a method in a list": '{"id":1,"method":["tools/call"],"params":%s}' % GOOD,
    "a batch": "[" + ENVELOPE % GOOD + "]",
    "a batch with a call among others": '[{"id":1,"method":"ping"},' + ENVELOPE % GOOD + "]",
    "a batch in a batch": "[[" + ENVELOPE % GOOD + "]]",
    "a byte order mark": "\ufeff" + ENVELOPE % GOOD,
    "UTF-16": (ENVELOPE % GOOD).encode("utf-16"),
    "UTF-16 without a mark": (ENVELOPE % GOOD).encode("utf-16-le"),
    "UTF-32": (ENVELOPE % GOOD).encode("utf-32"),
    "bytes that are not UTF-8": (ENVELOPE % GOOD).encode().replace(b"admin", b"adm\xffin"),
    "overlong UTF-8": (ENVELOPE % GOOD).encode().replace(b"tools/call", b"tools\xc0\xafcall"),
    "a surrogate in UTF-8": (ENVELOPE % GOOD).encode().replace(b"admin", b"\xed\xa0\x80"),
    "without an id": '{"jsonrpc":"2.0","method":"tools/call","params":%s}' % GOOD,
    "two documents on a line": '{"id":1,"method":"ping"}' + ENVELOPE % GOOD,
    "two documents, parted": '{"id":1,"method":"ping"} ' + ENVELOPE % GOOD,
    "a line in a line, for readers that end one at a carriage return": '{"id":1,"method":"ping","params":\r%s\r}'
    % (ENVELOPE % GOOD),
    "a carriage return before": '{"id":1,"method":"ping"}\r' + ENVELOPE % GOOD,
    "NaN": ENVELOPE % '{"name":"pay","arguments":{"amount":NaN}}',
    "Infinity": ENVELOPE % '{"name":"pay","arguments":{"amount":-Infinity}}',
    "a number no double holds": ENVELOPE % '{"name":"pay","arguments":{"amount":1e999}}',
    "a number of thousands of digits": ENVELOPE % ('{"name":"pay","arguments":{"amount":%s}}' % ("9" * 5000)),
    "nested deeper than is judged": ENVELOPE % DEEP,
    "nested deeper than any parser": "[" * 100_000 + ENVELOPE % GOOD + "]" * 100_000,
    "a comment": "/* */" + ENVELOPE % GOOD,
    "single quotes": (ENVELOPE % GOOD).replace('"', "'"),
    "a comma too many": (ENVELOPE % GOOD)[:-1] + ",}",
    "cut off": (ENVELOPE % GOOD)[:-1],
    "a control character in a text": (ENVELOPE % GOOD).replace("admin", "ad\x01min"),
    "no parameters": '{"id":1,"method":"tools/call"}',
    "parameters in a list": ENVELOPE % '["admin",{}]',
    "no name": ENVELOPE % '{"arguments":{}}',
    "a name that is none": ENVELOPE % '{"name":["admin"],"arguments":{}}',
    "arguments in a text": ENVELOPE % '{"name":"admin","arguments":"{}"}',
    "a text": json.dumps(ENVELOPE % GOOD),
    "a number": "7",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_two_parsers_read_differently_does_not_pass(text):
    found = read(text)
    assert isinstance(found, Refused), found
    assert found.reason
    assert found.reason.isprintable()


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('{"id" : 1e0 ,"method":"tools/call"}', ("1e0",)),
        (r'{"id":"\u0061","method":"tools/call"}', (r'"\u0061"',)),
        ('{"id":1,"id":2,"method":"tools/call","params":{}}', ("null",)),
        ('{"method":"ping","method":"x","id":12345678901234567890}', ("12345678901234567890",)),
        ('[{"id":1,"method":"ping"}, {"method":"n"} ,{"id":"b","method":"tools/call"}]', ("1", '"b"')),
        ("[[]]", ("null",)),
        ("not json", ("null",)),
    ],
)
def test_a_refusal_names_the_ids_as_they_were_written(text, ids):
    assert read(text).ids == ids


@pytest.mark.parametrize("id_", ["1", "1.0", "1e0", '"a"', r'"\u0061"', "null", "true", "[1]", '{"a":1}', "9" * 40])
def test_the_id_of_a_call_is_kept_as_it_was_written(id_):
    found = read('{"id": %s ,"jsonrpc":"2.0","method":"tools/call","params":%s}' % (id_, GOOD))
    assert type(found) is Call
    assert found.id_text == id_


def test_ids_that_are_equal_have_one_key_and_others_have_not():
    assert id_key(1) == id_key(1.0)
    assert len({id_key(value) for value in (1, True, "1", None, 0, False, "true", "null")}) == 8
    assert id_key([1]) == id_key([1])


@pytest.mark.parametrize("text", ["", "\n", "\r\n", " \t \n", "[]", '[{"id":1,"method":"ping"},{"method":"x"}]\n'])
def test_empty_lines_and_batches_without_a_call_pass(text):
    assert isinstance(read(text), Message)


@given(methods, json_values, st.none() | st.integers() | st.text(), st.booleans())
def test_ordinary_requests_and_notifications_pass(method, params, id_, ascii_):
    message = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if id_ is None else {"id": id_})
    text = json.dumps(message, ensure_ascii=ascii_)
    found = read_message(text.encode("utf-8", "surrogatepass"))
    if not ascii_ and any("\ud800" <= letter <= "\udfff" for letter in text):
        assert isinstance(found, Refused)  # no UTF-8: nobody can send it
    else:
        assert type(found) is Message
        assert found.method == method


@given(json_values, st.integers() | st.text())
def test_responses_pass_whatever_they_hold(result, id_):
    for member in ("result", "error"):
        assert type(read(json.dumps({"jsonrpc": "2.0", "id": id_, member: result}))) is Message


@given(st.text(), st.dictionaries(st.text(), json_values), st.integers() | st.text())
def test_calls_are_read_as_json_reads_them(name, arguments, id_):
    text = json.dumps({"jsonrpc": "2.0", "id": id_, "method": CALL, "params": {"name": name, "arguments": arguments}})
    found = read(text)
    assert type(found) is Call
    assert (found.tool, dict(found.arguments), found.id) == (name, arguments, id_)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise_or_pass_as_a_call_that_json_does_not_see(data):
    line = data.replace(b"\n", b" ")
    found = read_message(line)
    if type(found) is Call:
        assert json.loads(line)["method"] == CALL
