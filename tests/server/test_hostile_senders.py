"""What strangers may try: a good request is answered within a second throughout, in bounded memory."""

import gzip
import re
import socket
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
from serve_process import headers_of, push, read_answer, request, serving, sign

MOST = 300 << 20
"""Bytes of memory of one process; each that accepts beside it begins with some 40 MiB."""
EACH = 40 << 20
numbers = iter(range(1, 10**9))  # each stands for a body that nobody else sends; `push()` is 0


@pytest.fixture(scope="module", params=["1", "3"], ids="workers {}".format)
def server(tmp_path_factory, request):
    """One process that does everything, and three of which two accept."""
    with serving(tmp_path_factory.mktemp("hostile"), "--workers", request.param) as server:
        yield server


def good(server):
    """Seconds until a genuine delivery is answered 200, on a connection of its own; those for which the machine was busy
    with something else do not count."""
    began, starved = time.monotonic(), server.starved
    number = next(numbers)
    status, _, _ = server.post(push(number), f"good-{number}")
    assert status == 200
    return time.monotonic() - began - (server.starved - starved)


@contextmanager
def well(server, rounds=5):
    """Whatever goes on inside: genuine deliveries are answered, and memory stays bounded."""
    yield
    assert max(good(server) for _ in range(rounds)) < 1
    assert server.rss < MOST + EACH * len(server.acceptors)


def raw(server, data, stack=None, close=False):
    connection = server.connect()
    if stack is not None:
        stack.enter_context(connection)
    try:
        connection.sendall(data)
        if close:
            connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # refused in the middle: there is an answer to read, or none
    return connection


def answered(server, data, close=False):
    """Status of the answer; None where the connection was closed without one."""
    with raw(server, data, close=close) as connection:
        try:
            return read_answer(connection, head_only=data.startswith(b"HEAD "))[0]
        except OSError:
            return None


def head(*lines, body=b"", start="POST /webhooks/github HTTP/1.1"):
    text = "\r\n".join([start, "Host: x", *lines, "", ""])
    return text.encode("latin-1") + body


