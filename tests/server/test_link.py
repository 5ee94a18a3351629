"""What goes from one process of a server to another: whole, in order, however the bytes come."""

import asyncio
import socket
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.server.link import Link

LEAVES = st.none() | st.integers(-(2**63), 2**63) | st.booleans() | st.text() | st.binary() | st.floats(allow_nan=False)
MESSAGES = st.lists(st.lists(st.recursive(LEAVES, lambda inner: st.lists(inner).map(tuple))).map(tuple), max_size=8)


class Sent(asyncio.Transport):
    def __init__(self):
        super().__init__()
        self.data = b""

    def write(self, data):
        self.data += data


def ignore(*_):
    pass


async def sent(messages):
    link, transport = Link(ignore, ignore), Sent()
    link.connection_made(transport)
    for message in messages:
        link.send(message)
    await asyncio.sleep(0)
    return transport.data


@given(messages=MESSAGES, cuts=st.lists(st.integers(0, 2000)))
def test_messages_arrive_whole_and_in_order_however_the_bytes_are_cut(messages, cuts):
    async def course():
        data = await sent(messages)
        found = []
        link = Link(lambda _link, message: found.append(message), ignore)
        places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
        for start, end in pairwise(places):
            link.data_received(data[start:end])
        return found

    assert asyncio.run(course()) == messages


def test_half_a_message_is_none():
    async def course():
        data = await sent([("a", 1), ("b", b"x" * 1000)])
        found = []
        Link(lambda _link, message: found.append(message), ignore).data_received(data[:-1])
        return found

    assert asyncio.run(course()) == [("a", 1)]


def test_many_megabytes_go_through_a_socket_and_its_end_is_told():
    async def course():
        ours, theirs = socket.socketpair()
        loop, found, ended = asyncio.get_running_loop(), [], asyncio.Event()
        _, sender = await loop.create_unix_connection(lambda: Link(ignore, ignore), sock=ours)
        await loop.create_unix_connection(
            lambda: Link(lambda _link, message: found.append(message), lambda _link: ended.set()), sock=theirs
        )
        for number in range(5):
            sender.send((number, bytes([number]) * 20_000_000))
        sender.close()
        async with asyncio.timeout(30):
            await ended.wait()
        sender.send(("nobody", "is there"))  # which is no error
        return found

    found = asyncio.run(course())
    assert [(number, len(data), data[-1]) for number, data in found] == [(n, 20_000_000, n) for n in range(5)]
