"""Globs against an independent model, and against an adversary."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.globs import literal_prefix, matches

SEGMENT = st.text("ab*", max_size=4)
PATTERN = st.lists(SEGMENT | st.just("**"), min_size=1, max_size=5).map("/".join)
NAME = st.lists(st.text("ab", max_size=4), min_size=1, max_size=6).map("/".join)


def segment_model(pattern, name):
    if not pattern:
        return not name
    if pattern[0] == "*":
        return segment_model(pattern[1:], name) or bool(name and segment_model(pattern, name[1:]))
    return bool(name) and name[0] == pattern[0] and segment_model(pattern[1:], name[1:])


def model(parts, names):
    """Straight from the contract: `**` is any number of whole segments, but a trailing one is at least one."""
    if not parts:
        return not names
    if parts[0] == "**":
        if len(parts) == 1:
            return len(names) >= 1
        return any(model(parts[1:], names[skip:]) for skip in range(len(names) + 1))
    return bool(names) and segment_model(parts[0], names[0]) and model(parts[1:], names[1:])


@given(PATTERN, NAME)
def test_globs_agree_with_the_model(pattern, name):
    assert matches(pattern, name) == model(pattern.split("/"), name.split("/"))


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("fs/read", "fs/read", True),
        ("fs/read", "fs/Read", False),
        ("fs/*", "fs/read", True),
        ("fs/*", "fs/a/b", False),
        ("github/get_*", "github/get_", True),
        ("deploy/**", "deploy", False),
        ("deploy/**", "deploy/", True),
        ("deploy/**", "deploy/a/b", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("**/rm", "rm", True),
        ("**", "anything/at/all", True),
        ("fs.*", "fs.write.secret", True),
        ("fs/read", "fs/read\n", False),
        ("[a-z]?", "[a-z]?", True),
        ("[a-z]?", "ab", False),
    ],
)
def test_the_contracts_examples(pattern, name, expected):
    assert matches(pattern, name) is expected


@pytest.mark.parametrize("pattern", ["*a*a*a*a*a*a*a*b", "**/a/**/a/**/a/**/b", "a" * 500 + "*", "*" + "a*" * 100])
@pytest.mark.parametrize("name", ["a" * 10_000, "a/" * 5_000 + "c", "/" * 10_000])
def test_an_adversary_does_not_make_it_slow(pattern, name):
    matches(pattern, name)
    started = time.process_time()
    for _ in range(20):
        matches(pattern, name)
    assert (time.process_time() - started) / 20 < 0.02  # two orders below what backtracking takes, far above noise


def test_the_literal_prefix_is_what_every_match_begins_with():
    assert literal_prefix("openai/gpt-*/x") == "openai/gpt-"
    assert literal_prefix("fs/read") == "fs/read"
