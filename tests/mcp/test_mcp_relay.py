"""The two directions between real pipes: bytes out are bytes in, and what the proxy says stands between lines."""

import json
import os
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codespar_cli.mcp.bookkeeper import Bookkeeper
from codespar_cli.mcp.identity import Identity
from codespar_cli.mcp.relay import Relay
from codespar_cli.mcp.screen import Screen
from codespar_cli.mcp.spans import elements, members, only

WAIT = 30
BOOKS = Bookkeeper()


class Between:
    """A relay with both of its ends in our hands."""

    def __init__(self, judge, most_bytes=1 << 20):
        client_in, self.to_wrapper = os.pipe()
        self.from_wrapper, client_out = os.pipe()
        self.at_server, server_in = os.pipe()
        server_out, self.as_server = os.pipe()
        self.left = threading.Event()
        self.ends = {client_in, client_out, self.to_wrapper, self.from_wrapper, self.at_server, self.as_server}
        self.client_out = client_out
        self.relay = Relay(
            judge,
            client_in=client_in,
            client_out=client_out,
            server_in=server_in,
            server_out=server_out,
            client_left=self.left.set,
            most_bytes=most_bytes,
        )
        self.relay.start()

    def close(self, *ends):
        for end in ends:
            os.close(end)
            self.ends.discard(end)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close(*self.ends & {self.to_wrapper, self.as_server})
        self.relay.drain(WAIT)
        assert self.left.wait(WAIT)
        self.close(*self.ends)


def screen():
    def no_gate():
        raise AssertionError("nothing here is a call")

    return Screen(Identity("srv"), no_gate, BOOKS)


def write_in(descriptor, parts):
    def write():
        for part in parts:
            view = memoryview(part)
            while view:
                view = view[os.write(descriptor, view) :]

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def read_all(descriptor):
    found = []
    while data := os.read(descriptor, 65536):
        found.append(data)
    return b"".join(found)


harmless = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
messages = st.builds(
    lambda method, id_, params, ascii_, end: (
        json.dumps({"jsonrpc": "2.0", "id": id_, "method": method, "params": params}, ensure_ascii=ascii_).encode(
            "utf-8", "replace"
        )
        + end
    ),
    st.sampled_from(["initialize", "tools/list", "ping", "resources/read"]),
    st.integers() | st.text(max_size=4),
    harmless,
    st.just(True),
    st.sampled_from([b"\n", b"\r\n", b" \n"]),
)


def pieces(data, sizes):
    found, start = [], 0
    for size in sizes:
        found.append(data[start : start + size])
        start += size
    return [*found, data[start:]]


@settings(max_examples=40)
@given(st.lists(messages, max_size=8), st.lists(st.integers(1, 50), max_size=10), st.booleans())
def test_what_the_client_writes_is_what_the_server_reads(lines, sizes, newline):
    data = b"".join(lines)
    data = data if newline else data.rstrip(b"\r\n ")
    with Between(screen()) as between:
        thread = write_in(between.to_wrapper, pieces(data, sizes))
        thread.join(WAIT)
        between.close(between.to_wrapper)
        assert read_all(between.at_server) == data


@settings(max_examples=40)
@given(
    st.lists(st.binary(max_size=60) | messages, max_size=12),
    st.lists(st.integers(1, 50), max_size=10),
    st.integers(40, 200),
)
def test_what_the_server_writes_is_what_the_client_reads(parts, sizes, most):
    data = b"".join(parts)
    with Between(screen(), most) as between:
        os.write(between.to_wrapper, b'{"id":1,"method":"tools/list"}\n')
        thread = write_in(between.as_server, pieces(data, sizes))
        thread.join(WAIT)
        between.close(between.as_server)
        between.relay.drain(WAIT)
        between.close(between.client_out)
        assert read_all(between.from_wrapper) == data


