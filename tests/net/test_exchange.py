"""One request and its answer, with real servers that are slow, broken or cunning."""

import socket
import threading
import time

import pytest
from answering_server import serving

from codespar_cli.net.exchange import Refused, Target, Unanswered, exchange


def at(server, path="/", host="127.0.0.1"):
    return Target(False, host, server.port, path)


def test_a_name_is_looked_up_once_and_the_connection_goes_there():
    """A second answer of the name server, in between, cannot lead elsewhere."""
    asked = []

    def rebinding(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    with serving((204, {}, b"")) as server:
        answer = exchange(at(server, host="rebind.example"), headers={}, allow_private=True, look=rebinding)
    assert answer.status == 204
    assert asked == ["rebind.example"]
    assert server.got[0].headers["host"] == f"rebind.example:{server.port}"


def test_a_name_that_turns_private_is_not_connected_to():
    with serving((204, {}, b"")) as server, pytest.raises(Refused, match="loopback"):
        exchange(at(server, host="rebind.example"), headers={}, look=lambda host, port: ["127.0.0.1"])
    assert server.got == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status):
    with (
        serving((200, {}, b"secret")) as inside,
        serving((status, {"location": f"http://127.0.0.1:{inside.port}/"}, b"")) as server,
    ):
        answer = exchange(at(server), headers={}, allow_private=True)
    assert answer.status == status
    assert inside.got == []


def test_no_more_is_read_than_asked_for():
    with serving((200, {"X-Many": "Yes"}, b"x" * 100_000)) as server:
        answer = exchange(at(server), headers={}, allow_private=True, read=10)
    assert (answer.body, answer.headers["x-many"]) == (b"x" * 10, "Yes")


def test_several_dead_addresses_share_one_deadline():
    """Each of them would have had all of the time."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = full.getsockname()[1]
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
    began = time.monotonic()
    with pytest.raises(Unanswered, match="no answer in time"):
        exchange(
            Target(False, "many.example", port, "/"),
            headers={},
            limit_s=0.5,
            allow_private=True,
            look=lambda host, port: ["127.0.0.1"] * 20,
        )
    assert time.monotonic() - began < 4
    for each in (*fillers, full):
        each.close()


@pytest.mark.parametrize("piece", [b"", b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"])
def test_a_byte_now_and_then_is_no_answer_in_time(piece):
    stop = threading.Event()

    def drip(listening):
        peer, _ = listening.accept()
        with peer:
            peer.sendall(piece)
            while not stop.wait(0.05):
                try:
                    peer.sendall(b"x")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        target = Target(False, "127.0.0.1", listening.getsockname()[1], "/")
        began = time.monotonic()
        try:
            exchange(target, headers={}, limit_s=0.4, allow_private=True, read=100)
        except Unanswered as error:
            assert str(error).startswith("cannot be reached: ")
        took = time.monotonic() - began
        stop.set()
        thread.join()
    assert took < 5


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "a..example", "xn--" + "a" * 300])
def test_a_name_that_is_none_is_unanswered(host):
    with pytest.raises(Unanswered, match="cannot be resolved"):
        exchange(Target(True, host, 443, "/"), headers={}, limit_s=1)


def test_a_name_without_an_address_is_unanswered():
    with pytest.raises(Unanswered, match="no address"):
        exchange(Target(True, "x.example", 443, "/"), headers={}, look=lambda host, port: [])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x/",
        "https://",
        "https://user:hush@x/",
        "https://x/\r\nevil: 1",
        "https://x:99999/",
        "file:///etc/passwd",
        "",
    ],
)
def test_what_is_no_target_is_never_repeated(url):
    with pytest.raises(ValueError, match=r"^expected ") as error:
        Target.of(url)
    assert "hush" not in str(error.value)


def test_a_target_is_taken_apart():
    assert Target.of("https://x.example/a?b=c#d") == Target(True, "x.example", 443, "/a?b=c")
    assert Target.of("http://[::1]:8080") == Target(False, "::1", 8080, "/")
