"""What is shown of output that holds secrets."""

import base64
import html
import json
import shlex
import subprocess
import urllib.parse

import pytest

from codespar_cli.core.masking.masker import GLIMPSE, MASK, Masker, mask
from codespar_cli.core.masking.sieve import sieves
from codespar_cli.core.masking.spellings import SHORTEST, spellings

VALUE = "pä$$ w/rd+\"q'&<x>\\end~1234"
PEM = "-----BEGIN KEY-----\nMIIBVgIBADANBgkq\nhkiG9w0BAQEFAASC\n\tindented/line==\n-----END KEY-----\n"


def shown(text, *values):
    return mask(text if isinstance(text, bytes) else text.encode(), *spellings(values))


@pytest.mark.parametrize(
    "spelled",
    [
        VALUE,
        json.dumps(VALUE)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
        json.dumps(VALUE)[1:-1].replace("/", "\\/"),
        json.dumps(VALUE)[1:-1].replace("\\u00e4", "\\u00E4"),
        urllib.parse.quote(VALUE),
        urllib.parse.quote(VALUE, safe=""),
        urllib.parse.quote_plus(VALUE),
        VALUE.encode().hex(),
        VALUE.encode().hex().upper(),
        repr(VALUE)[1:-1],
        repr(VALUE.encode())[2:-1],
        html.escape(VALUE),
        html.escape(VALUE, quote=False),
        shlex.quote(VALUE)[1:-1],
        html.escape(VALUE).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
        json.dumps(json.dumps(VALUE)[1:-1])[1:-1],
        "p\\u00E4$$ w/rd\\u002B\\u0022q\\u0027\\u0026\\u003Cx\\u003E\\\\end~1234",
        VALUE.replace("'", "'\\''"),
    ],
)
def test_encodings_are_masked(spelled):
    assert shown(f"before {spelled} after", VALUE) == b"before " + MASK + b" after"


def test_lower_case_percent_codes_are_masked():
    quoted = urllib.parse.quote("a/b c&d?é", safe="")
    lower = "".join(
        chunk if index == 0 else "%" + chunk[:2].lower() + chunk[2:] for index, chunk in enumerate(quoted.split("%"))
    )
    assert lower != quoted
    assert shown(lower, "a/b c&d?é") == MASK


@pytest.mark.parametrize("before", range(7))
@pytest.mark.parametrize("urlsafe", [False, True])
def test_base64_is_masked_in_every_alignment(before, urlsafe):
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    value = "\u00ff\u00fe>>>???secret-value"
    whole = encode(b"#" * before + value.encode() + b"neighbour")
    first, last = (before * 8 + 5) // 6, (before + len(value.encode())) * 8 // 6
    # Only the characters that are the neighbours', or mixed with them, are left.
    assert shown(whole, value) == whole[:first] + MASK + whole[last:]


@pytest.mark.parametrize("before", [0, 1, 2, 5, 31, 60, 75])
@pytest.mark.parametrize(
    "command", [["base64"], ["base64", "-w", "64"], ["base64", "-w7"], ["base64", "-w0"], ["xxd", "-p"]]
)
def test_what_command_line_tools_print_is_masked_wherever_they_break_the_line(command, before):
    for size in (38, 200):
        value = "".join(chr(33 + number * 7 % 90) for number in range(size))
        try:
            printed = subprocess.run(
                command, input=b"#" * before + value.encode(), capture_output=True, check=True
            ).stdout
        except FileNotFoundError:
            pytest.skip(f"no {command[0]} here")
        left = shown(printed, value).replace(MASK, b"").replace(b"\n", b"").rstrip(b"=")
        neighbours = before * 2 if command[0] == "xxd" else (before * 8 + 5) // 6
        assert len(left) <= neighbours + 4


def test_an_encoding_with_the_line_ends_of_a_terminal_is_masked():
    value = "correct horse battery staple, the whole of it"
    whole = base64.b64encode(b"user:" + value.encode())
    for end in (b"\n", b"\r\n", b"\r"):
        broken = end.join(whole[start : start + 10] for start in range(0, len(whole), 10))
        left = shown(broken, value)
        assert MASK in left
        assert len(left.replace(MASK, b"")) <= 12


