import pytest

from codespar_cli.core.headers import NO_HEADERS, Headers


def test_names_do_not_know_case():
    headers = Headers({"X-GitHub-Event": "push"})
    assert headers["x-github-event"] == headers["X-GITHUB-EVENT"] == "push"
    assert headers.get("x-nothing") is None
    assert "X-Github-Event" in headers
    assert 7 not in headers
    assert list(headers) == ["x-github-event"]


def test_a_name_given_twice_is_joined_so_that_neither_value_wins():
    assert Headers({"A": "1", "a": "2"})["A"] == "1, 2"
    assert Headers.of([("a", "1"), ("A", "2")])["a"] == "1, 2"
    assert Headers.of({"a": ["1", "2"]})["a"] == "1, 2"


@pytest.mark.parametrize(
    "source",
    [None, 7, "a: b", b"a: b", {}, [], [1, None, ("a",), ("a", 7)], {"a": None}, {7: "x"}, {"": "x"}, object()],
)
def test_what_cannot_be_a_header_is_left_out(source):
    assert len(Headers.of(source)) == 0


def test_bytes_as_asgi_has_them():
    assert Headers.of([(b"content-type", b"text/plain"), (b"x", b"\xe9")])["X"] == "\xe9"


def test_defaults_only_fill_gaps():
    headers = Headers({"A": "1"}).with_defaults({"a": "2", "B": "3"})
    assert (headers["a"], headers["b"]) == ("1", "3")
    assert len(NO_HEADERS) == 0


def test_a_repr_shows_no_values():
    assert "hush" not in repr(Headers({"Authorization": "hush"}))