def test_what_the_proxy_says_waits_for_the_end_of_a_line_that_comes_in_pieces():
    with Between(screen(), most_bytes=100) as between:
        os.write(between.as_server, b"x" * 150)
        assert os.read(between.from_wrapper, 1000) == b"x" * 150
        os.write(between.to_wrapper, b"no json\n")
        os.write(between.to_wrapper, b'{"method":"ping"}\n')
        assert os.read(between.at_server, 1000) == b'{"method":"ping"}\n'  # so the refusal was said before
        os.write(between.as_server, b"y\n")
        found = b""
        while found.count(b"\n") < 2:
            found += os.read(between.from_wrapper, 1000)
        first, second = found.splitlines(keepends=True)
        assert first == b"y\n"
        assert json.loads(second)["error"]["code"] == -32700


def test_a_line_that_is_too_long_to_judge_does_not_reach_the_server():
    with Between(screen(), most_bytes=100) as between:
        os.write(between.to_wrapper, b'{"method":"tools/call","id":1,"x":"' + b"x" * 200)
        os.write(between.to_wrapper, b'"}\n{"method":"ping"}\n')
        assert os.read(between.at_server, 1000) == b'{"method":"ping"}\n'
        assert b"longer than codespar can judge" in os.read(between.from_wrapper, 1000)


def test_a_server_that_reads_no_more_is_noticed_by_the_client():
    between = Between(screen())
    between.close(between.at_server)
    with pytest.raises(BrokenPipeError):
        for _ in range(10_000):
            os.write(between.to_wrapper, b'{"method":"ping"}\n')
    assert not between.left.is_set()  # it is still there, and may read what the server has to say
    os.write(between.as_server, b"last words\n")
    assert os.read(between.from_wrapper, 100) == b"last words\n"
    between.close(between.as_server)
    between.relay.drain(WAIT)


def test_a_client_that_reads_no_more_does_not_stop_the_server():
    between = Between(screen())
    between.close(between.from_wrapper)
    write_in(between.as_server, [b"x" * 1000 + b"\n"] * 1000).join(WAIT)  # more than every pipe holds
    assert between.left.wait(WAIT)
    assert between.relay.reader_gone.is_set()
    between.close(between.as_server)
    between.relay.drain(WAIT)


# ── where values stand ──


@given(st.dictionaries(st.text(), harmless, max_size=5), st.sampled_from([None, 1]), st.booleans())
def test_every_member_is_where_it_is_said_to_be(value, indent, ascii_):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_)
    assert {key: json.loads(text[span.start : span.end]) for key, span in members(text)} == value


@given(st.lists(harmless, max_size=6), st.sampled_from([None, 1]))
def test_every_element_is_where_it_is_said_to_be(value, indent):
    text = "\n " + json.dumps(value, indent=indent)
    assert [json.loads(text[span.start : span.end]) for span in elements(text)] == value


def test_a_key_that_is_given_twice_has_no_place():
    assert only('{"a":1,"b":2,"\\u0061":3}', "a") is None
    assert only('{"a":1,"b":2}', "b") is not None
    assert only("{}", "a") is None


# ── books ──


def test_tasks_are_done_in_order_and_failures_counted():
    books, done = Bookkeeper(), []

    def fail():
        raise SystemExit

    for number in range(200):
        books.add(lambda number=number: done.append(number))
        books.add(fail)
    assert books.close(WAIT)
    assert done == list(range(200))
    assert books.failures == {"SystemExit": 200}


def test_tasks_are_done_without_being_closed_and_when_nothing_is_quiet():
    books, done = Bookkeeper(), threading.Event()
    books.add(done.set)
    assert done.wait(WAIT)
    late, stop = threading.Event(), threading.Event()
    books.add(late.set)

    def noise():
        while not stop.is_set():
            books.add(lambda: None)

    thread = threading.Thread(target=noise)
    thread.start()
    assert late.wait(WAIT)
    stop.set()
    thread.join(WAIT)
    assert books.close(WAIT)


def test_what_waits_is_bounded_by_who_brings_it():
    books, held, done = Bookkeeper(most_waiting=3), threading.Event(), []
    started = threading.Event()
    books.add(lambda: (started.set(), held.wait(WAIT)))
    assert started.wait(WAIT)
    for number in range(5):
        books.add(lambda number=number: done.append((number, threading.current_thread().name)))
    assert [number for number, name in done if name != "bookkeeper"] == [3, 4]
    held.set()
    assert books.close(WAIT)
    assert sorted(number for number, _ in done) == [0, 1, 2, 3, 4]