def test_the_same_byte_again_and_again_is_masked_in_one_go():
    value = "a" * 20_000
    assert shown("x" + "a" * 1_000_000 + "y", value) == b"x" + MASK + b"y"


@pytest.mark.parametrize(
    "value",
    [
        "it's",
        'a "b" c',
        "#a,b{c}~[d]!",
        "x=~y:~z|w^",
        "semi;colon & $HOME `x`",
        "back\\slash",
        "tab\there",
        "line\nline two",
        "é ü 日本",
    ],
)
def test_what_bash_prints_is_masked(value):
    for script in ('printf %q "$V"', 'set -x; : "$V"', "declare -p V", 'echo "${V@Q}"'):
        done = subprocess.run(
            ["bash", "-c", script],
            env={"V": value, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            timeout=30,
        )
        output = done.stdout + done.stderr
        left = shown(output, value)
        assert MASK in left, (script, output)


def test_lines_of_a_value_are_masked_one_by_one():
    for line in PEM.strip().split("\n"):
        assert shown(f"> {line.strip()} <", PEM) == b"> " + MASK + b" <"
    assert shown(PEM.replace("\n", "\r\n"), PEM) == MASK
    assert shown("    MIIBVgIBADANBgkq\n    hkiG9w0BAQEFAASC\n", PEM) == b"    " + MASK + b"\n    " + MASK + b"\n"


def test_short_values_are_left_alone():
    assert shown("yes no abc abcd", "no", "abc", "", "abcd") == b"yes no abc " + MASK
    assert SHORTEST == 4


def test_overlapping_and_touching_values_leave_nothing():
    assert shown("xabcdefghx", "abcdef", "defgh") == b"x" + MASK + b"x"
    assert shown("xabcdabcdx", "abcd") == b"x" + MASK + b"x"
    assert shown("aaaaaaaa", "aaaaa") == MASK
    assert shown("outer-inner-outer inner", "outer-inner-outer", "inner") == MASK + b" " + MASK


def test_what_cannot_be_a_beginning_comes_at_once():
    masker = Masker(*spellings(["secret-value"]))
    assert masker.feed(b"Password: ") == b"Password: "
    assert masker.feed(b"it is sec") == b"it is "
    assert masker.feed(b"ond") == b"second"
    assert masker.feed(b"secret-val") == b""
    assert masker.feed(b"ue!") == MASK + b"!"


def test_a_person_who_waits_sees_at_most_three_held_characters():
    masker = Masker(*spellings(["secret-value"]))
    assert masker.feed(b"is") == b"i"
    assert masker.hides_little
    assert masker.glimpse() == b"s"
    assert not masker.hides_little
    assert masker.glimpse() == b""
    assert masker.feed(b"e") == b""
    assert masker.glimpse() == b"e"
    assert masker.feed(b"cr") == b""
    assert masker.glimpse() == b""
    assert masker.feed(b"et-value.") == MASK + b"."
    assert GLIMPSE == 3


def test_a_value_cut_off_at_the_end_is_masked_when_most_of_it_is_there():
    assert shown("x secret-va", "secret-value") == b"x " + MASK
    assert shown("x secret", "a-secret-value-secret-value-long") == b"x secret"
    assert shown("x secre", "secret-value") == b"x secre"


def test_nothing_is_changed_without_needles():
    masker = Masker(set())
    assert masker.feed(b"any\x00\xff") == b"any\x00\xff"
    assert masker.finish() == b""


def test_a_sieve_refuses_what_it_cannot_find():
    with pytest.raises(ValueError, match="3 bytes"):
        sieves({b"abc"})


def test_a_line_that_is_over_is_shown():
    """Also where it ends with a few characters that an encoding may begin with."""
    value = "correct horse battery staple"
    encoded = base64.b64encode(value.encode())
    for size in range(1, 8):
        masker = Masker(*spellings([value]))
        line = b"job " + encoded[:size] + b"\n"
        assert masker.feed(line) == line
    assert MASK in shown(encoded[:20] + b"\n" + encoded[20:], value)
