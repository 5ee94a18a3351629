"""Bodies as they come, in whatever parts and with whatever waiting in between; and an answer that goes out at once."""

import asyncio
import time

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from codespar_cli.server.app import Address, App
from codespar_cli.server.guard import guarded
from codespar_cli.server.requests import Disconnected, Refused, Request, Response, Room

CHUNKS = st.lists(st.tuples(st.binary(max_size=20), st.booleans()), min_size=1, max_size=8)


def coming(chunks, ended=()):
    """`receive` of chunks, each with whether it has to be waited for; then of nothing, for ever, or `ended`."""
    waiting = [*chunks]

    async def receive():
        if not waiting:
            await asyncio.Event().wait()
        chunk, late = waiting.pop(0)
        if late:
            await asyncio.sleep(0)
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": bool(waiting) or bool(ended)}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"transfer-encoding", b"chunked")]}
    return Request(scope, receive, {})


@given(CHUNKS)
def test_a_body_is_its_chunks_however_they_come(chunks):
    async def main():
        room = Room(1000)
        request = coming(chunks)
        with room.place() as place:
            found = await request.body(1000, within_s=5, place=place)
            assert room.left == 1000 - len(found)
        assert (room.left, room.places, request.whole) == (1000, {}, True)
        return found

    assert asyncio.run(main()) == b"".join(chunk for chunk, _ in chunks)


@given(CHUNKS, st.integers(0, 7))
def test_a_body_that_ends_early_is_told_apart_from_a_slow_and_a_cancelled_one(chunks, at):
    async def main():
        gone = coming([*chunks[:at], (None, True), *chunks[at:]])
        with pytest.raises(Disconnected):
            await gone.body(1000, within_s=5)
        with pytest.raises(Refused) as caught:
            await coming(chunks, ended=[1]).body(1000, within_s=0.001)
        assert caught.value.status == 408
        task = asyncio.create_task(coming(chunks, ended=[1]).body(1000, within_s=5))
        for _ in range(at):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_a_large_body_is_not_copied_for_every_chunk():
    chunks = [(b"x" * 4096, False)] * 5000
    began = time.process_time()
    assert len(asyncio.run(coming(chunks).body(1 << 30, within_s=60))) == 4096 * 5000
    assert time.process_time() - began < 1


class Wire(asyncio.Transport):
    def __init__(self):
        super().__init__()
        self.written = []

    def is_closing(self):
        return False

    def write(self, data):
        self.written.append(bytes(data))

    def close(self):
        self.written.append("closed")

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


def exchanged(data):
    """What is written in answer to one request, write by write."""

    async def handler(request):
        return Response(200, b'{"is":1}')

    async def main():
        app = App([Address("GET", "/x", handler)], log=print)
        config = uvicorn.Config(app, http=guarded(9), ws="none", lifespan="off", log_config=None, server_header=False)
        config.load()
        state, wire = ServerState(), Wire()
        protocol = config.http_protocol_class(config=config, server_state=state, app_state={})
        protocol.connection_made(wire)
        protocol.data_received(data)
        await asyncio.gather(*state.tasks)
        protocol.connection_lost(RuntimeError())
        return wire.written

    return asyncio.run(main())


def test_an_answer_is_one_write():
    (whole,) = exchanged(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = whole.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [b"HTTP/1.1 200 OK", b"content-type: application/json", b"content-length: 8"]
    assert body == b'{"is":1}'


def test_a_connection_that_is_not_kept_says_so_and_is_closed():
    whole, closed = exchanged(b"GET /x HTTP/1.0\r\nHost: x\r\n\r\n")
    assert b"\r\nconnection: close\r\n" in whole
    assert closed == "closed"


def test_two_requests_in_one_packet_are_answered_in_their_order():
    first, second = exchanged(b"GET /y HTTP/1.1\r\nHost: x\r\n\r\nGET /x HTTP/1.1\r\nHost: x\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 404 ")
    assert second.startswith(b"HTTP/1.1 200 ")


def test_head_has_no_body():
    answer = b"".join(exchanged(b"HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert answer.endswith(b"\r\n\r\n")
