"""How long and how large a request at a door may be, and which `Host` is one: a slow or a large one costs nobody else much."""

import asyncio
import json
import threading
import time

import pytest
from doors_kit import BEARER, HOST, Doors, is_allow, is_deny, live_gate, pre, written

from codespar_cli.doors import call_doors, hook_door
from codespar_cli.doors.large_bodies import LargeBodies
from codespar_cli.doors.turns import Overdue


async def unfinished(doors, path):
    """The status and the body of the answer to a body that never ends, and the seconds that it took."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"content-length", b"1000"), HOST, BEARER],
        "client": ("127.0.0.1", 1),
    }
    arriving, sent = [{"type": "http.request", "body": b"{", "more_body": True}], []

    async def receive():
        return arriving.pop() if arriving else await asyncio.Event().wait()

    async def send(message):
        sent.append((time.monotonic(), message))

    began = time.monotonic()
    waiting = asyncio.create_task(doors.app(scope, receive, send))
    while not sent or sent[-1][1].get("more_body", sent[-1][1]["type"] != "http.response.body"):
        await asyncio.wait([waiting], timeout=0.02)
        assert time.monotonic() - began < 20
    waiting.cancel()
    await asyncio.wait([waiting])
    body = b"".join(message.get("body", b"") for _, message in sent)
    return sent[0][1]["status"], body, sent[0][0] - began


def test_a_host_is_told_no_within_its_two_seconds_when_its_body_does_not_end(tmp_path):
    written(tmp_path)

    async def ask():
        async with Doors(tmp_path, live_gate(tmp_path)) as doors:
            return await unfinished(doors, "/v1/hook/claude")

    status, body, took = asyncio.run(ask())
    assert (status, is_deny("claude", body)) == (200, True)
    assert 1.9 < took < 4


@pytest.mark.parametrize(
    ("path", "most"), [("/v1/check", 1 << 20), ("/v1/record", 1 << 20), ("/v1/hook/claude", 4 << 20)]
)
def test_a_body_above_the_limit_is_refused(tmp_path, path, most):
    assert (call_doors.MOST_BYTES, hook_door.MOST_BYTES) == (1 << 20, 4 << 20)
    written(tmp_path)
    document = pre() if "hook" in path else {"tool": "t"}
    raw = json.dumps(document).encode()
    larger = raw + b" " * (most + 1 - len(raw))

    async def ask():
        async with Doors(tmp_path, live_gate(tmp_path)) as doors:
            return await doors.post(path, larger[:-1]), await doors.post(path, larger)

    taken, refused = asyncio.run(ask())
    assert taken[0] in {200, 400}
    if "hook" in path:
        assert is_allow("claude", taken[1])
        assert is_deny("claude", refused[1])
    else:
        assert refused[0] == 413


def test_two_large_bodies_are_in_memory_as_values_and_a_third_is_told_in_time():
    begun, let_go = threading.Semaphore(0), threading.Event()

    def reading(raw):
        begun.release()
        assert let_go.wait(20)
        return len(raw)

    async def ask():
        large, loop, raw = LargeBodies(2), asyncio.get_running_loop(), b" " * 100_000

        async def read(raw, until):
            async with large.read(raw, reading, until=until) as found:
                return found

        held = [asyncio.create_task(read(raw, loop.time() + 20)) for _ in range(2)]
        for _ in held:
            assert await asyncio.to_thread(begun.acquire, timeout=20)
        with pytest.raises(Overdue, match="too many large bodies"):
            await read(raw, loop.time() + 0.05)
        held[0].cancel()  # its thread goes on, so its place is not free
        with pytest.raises(Overdue, match="too many large bodies"):
            await read(raw, loop.time() + 0.05)
        let_go.set()
        small = await read(b"{}", loop.time())
        return small, await held[1], await read(raw, loop.time() + 20)

    assert asyncio.run(ask()) == (2, 100_000, 100_000)


def test_a_large_body_that_takes_too_long_to_read_is_told_in_time():
    let_go = threading.Event()

    async def ask():
        large, loop = LargeBodies(1), asyncio.get_running_loop()
        try:
            with pytest.raises(Overdue, match="took too long"):
                async with large.read(b" " * 100_000, lambda raw: let_go.wait(20), until=loop.time() + 0.05):
                    pytest.fail("it was read")
        finally:
            let_go.set()
        async with large.read(b" " * 100_000, len, until=loop.time() + 20) as found:
            return found

    assert asyncio.run(ask()) == 100_000


def test_a_large_event_that_is_no_event_is_a_deny(tmp_path):
    written(tmp_path)
    objects = (
        b'{"hook_event_name":"PreToolUse","tool_name":"Bash","tool_input":[' + b",".join([b"{}"] * 300_000) + b"]}"
    )

    async def ask():
        async with Doors(tmp_path, live_gate(tmp_path)) as doors:
            return await asyncio.gather(*(doors.post("/v1/hook/claude", objects) for _ in range(3)))

    assert [is_deny("claude", body) for _, body in asyncio.run(ask())] == [True] * 3


@pytest.mark.parametrize(
    "host",
    ["[::1]evil.com", "[::1", "[::1]]", "localhost:1@evil", "localhost:evil", "127.0.0.1%evil.com", "[::1%eth0]", "::1",
     "localhost/x", "localhost#", "a@localhost", "localhost,localhost", "127.0.0.1:80:80", "", ".", "[]", "localhost\u00a0"],
)  # fmt: skip
def test_what_is_no_host_and_port_is_refused(tmp_path, host):
    async def ask():
        async with Doors(tmp_path, lambda: pytest.fail("the gate was asked")) as doors:
            return await doors.post("/v1/check", {"tool": "t"}, headers=((b"host", host.encode("latin-1")), BEARER))

    assert asyncio.run(ask())[0] == 403
