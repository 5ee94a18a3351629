from datetime import UTC, datetime

import pytest

from codespar_cli.plugins.integrations.fields import at, block, first, items, line, lines, moment, scalars, web_url


def test_a_path_leads_somewhere_or_to_none():
    value = {"a": {"b": [{"c": 1}]}, "x": None}
    assert at(value, "a.b.0.c") == 1
    for path in ("a.b.1.c", "a.b.c", "a.b.0.c.d", "x.y", "nothing", "a.b.-1"):
        assert at(value, path) is None
    assert first(value, "x", "nothing", "a.b.0.c") == 1
    assert items(value, "a.b") == [{"c": 1}]
    assert items(value, "a") == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\nb", "a b"),
        ("", None),
        (" \x1b\u202e ", None),
        (7, "7"),
        (1.5, "1.5"),
        (True, None),
        (None, None),
        ([], None),
    ],
)
def test_a_line_is_text_or_a_number(value, expected):
    assert line(value) == expected


@pytest.mark.parametrize("value", [10**400, -(10**400), float("nan"), float("inf")])
def test_a_number_nobody_can_print_is_not_there(value):
    assert line(value) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/a/b#c",
        "http://ghe.internal:8443/x?y=1",
        "https://[2001:db8::1]/x",
        "https://sentry.io",
        "https://example.com/é",
    ],
)
def test_links_people_can_follow(url):
    assert web_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "ftp://x.example/",
        "//x.example/",
        "https://",
        "https://user:pass@x.example/",
        "https://github.com@evil.example/",
        "https://x.example:0/",
        "https://x.example:70000/",
        "https://x..example/",
        "https://x.example/a b",
        "https://x.example/\u202e",
        "https://x.example/\x1b[2J",
        "https://x.example/\ud800",
        "https://раура1.com/",
        "https://x.example\\@evil.example/",
        "https://x.example/" + "a" * 2048,
        "https://" + "a" * 64 + ".example/",
        7,
        None,
        ["https://x.example/"],
    ],
)
def test_everything_else_is_no_link(url):
    assert web_url(url) is None


@pytest.mark.parametrize(
    "value",
    ["2026-11-20T14:09:03Z", "2026-11-20T15:09:03+01:00", 1795183743, "1795183743", 1795183743.0, " 1795183743 "],
)
def test_a_moment_in_every_spelling(value):
    assert moment(value) == datetime(2026, 11, 20, 14, 9, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", [0, -1, 1795183743000, 10**400, float("nan"), float("inf"), True, "", "soon", "\ud800", "9" * 60, [], None,
              "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)  # fmt: skip
def test_a_wrong_time_is_no_time(value):
    assert moment(value) is None


def test_a_number_too_long_for_python_to_print_is_not_there():
    assert line(10**5000) is None
    assert moment(10**5000) is None
    assert dict(scalars({"a": 10**5000}, "a")) == {}


def test_lists_are_bounded_and_each_line_counts_once():
    assert lines(["a", "b", "a", 7, None, "", "c"], limit=2) == ("a", "b")
    assert block("a\r\nb\x1b", 100) == "a\nb"
    assert dict(scalars({"a": 1, "b": "x\n", "c": [], "d": True, "e": None, "f": 10**400}, *"abcdef")) == {
        "a": 1,
        "b": "x",
        "d": True,
    }
