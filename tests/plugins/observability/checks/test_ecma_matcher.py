from __future__ import annotations

import re
import time
from random import Random

import pytest

from codespar_cli.plugins.observability.checks.schema.ecma_matcher import Searcher, TooManySteps
from codespar_cli.plugins.observability.checks.schema.ecma_pattern import NotAnExpression


def searches(pattern, text):
    return Searcher().searches(pattern, text)


def pattern(pick, depth):
    kind = pick.random()
    if depth == 0 or kind < 0.3:
        atoms = [
            "a",
            "b",
            "c",
            ".",
            r"\d",
            r"\w",
            "[ab]",
            "[^a]",
            "[a-c]",
            r"\s",
            "1",
            "-",
            r"\.",
            "_",
            " ",
            r"\D",
            r"[\w-]",
        ]
        return pick.choice(atoms)
    if kind < 0.5:
        return pattern(pick, depth - 1) + pattern(pick, depth - 1)
    if kind < 0.6:
        return f"(?:{pattern(pick, depth - 1)}|{pattern(pick, depth - 1)})"
    if kind < 0.8:
        sign = pick.choice(["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?", "+?"])
        return f"({pattern(pick, depth - 1)}){sign}"
    if kind < 0.86:
        return "^" + pattern(pick, depth - 1)
    if kind < 0.92:
        return pattern(pick, depth - 1) + "$"
    if kind < 0.94:
        return pick.choice([r"\b", r"\B"]) + pattern(pick, depth - 1)
    if kind < 0.97:
        return pick.choice(["(?=", "(?!"]) + pattern(pick, depth - 1) + ")"
    return pick.choice(["(?<=", "(?<!"]) + pick.choice(["a", "ab", "[ab]", r"\d."]) + ")"


def test_it_finds_what_a_backtracking_engine_finds():
    pick, matched = Random(11), 0
    for _ in range(12_000):
        expression = pattern(pick, 4)
        text = "".join(pick.choice("abc1-_ .\n") for _ in range(pick.randrange(1, 9)))
        # In Python `$` also holds before a last newline, and `\\B` nowhere in an empty text (until 3.14).
        expected = re.search(expression.replace("$", r"\Z"), text, re.ASCII) is not None
        assert searches(expression, text) is expected, (expression, text)
        matched += expected
    assert 3000 < matched < 9000


@pytest.mark.parametrize(
    ("expression", "text", "expected"),
    [
        ("^a$", "a\n", False),
        ("^a$", "x\na", False),
        (".", "\u2028", False),
        (r"\d", "٣", False),
        (r"\w", "é", False),
        (r"\s", "\u00a0\ufeff", True),
        (r"^\u0041\x42\u{43}$", "ABC", True),
        (r"^\ud835\udcb3$", "𝒳", True),
        (r"^\p{Lu}\p{Ll}+$", "Élan", True),
        (r"^\P{L}$", "é", False),
        (r"^[\p{L}\d]+$", "é1", True),
        (r"^[^]$", "\n", True),
        (r"^[]", "a", False),
        (r"^(?<year>\d{4})$", "2026", True),
        (r"^(?P<year>\d{4})$", "2026", True),
        (r"^{}]$", "{}]", True),
        (r"^a{,2}$", "a{,2}", True),
        (r"^[\b]$", "\b", True),
        (r"^[a\-z]+$", "a-z", True),
        (r"^[a-]+$", "-a", True),
        (r"^\/x\/$", "/x/", True),
        ("", "", True),
        ("a||b", "zzz", True),
        ("^(?=.*[A-Z])(?=.*[0-9]).{4,}$", "abC1", True),
        ("^(?=.*[A-Z])(?=.*[0-9]).{4,}$", "abc1", False),
        (r"^(?!.*\.\.)[^/]+$", "a..b", False),
        (r"(?<!\d)7", "17", False),
        (r"(?<=a+)b", "aab", True),
        (r"^(a*)*$", "aaa", True),
        (r"^(?:)*$", "", True),
        ("^.$", "\ud800", True),
    ],
)
def test_it_reads_what_ecma_262_writes(expression, text, expected):
    assert searches(expression, text) is expected


@pytest.mark.parametrize(
    "expression",
    ["(", ")", "a)", "[", "[a", "*a", "a**", "a{2}{3}", "(?i)a", r"(a)\1", r"\k<x>", r"\A", "[b-a]", "a{3,2}", "(?x", "\\",
     r"\p{Script=Greek}", r"\u{110000}", "(?>a)", "(" * 60 + ")" * 60, "(" * 50_000, "a" * 5000, "((a{1,99}){1,99})",
     "a{999999}", "[\\d-z]{2}(?#x)"],
)  # fmt: skip
def test_what_it_does_not_know_it_refuses(expression):
    with pytest.raises(NotAnExpression) as refused:
        searches(expression, "a")
    assert str(refused.value).startswith("a pattern")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("^(a+)+$", "a" * 30_000 + "!"),
        ("(a|a)*b", "a" * 100_000),
        ("^(.*)(.*)(.*)(.*)x$", "y" * 100_000),
        ("(?=.*a)(?=.*b)c", "z" * 20_000),
        ("(?<=a.*)b", "ac" * 50_000),
        ("(x+x+)+y", "x" * 50_000),
        ("([a-z]{1,60}){1,60}$", "a" * 50_000),
        ("(?:(?!.*(?!.*(?!.*a))).)*", "b" * 3000),
        (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 100_000),
        (".{1,3000}b", "a" * 100_000),
        ("^[a-z]+$", "a" * 3_000_000),
    ],
)
def test_no_pattern_explodes(expression, text):
    started = time.process_time()
    try:
        searches(expression, text)
    except (TooManySteps, NotAnExpression):
        pass
    # Counted in steps, so the same everywhere; the clock is generous for a slow machine.
    assert time.process_time() - started < 0.5


def test_all_patterns_of_a_value_share_their_steps():
    searcher = Searcher()
    with pytest.raises(TooManySteps):
        for _ in range(1000):
            searcher.searches("(?=.*a)(?=.*b)c", "z" * 200)
