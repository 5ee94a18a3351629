"""A request that another process answers is answered as if it had been here."""

import asyncio
import socket
from contextlib import asynccontextmanager
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.server.app import Address
from codespar_cli.server.link import Link
from codespar_cli.server.relay import Answering, Carrying
from codespar_cli.server.requests import Disconnected, Refused, Request, Response, Room, answer

PIECES = st.lists(st.tuples(st.binary(max_size=20), st.booleans()), min_size=1, max_size=8)


class Sender:
    """ASGI's `receive` of pieces, each with whether it has to be waited for; then of nothing, until it hangs up."""

    def __init__(self, pieces, ends=None):
        self.pieces, self.given, self.gone, self.ends = [*pieces], 0, asyncio.Event(), ends

    async def receive(self):
        if self.given == (len(self.pieces) if self.ends is None else self.ends):
            if self.ends is None:
                await self.gone.wait()
            return {"type": "http.disconnect"}
        data, late = self.pieces[self.given]
        if late:
            await asyncio.sleep(0)
        self.given += 1
        return {"type": "http.request", "body": data, "more_body": self.given < len(self.pieces)}

    def request(self, *headers):
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/x",
            "raw_path": b"/v1/x",
            "query_string": b"a=b",
            "client": ("127.0.0.1", 9),
            "headers": [(b"transfer-encoding", b"chunked"), *headers],
        }
        return Request(scope, self.receive, {"host": "claude"})


class World:
    """Both ends, over a real pair of sockets."""

    def __init__(self, handler):
        self.said, self.tasks, self.sent, self.numbers = [], set(), [], count(1)
        self.answering = Answering([Address("GET", "/no", None), Address("POST", "/v1/x", handler)], self.said.append)
        self.carried, self.waiting = {}, {}

    @asynccontextmanager
    async def linked(self):
        near, far = socket.socketpair()
        loop = asyncio.get_running_loop()
        lost = asyncio.Event()

        def ended(link):
            self.answering.lost(link)
            lost.set()

        _, self.link = await loop.create_unix_connection(lambda: Link(self.told, lambda _: None), sock=near)
        _, self.far = await loop.create_unix_connection(lambda: Link(self.asked, ended), sock=far)
        yield self
        self.link.close()
        await lost.wait()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def asked(self, link, message):
        kind, *facts = message
        if kind == "request":
            self.tasks.add(asyncio.get_running_loop().create_task(self.answering.begin(link, *facts)))
        else:
            getattr(self.answering, kind)(link, *facts)

    def told(self, _link, message):
        if message[0] == "more":
            self.carried[message[1]].more()
        else:
            self.waiting[message[0]].set_result(message[2])

    def tell(self, *message):
        self.sent.append(message)
        self.link.send(message)

    async def ask(self, request):
        number = next(self.numbers)
        self.waiting[number] = asyncio.get_running_loop().create_future()
        self.carried[number] = Carrying(number, request, self.tell)
        return await self.carried[number].carry(1, self.waiting[number])


def run(handler, act):
    async def course():
        async with World(handler).linked() as world, asyncio.timeout(20):
            return await act(world)

    return asyncio.run(course())


@given(PIECES)
def test_the_body_arrives_whole_in_whatever_pieces_it_comes(pieces):
    async def handler(request):
        assert (request.method, request.query, request.client) == ("POST", b"a=b", "127.0.0.1")
        assert (request.segments, request.parameters) == (["", "v1", "x"], {"host": "claude"})
        room = Room(1000)
        with room.place() as place:
            return Response(201, await request.body(1000, within_s=5, place=place), b"text/plain", (("x", "y"),))

    async def act(world):
        request = Sender(pieces).request()
        return await world.ask(request), request.whole

    body = b"".join(data for data, _ in pieces)
    assert run(handler, act) == (Response(201, body, b"text/plain", (("x", "y"),)), True)


def test_what_is_refused_before_its_body_is_not_asked_for_it():
    async def handler(request):
        raise Refused(403, "no", told="forbidden", headers=(("a", "b"),))

    async def act(world):
        sender = Sender([(b"x", False)] * 3)
        request = sender.request()
        return await world.ask(request), request.whole, sender.given

    expected = answer(403, error="forbidden")._replace(headers=(("a", "b"),))
    assert run(handler, act) == (expected, False, 1)


def test_who_waits_to_be_invited_is_not_invited_by_what_is_refused():
    async def handler(request):
        raise Refused(401, "no")

    async def act(world):
        sender = Sender([(b"x", False)])
        assert (await world.ask(sender.request((b"expect", b"100-continue")))).status == 401
        return sender.given

    assert run(handler, act) == 0


def test_one_piece_at_a_time_is_on_its_way():
    """However much a sender has ready: the handler takes the next before another is sent."""
    taken = []

    async def handler(request):
        for _ in range(100):
            message = await request.receive()
            taken.append(message["body"])
            await asyncio.sleep(0.001)
        return Response(200)

    async def act(world):
        sender = Sender([(bytes([n]), False) for n in range(100)])
        task = asyncio.create_task(world.ask(sender.request()))
        most = 0
        while not task.done():
            await asyncio.sleep(0)
            most = max(most, sender.given - len(taken))
        return most, (await task).status

    most, status = run(handler, act)
    assert status == 200
    assert most <= 2
    assert taken == [bytes([n]) for n in range(100)]


@given(PIECES, st.integers(0, 7))
def test_a_body_that_ends_early_is_told(pieces, at):
    async def handler(request):
        try:
            await request.body(1000, within_s=5)
        except Disconnected:
            found.append("gone")
            raise
        return Response(200)

    async def act(world):
        await world.ask(Sender([*pieces, (b"", False)], ends=min(at, len(pieces))).request())

    found = []
    run(handler, act)
    assert found == ["gone"]


@pytest.mark.parametrize("how", ["hung up", "given up", "killed"])
def test_who_is_gone_when_it_is_decided_is_seen_to_be_gone(how):
    """What was reserved for somebody who hung up, or whose process was killed, can be given back."""
    begun, found = asyncio.Event(), []

    async def handler(request):
        await request.body(1000, within_s=5)
        found.append(request.is_gone())
        begun.set()
        while not request.is_gone():  # noqa: ASYNC110  as a door asks, whenever it has decided
            await asyncio.sleep(0.001)
        found.append("seen")
        raise Disconnected

    async def act(world):
        sender = Sender([(b"abc", True)])
        task = asyncio.create_task(world.ask(sender.request()))
        await begun.wait()
        if how == "hung up":
            sender.gone.set()
            await task
        elif how == "given up":
            task.cancel()
        else:
            world.link.close()
        await asyncio.gather(*world.tasks)
        task.cancel()

    run(handler, act)
    assert found == [False, "seen"]


def test_a_handler_that_breaks_is_500_and_told_to_the_log():
    async def handler(request):
        raise KeyError("hush")

    async def act(world):
        return await world.ask(Sender([(b"", False)]).request()), world.said

    assert run(handler, act) == (answer(500, error="internal error"), ["500 to 127.0.0.1: KeyError"])


def test_many_at_once_are_not_taken_for_one_another():
    async def handler(request):
        body = await request.body(1000, within_s=5)
        await asyncio.sleep(0.001 * (body[0] % 7))
        return Response(200, body)

    async def act(world):
        requests = [Sender([(bytes([n]), n % 2 == 0), (bytes([n]), n % 3 == 0)]).request() for n in range(100)]
        return [each.body for each in await asyncio.gather(*map(world.ask, requests))]

    assert run(handler, act) == [bytes([n, n]) for n in range(100)]
