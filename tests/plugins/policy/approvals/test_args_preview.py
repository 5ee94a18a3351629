"""What approvers are shown of the arguments cannot lie about what runs."""

import json

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
        "key": "k",
    }
    preview = preview_of(args)
    assert preview.hidden == 4
    assert not any(f"t{number}" in preview.text.replace("(not", "") for number in range(4))
    assert '"key": "k"' in preview.text


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
