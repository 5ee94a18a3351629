import base64
import json

import pytest

from codespar_cli.webhooks.payload import payload_of


def test_a_bare_body_keeps_its_bytes():
    payload = payload_of("x", '{"a" :1}')
    assert (payload.value, payload.raw, payload.provider) == ({"a": 1}, b'{"a" :1}', None)
    assert payload_of("x", '{"a":1}', b'{"a":1}\n').raw == b'{"a":1}\n'


@pytest.mark.parametrize(
    "body", [{"body": '{"a" : "\u00e9"}'}, {"body_b64": base64.b64encode('{"a" : "\u00e9"}'.encode()).decode()}]
)
def test_a_record_gives_back_the_bytes_and_who_sent_them(body):
    record = {
        **body,
        "headers": {"X-GitHub-Event": "ping"},
        "provider": "github",
        "received_at": "2026-11-20T14:00:00Z",
    }
    payload = payload_of("x", json.dumps(record))
    assert payload.raw == '{"a" : "\u00e9"}'.encode()
    assert payload.value == {"a": "\u00e9"}
    assert payload.headers["x-github-event"] == "ping"
    assert payload.provider == "github"


def test_a_record_of_a_form_is_unwrapped_and_keeps_the_form():
    payload = payload_of("x", json.dumps({"headers": {}, "body": "payload=%7B%22a%22%3A1%7D"}))
    assert (payload.value, payload.raw) == ({"a": 1}, b"payload=%7B%22a%22%3A1%7D")


def test_a_record_that_kept_only_the_parsed_body_has_no_bytes():
    payload = payload_of("x", '{"headers": {}, "body": {"a": 1}}')
    assert (payload.value, payload.raw) == ({"a": 1}, None)


@pytest.mark.parametrize(
    "headers", [{"A": "1"}, {"A": ["1"]}, [["A", "1"]], [{"name": "A", "value": "1"}], {"A": "1", "B": None, "C": 7}]
)
def test_headers_in_the_spellings_of_several_exporters(headers):
    assert dict(payload_of("x", json.dumps({"headers": headers, "body": "{}"})).headers) == {"a": "1"}


def test_a_providers_body_with_a_field_called_body_is_not_a_record():
    value = {"body": "text", "title": "x", "action": "opened"}
    assert payload_of("x", json.dumps(value)).value == value


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"body": "{}", "body_b64": "e30="}, "found both"),
        ({"body_b64": "not base64!"}, "not base64"),
        ({"body_b64": 7}, "not base64"),
        ({"body_b64": "e30"}, "not base64"),
        ({"body": "{}", "headers": 7}, "headers"),
        ({"body": "{}", "headers": "A: 1"}, "headers"),
        ({"body": "{}", "headers": {}, "provider": 7}, "provider"),
        ({"body": ""}, "empty"),
        ({"body": "{"}, "not JSON"),
        ({"body": '{"a":1,"a":2}'}, "given twice"),
    ],
)
def test_a_record_that_is_none_says_why(record, reason):
    payload = payload_of("x", json.dumps(record))
    assert payload.trouble == "malformed"
    assert reason in payload.error


def test_base64_may_be_wrapped_as_the_tool_of_that_name_does():
    body = json.dumps({"text": "x" * 200}).encode()
    for wrapped in (base64.encodebytes(body).decode(), base64.b64encode(body).decode() + "\r\n"):
        payload = payload_of("x", json.dumps({"headers": {}, "body_b64": wrapped}))
        assert (payload.raw, payload.error) == (body, None)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"body": "{}", "provider": "github", "note": "x"}, "record: unknown key `note`"),
        ({"body": {}, "provider": "github", "header": {}}, "record: unknown key `header`, did you mean `headers`?"),
        (
            {"body": "payload=%7B%7D", "received_at": "x", "n\u202e" + "x" * 99: 1},
            "record: unknown key `n\\u202e" + "x" * 58 + "`",
        ),
        ({"body_b64": "e30=", "note": "x"}, "record: unknown key `note`"),
    ],
)
def test_a_record_without_headers_may_hold_nothing_else(record, said):
    payload = payload_of("x", json.dumps(record))
    assert (payload.trouble, payload.error) == ("malformed", said)


def test_what_an_exporter_adds_beside_the_headers_does_no_harm():
    record = {"headers": {"A": "1"}, "body": "{}", "method": "POST", "query": {}}
    assert payload_of("x", json.dumps(record)).value == {}


@pytest.mark.parametrize(
    "value",
    [
        {"body": "text", "title": "x", "provider": "aws"},
        {"body": "{}", "title": "x"},
        {"body": {"storage": "x"}, "id": 7, "type": "page"},
        {"body": None, "provider": "aws", "id": 7, "type": "page"},
    ],
)
def test_a_bare_payload_may_have_a_body_and_a_provider(value):
    assert payload_of("x", json.dumps(value)).value == value


@pytest.mark.parametrize("body", ["", "{bad", '{"a":1,"a":2}', "\ufeff"])
def test_bytes_and_headers_outlive_a_body_that_does_not_parse(body):
    bare, record = payload_of("x", "{bad"), payload_of("x", json.dumps({"headers": {"A": "1"}, "body": body}))
    assert (bare.trouble, bare.raw) == ("malformed", b"{bad")
    assert (record.trouble, record.raw, dict(record.headers)) == ("malformed", body.encode(), {"a": "1"})


def test_a_lone_surrogate_in_a_record_has_no_bytes():
    payload = payload_of("x", '{"headers": {}, "body": "\\ud800"}')
    assert payload.trouble == "malformed"


@pytest.mark.parametrize("text", ["{", '{"a":NaN}', '{"a":1,"a":2}', "[" * 100_000, "", "nope", '{"a":1e999}'])
def test_what_does_not_parse_is_malformed_in_one_line(text):
    payload = payload_of("x", text)
    assert payload.trouble == "malformed"
    assert "\n" not in payload.error
