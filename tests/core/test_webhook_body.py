from urllib.parse import urlencode

import pytest

from codespar_cli.core.webhook_body import parse_body


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
    ],
)
def test_a_body_no_two_parsers_read_alike_is_refused_in_one_line(raw, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        parse_body(raw)
    assert "\n" not in str(caught.value)


def test_too_many_form_fields_are_refused():
    with pytest.raises(ValueError):
        parse_body(b"payload={}" + b"&x=1" * 1000)
