"""What approvers are shown of the arguments cannot lie about what runs."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.text import visible
from codespar_cli.plugins.policy.approvals.args_preview import mixes_alphabets, preview_of


def test_plain_arguments_are_shown_as_json():
    args = {"env": "production", "count": 3, "flags": [True, None, 0.5], "city": "São Paulo", "who": "Ольга"}
    preview = preview_of(args)
    assert preview.text == json.dumps(args, ensure_ascii=False)
    assert (preview.hidden, preview.complete) == (0, True)


def test_what_sounds_secret_is_left_out_and_counted():
    args = {
        "api_token": "t0",
        "headers": {"X-Api-Key": {"v": "t1"}},
        "ＰＡＳＳＷＯＲＤ": "t2",
        "accessKey": ["t3"],
        "keyboard": "k",
    }
    preview = preview_of(args)
    assert preview.hidden == 4
    assert not any(f"t{number}" in preview.text.replace("(not", "") for number in range(4))
    assert '"keyboard": "k"' in preview.text


@pytest.mark.parametrize(
    "name",
    ["pass", "passphrase", "key", "keys", "auth", "pin", "userPIN", "pat", "GITHUB_PAT", "ssh_key", "sshKey2", "sshkey",
     "cookie", "Set-Cookie", "bearer", "session", "session_id", "sessionid", "ｋｅｙ"],
)  # fmt: skip
def test_a_word_of_a_name_sounds_secret(name):
    preview = preview_of({name: "hush"})
    assert (preview.hidden, "hush" in preview.text) == (1, False)


@pytest.mark.parametrize(
    "name", ["keyboard", "author", "authority", "compass", "passenger", "spin", "opinion", "pattern", "path", "monkey"]
)
def test_a_word_within_a_word_does_not(name):
    assert preview_of({name: "shown"}) == (f'{{"{name}": "shown"}}', 0, True)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Bearer hush", "Bearer (not shown)"),
        ("Basic aHVzaDpodXNo", "Basic (not shown)"),
        ("curl -H 'Authorization: Bearer hush' example", "curl -H 'Authorization: Bearer (not shown)' example"),
        ("Authorization: hush", "Authorization: (not shown)"),
        ("https://user:hush@host/path", "https://user:(not shown)@host/path"),
        ("postgresql://bob:hu@sh@db/x and more", "postgresql://bob:(not shown)@db/x and more"),
        ("a -----BEGIN RSA PRIVATE KEY-----\nhush\n-----END RSA PRIVATE KEY----- b", "a (not shown) b"),
        ("-----BEGIN PRIVATE KEY-----\nhush, and cut off", "(not shown)"),
        ("git clone with ghp_hush", "git clone with (not shown)"),
        ("github_pat_hush", "(not shown)"),
        ("sk_live_hush", "(not shown)"),
        ("xoxb-12-hush", "(not shown)"),
        ("AKIAHUSHHUSHHUSHHUSH", "(not shown)"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodXNoIn0.hush", "(not shown)"),
    ],
)
def test_what_looks_secret_is_left_out_of_a_value_and_counted(value, shown):
    preview = preview_of({"command": [value, value], "n": 1})
    assert json.loads(preview.text) == {"command": [shown, shown], "n": 1}
    assert preview.hidden == 2


@pytest.mark.parametrize(
    "value",
    ["Basic authentication", "bearer of news", "https://host:8443/a@b", "ssh://git@host/x", "task-force-one-two-three",
     "-----BEGIN CERTIFICATE-----", "AKIA", "eyJ"],
)  # fmt: skip
def test_what_only_resembles_a_secret_is_shown(value):
    assert preview_of({"text": value}) == (json.dumps({"text": value}), 0, True)


def test_a_secret_across_the_cut_is_not_shown_in_part():
    preview = preview_of({"text": "x " * 195 + "ghp_" + "hush" * 9})
    assert "hush" not in preview.text
    assert preview.hidden == 1


@pytest.mark.parametrize(
    "piece",
    ["://a:b", "bearer ", "authorization:", "authorization ", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "://:", " ",
     "ghp_", "eyJ", "sk-", "bearer a ", "aA"],
)  # fmt: skip
def test_a_long_text_is_read_in_linear_time(piece):
    """A megabyte takes a tenth of a second; what looks back at each character would take hours."""
    began = time.process_time()
    preview_of({"text": piece * (1_000_000 // len(piece)), piece * (1_000_000 // len(piece)): 1})
    assert time.process_time() - began < 10


def test_keys_that_look_alike_are_shown_apart():
    long = "k" * 500
    args = {"a\x1b": 1, "a\\x1b": 2, "a\u202e": 3, "a\\u202e": 4, "a": 5, "а": 6, long + "x": 7, long + "yy": 8}
    shown = visible(preview_of(args).text)
    assert '"a\\u001b": 1' in shown
    assert '"a\\\\x1b": 2' in shown
    assert '"a\\u202e": 3' in shown
    assert '"a\\\\u202e": 4' in shown
    assert "…(+101 characters): 7" in shown
    assert "…(+102 characters): 8" in shown


def test_a_word_of_two_alphabets_is_spelled_out():
    assert preview_of({"env": "stаging"}).text == '{"env": "st\\u0430ging"}'
    assert preview_of({"env": "ｐrod"}).text == '{"env": "\\uff50rod"}'
    assert mixes_alphabets("αdmin")
    assert not mixes_alphabets("админ")


def test_long_arguments_are_cut_and_said_to_be():
    preview = preview_of({"patch": "x" * 5000, "force": True})
    assert not preview.complete
    assert preview.text.endswith('x"…(+4600 characters), "force": true}')
    many = preview_of({f"k{number}": "v" * 50 for number in range(1000)})
    assert not many.complete
    assert len(many.text) == 4098
    assert many.text.endswith(" …")
    edge = preview_of({"a": ["x" * 300] * 13 + ["y" * (4096 - 13 * 304 - 11)]})
    assert (len(edge.text), edge.complete) == (4096, True)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=10,
    )
)
def test_a_whole_preview_reads_back_as_the_arguments(value):
    preview = preview_of({"x": value})
    if preview.hidden == 0:
        assert preview.complete
        assert json.loads(preview.text) == {"x": value}
        assert visible(preview.text).replace("\\x7f", "\x7f") == preview.text
