import tracemalloc
from urllib.parse import urlencode

import pytest

from codespar_cli.core.webhook_body import is_form, parse_body


@pytest.mark.parametrize(
    "raw", [b'{"a":1}', b'\xef\xbb\xbf{"a":1}', b' \r\n{"a":1}\n', urlencode({"payload": '{"a":1}'}).encode()]
)
def test_the_same_json_in_every_wrapping(raw):
    assert parse_body(raw) == {"a": 1}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"\xff", "not UTF-8"),
        ('{"a":1}'.encode("utf-16"), "UTF-16"),
        ('{"a":1}'.encode("utf-16-le"), "UTF-16"),
        ('{"a":1}'.encode("utf-32"), "UTF-16"),
        (b"{", "not JSON"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":1e999}', "too large"),
        (b'{"a":' + b"9" * 5000 + b"}", "too large"),
        (b'{"a":1,"a":2}', "given twice"),
        (b"[" * 100_000, "nested"),
        (b"payload=", "payload"),
        (b"payload={}&payload={}", "payload"),
        (b"payload=%7B", "not JSON"),
        (b"payload=%ff", "not UTF-8"),
        (b"title=a&title=b", "given twice"),
        (b"title=%ff", "not UTF-8"),
        (b"a=b c", "not JSON"),
        (b"KEY=value\nOTHER=value", "not JSON"),
        (b"=b", "not JSON"),
    ],
)
def test_a_body_no_two_parsers_read_alike_is_refused_in_one_line(raw, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        parse_body(raw)
    assert "\n" not in str(caught.value)


def test_too_many_form_fields_are_refused():
    with pytest.raises(ValueError):
        parse_body(b"payload={}" + b"&x=1" * 1000)


def test_a_form_of_fields_is_an_object_of_texts():
    fields = {"title": "[Triggered] a & b = 100 %", "body": "%%%\nzwei Zeilen äöü\n%%%", "id": "1", "tags": ""}
    assert parse_body(urlencode(fields).encode()) == fields


@pytest.mark.parametrize("text", ['{"a":"b=c"}', "[1]", '"a=b"', "null", "", "a", "a b=c", "a=b\n", "é=b"])
def test_what_is_no_form_is_not_taken_for_one(text):
    assert not is_form(text)


def test_too_many_fields_without_a_payload_are_refused_too():
    with pytest.raises(ValueError):
        parse_body("&".join(f"x{number}=1" for number in range(1000)).encode())


def test_a_form_of_very_many_fields_costs_no_memory():
    body = b"a=" + b"&a=" * 300_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="not JSON"):
        parse_body(body)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10 * len(body)