SIGNED = [line for line in headers_of(push()).split("\r\n") if line and not line.startswith("Host")]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (head("A: " + "b" * 20_000), 431),
        (head(*(f"A{number}: {'b' * 1000}" for number in range(80))), 431),
        (head(*(f"A{number}: b" for number in range(9000))), 431),
        (head(start="GET /" + "a" * 20_000 + " HTTP/1.1"), 431),
        (b"A" * 200_000, 431),
        (b"\r\n" * 100_000, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500, 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (head("Content-Length: 2", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
        (head("Content-Length: 2", "Content-Length: 3", body=b"{}1"), 400),
        (head("Content-Length: 2", "Content-Length: 2", body=b"{}"), 400),
        (head("Content-Length: -1"), 400),
        (head("Content-Length: +2", body=b"{}"), 400),
        (head("Content-Length: 99999999999999999999999"), 400),
        (head("Content-Length: 0x2", body=b"{}"), 400),
        (head("Transfer-Encoding: chunked", *SIGNED, body=b"zz\r\n"), 400),
        (head("Transfer-Encoding: chunked", *SIGNED, body=b"ffffffffffffffffff\r\n"), 400),
        (head("Bad Header: x"), 400),
        (head("A: b\x00c"), 400),
        (head(start="POST  HTTP/1.1"), 400),
        (head(start="POST /webhooks/github HTTP/9.9"), 400),
        (head(start="GET /webhooks/github HTTP/1.1"), 405),
        (head(start="HEAD /webhooks/github HTTP/1.1"), 405),
        (head(start="OPTIONS /webhooks/github HTTP/1.1"), 405),
        (head(start="OPTIONS * HTTP/1.1"), 404),
        (head(start="CONNECT example.org:443 HTTP/1.1"), 400),
        (head(start="GET http://example.org/webhooks/github HTTP/1.1"), 405),
        (head(start="POST /%2e%2e/%2e%2e/etc/passwd HTTP/1.1"), 404),
        (head(start="POST /webhooks/%00 HTTP/1.1"), 404),
        (head(start="POST /webhooks/%ff%fe HTTP/1.1"), 404),
        (head(start="POST /webhooks/github%2f HTTP/1.1"), 404),
        (head(start="POST /webhooks/default%2Fgithub HTTP/1.1"), 404),
        (head(start="POST /webhooks%2fgithub HTTP/1.1"), 404),
        (head(start="POST /webhooks/git%68ub HTTP/1.1"), 401),
        (head(start="POST /webhooks/" + "a/" * 5000 + " HTTP/1.1"), 404),
        (head(start="POST /webhooks/\xe9 HTTP/1.1"), 400),
        (head("Content-Length: 1000000000", *SIGNED, body=b"x" * 100_000), 413),
        (head("Content-Length: 1000000000", body=b"x" * 100_000), 413),
        (head("Content-Length: 4", "Content-Encoding: gzip", *SIGNED, body=b"\x1f\x8b\x08\x00"), 415),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else None,
)
def test_what_is_no_delivery_is_refused(server, data, status):
    with well(server, rounds=1):
        found = answered(server, data)
        assert found == status or (found is None and status in {400, 431}), found


def test_declared_length_and_type_are_refused_before_the_body_comes(server):
    body = push()
    for lines, status in ((["Content-Length: 1000000000"], 413), (["Content-Length: 5", "Content-Encoding: br"], 415)):
        assert answered(server, head(*SIGNED, *lines)) == status
    with raw(server, head(*SIGNED, "Content-Length: 1000000000", "Expect: 100-continue")) as connection:
        assert read_answer(connection)[0] == 413  # and not 100 first
    assert body


def test_expect_100_continue_is_answered(server):
    number = next(numbers)
    body = push(number)
    with server.connect() as connection:
        whole = request(body, f"e{number}", Expect="100-continue")
        connection.sendall(whole[: -len(body)])
        assert read_answer(connection)[0] == 100
        connection.sendall(body)
        assert read_answer(connection)[0] == 200


def test_http_1_0_and_a_half_closed_sender_are_answered(server):
    for more, close in (({"version": "1.0"}, False), ({}, True)):
        number = next(numbers)
        assert answered(server, request(push(number), f"o{number}", **more), close=close) == 200


def test_an_upgrade_is_refused_before_its_body_could_be_taken_for_another_request(server):
    inner = head(start="GET /healthz HTTP/1.1")
    with raw(server, request(inner, "u", Connection="Upgrade", Upgrade="h2c")) as connection:
        assert read_answer(connection)[0] == 400
        assert connection.recv(65536) == b""


def test_a_connection_can_be_used_again_after_refusals_that_read_the_body(server):
    body = push()
    with server.connect() as connection:
        for data, status in (
            (request(body, "k", **{"X-Hub-Signature-256": sign(b"other")}), 401),
            (head(start="GET /nothing HTTP/1.1"), 404),
            (head(start="GET /webhooks/github HTTP/1.1"), 405),
            (request(b"nonsense", "k"), 400),
            (request(push(next(numbers)), "k"), 200),
        ):
            connection.sendall(data)
            code, headers, _ = read_answer(connection)
            assert (code, headers.get("connection")) == (status, None)


def test_pipelined_requests_are_answered_in_their_order(server):
    first, second = next(numbers), next(numbers)
    data = request(push(first), f"p{first}") + head(start="GET /healthz HTTP/1.1") + request(push(second), f"p{second}")
    with raw(server, data) as connection:
        found = b""
        while found.count(b"HTTP/1.1 ") < 3 or not found.endswith(b"}"):
            part = connection.recv(65536)
            assert part, found
            found += part
    assert re.findall(rb'{"status":"(\w+)"', found) == [b"accepted", b"ok", b"accepted"], found


def test_limits_hold_for_the_second_request_of_a_connection_too(server):
    with raw(server, head(start="GET /healthz HTTP/1.1") + head("A: " + "b" * 20_000)) as connection:
        try:
            while connection.recv(65536):
                pass
        except ConnectionError:
            pass
    with server.connect() as connection:
        connection.sendall(request(push(), "again"))
        assert read_answer(connection)[0] == 200
        try:
            for _ in range(100):
                connection.sendall(b"A" * 10_000)
            connection.settimeout(5)
            while connection.recv(65536):
                pass
        except ConnectionError:
            pass  # cut off, which is what is asked for; a timeout would fail


def pour(server, opening, part, stop, sent, most=1 << 30):
    """Sends `part` again and again until it is cut off."""
    with server.connect() as connection:
        try:
            connection.sendall(opening)
            while not stop.is_set() and sent[0] < most:
                connection.sendall(part)
                sent[0] += len(part)
        except OSError:
            return


CHUNKED = head("Transfer-Encoding: chunked", *SIGNED)
POURS = {
    "endless header line": (b"POST /webhooks/github HTTP/1.1\r\nA: ", b"b" * 65536),
    "endless headers": (b"POST /webhooks/github HTTP/1.1\r\n", b"A: b\r\n" * 10_000),
    "endless body": (head("Content-Length: 1000000000", *SIGNED), b"x" * 65536),
    "endless chunks": (CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    "endless chunks of one byte": (CHUNKED, b"1\r\nx\r\n" * 10_000),
    "endless chunk extension": (CHUNKED + b"1;", b"a" * 65536),
    "endless trailer": (CHUNKED + b"0\r\nA: ", b"b" * 65536),
    "endless trailers": (CHUNKED + b"0\r\n", b"A: b\r\n" * 10_000),
    "endless body of a GET": (head("Content-Length: 1000000000", start="GET /healthz HTTP/1.1"), b"x" * 65536),
    "endless body of nobody": (head("Content-Length: 1000000000", start="POST /nobody HTTP/1.1"), b"x" * 65536),
    "endless blank lines": (b"", b"\r\n" * 30_000),
}


@pytest.mark.parametrize("name", POURS)
def test_what_has_no_end_is_cut_off(server, name):
    opening, part = POURS[name]
    stop, sent = threading.Event(), [[0] for _ in range(4)]
    threads = [threading.Thread(target=pour, args=(server, opening, part, stop, each)) for each in sent]
    for thread in threads:
        thread.start()
    with well(server):
        pass
    for thread in threads:
        thread.join(90)
    cut_off = [not thread.is_alive() for thread in threads]
    stop.set()
    for thread in threads:
        thread.join(90)
    assert all(cut_off)
    assert max(each[0] for each in sent) < 1 << 30
    assert server.rss < MOST + EACH * len(server.acceptors)


def test_a_gzip_bomb_stays_what_it_is(server):
    bomb = gzip.compress(b"\x00" * (64 << 20))
    with well(server):
        assert answered(server, request(bomb, "bomb", **{"Content-Encoding": "gzip"})) == 415
        assert answered(server, request(bomb, "bomb")) == 400  # signed, and taken for the bytes that it is


def crowd(server, count, kinds, stack):
    return [raw(server, kinds[number % len(kinds)], stack) for number in range(count)]


HALF_OPEN = [b"", b"P", b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\n", CHUNKED, CHUNKED + b"5\r\nabc"]
HALF_OPEN += [head("Content-Length: 1000", *SIGNED), head("Content-Length: 1000", *SIGNED, body=b"x" * 500)]


def test_two_hundred_half_open_connections_keep_nobody_out(server):
    with ExitStack() as stack:
        crowd(server, 200, HALF_OPEN, stack)
        with well(server):
            pass


def test_many_large_slow_bodies_keep_nobody_out(server):
    """Each sends 5 MiB of 20 and waits: more than there is room for."""
    with ExitStack() as stack:
        opening = head("Content-Length: 20000000", *SIGNED, body=b"x" * (5 << 20))
        threads = [threading.Thread(target=raw, args=(server, opening, stack)) for _ in range(40)]
        for thread in threads:
            thread.start()
        with well(server, rounds=20):
            pass
        for thread in threads:
            thread.join(30)
        with well(server):
            pass


@pytest.mark.slow
def test_two_hundred_senders_of_a_byte_at_a_time_are_cut_off(server):
    """In the headers after 10 s, in the body after 20 s, however diligently they send: a quick machine sends some
    thousand bytes of each until then, and never all of them."""
    data = request(push(0, 500_000), "slow")
    with ExitStack() as stack:
        senders = {raw(server, data[: 20 + number * 7], stack): 20 + number * 7 for number in range(200)}
        began, slowest = time.monotonic(), 0.0
        while senders and time.monotonic() - began < 120:  # a slow machine has 200 to look at in each round
            for connection, at in list(senders.items()):
                try:
                    connection.setblocking(False)
                    connection.send(data[at : at + 1])
                    senders[connection] = at + 1
                    if connection.recv(65536) == b"":
                        del senders[connection]
                except BlockingIOError:
                    pass
                except OSError:
                    del senders[connection]
            slowest = max(slowest, good(server))
            assert server.rss < MOST + EACH * len(server.acceptors)
        assert not senders
        assert slowest < 1


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "3"])
def test_more_connections_than_there_may_be_keep_nobody_out(tmp_path, workers):
    with serving(tmp_path, "--workers", workers) as server, ExitStack() as stack:
        for _ in range(2200):
            try:
                raw(server, b"POST /", stack)
            except OSError:
                break
        with well(server, rounds=20):
            pass


@pytest.mark.slow
def test_everything_at_once(server):
    stop = threading.Event()

    def again(opening, part):
        while not stop.is_set():
            pour(server, opening, part, stop, [0], 1 << 26)

    def forge():
        while not stop.is_set():
            answered(server, request(push(), "f", **{"X-Hub-Signature-256": "sha256=" + "0" * 64}))

    threads = [threading.Thread(target=again, args=each) for each in POURS.values()]
    threads += [threading.Thread(target=forge) for _ in range(2)]
    with ExitStack() as stack:
        crowd(server, 200, HALF_OPEN, stack)
        for thread in threads:
            thread.start()
        slowest, end = 0.0, time.monotonic() + 20
        while time.monotonic() < end:
            slowest = max(slowest, good(server))
            assert server.rss < MOST + EACH * len(server.acceptors)
        stop.set()
        for thread in threads:
            thread.join(30)
    assert slowest < 1
