"""A route that forwards, to real servers."""

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from datetime import timedelta

import pytest
from answering_server import serving
from hypothesis import given
from hypothesis import strategies as st
from routes_world import EVENT, NOON, SECRET, delivery, route

from codespar_cli.core.clock import system_clock
from codespar_cli.errors import ConfigError
from codespar_cli.webhooks.routes.deed import Failed
from codespar_cli.webhooks.routes.event_document import event_document
from codespar_cli.webhooks.routes.forward import Forward

DOCUMENT = event_document(delivery(), "r")


def forward(url, *, secret=lambda: SECRET, allow_private=True, clock=system_clock, look=None, **more):
    more.setdefault("timeout", timedelta(seconds=5))
    made = route(deed="forward", target=url, allow_private=allow_private, **more)
    return Forward(made, secret, clock=clock, **({} if look is None else {"look": look}))


def to(server, path="/T0K3N", **more):
    return forward(f"http://127.0.0.1:{server.port}{path}", **more)


def failure(deed):
    with pytest.raises(Failed) as error:
        asyncio.run(deed.do(DOCUMENT))
    assert "T0K3N" not in str(error.value)
    assert SECRET not in str(error.value)
    return error.value


def test_one_signed_document_with_the_event_as_untrusted_fields():
    with serving((200, {}, b"")) as server:
        asyncio.run(to(server).do(DOCUMENT))
    (got,) = server.got
    name, at = got.headers["webhook-id"], got.headers["webhook-timestamp"]
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = hmac.digest(key, f"{name}.{at}.".encode() + got.body, hashlib.sha256)
    assert got.headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()
    assert abs(int(at) - time.time()) < 60
    document = json.loads(got.body)
    assert document["type"] == "issue.created"
    assert document["data"]["event"] == {**EVENT, "untrusted": True}
    assert document["data"]["delivery"]["webhook_id"] == name == DOCUMENT.id
    assert document["data"]["delivery"]["received_at"] == "2026-11-23T12:00:00.000000Z"
    assert got.headers["content-type"] == "application/json"


def test_an_id_is_of_a_delivery_and_a_route():
    ids = {event_document(delivery(number), name).id for number in (1, 2, 3) for name in ("a", "b")}
    assert len(ids) == 6
    assert event_document(delivery(1), "a").id == event_document(delivery(1)._replace(attempts=5), "a").id


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=20) | st.integers() | st.none(), max_size=5))
def test_any_field_passes_unchanged_and_none_can_say_that_it_is_trusted(fields):
    told = delivery().told
    spoilt = delivery()._replace(told=told._replace(event=json.dumps({**fields, "untrusted": False})))
    document = json.loads(event_document(spoilt, "r").body)
    assert document["data"]["event"] == {**fields, "untrusted": True}


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success(status):
    with serving((status, {}, b"")) as server:
        asyncio.run(to(server).do(DOCUMENT))
    assert len(server.got) == 1


@pytest.mark.parametrize(("status", "final"), [(410, True), (400, False), (404, False), (301, False), (500, False)])
def test_anything_else_is_a_failure_and_only_gone_is_final(status, final):
    with serving((status, {"location": "/elsewhere"}, b"")) as server:
        failed = failure(to(server))
    assert (str(failed), failed.final, failed.after) == (f"127.0.0.1 answered {status}", final, None)
    assert [got.path for got in server.got] == ["/T0K3N"]


def test_retry_after_is_heard():
    with serving((429, {"Retry-After": "120"}, b"")) as server:
        assert failure(to(server)).after == timedelta(seconds=120)
    with serving((503, {"retry-after": "Mon, 23 Nov 2026 12:05:00 GMT"}, b"")) as server:
        assert failure(to(server, clock=lambda: NOON)).after == timedelta(minutes=5)


def test_a_server_that_hangs_or_closes_is_a_failure_in_time():
    release = threading.Event()
    try:
        with serving(lambda handler: release.wait(20) and None) as server:
            began = time.monotonic()
            words = str(failure(to(server, timeout=timedelta(milliseconds=300))))
            assert words == "127.0.0.1 cannot be reached: no answer in time"
            assert time.monotonic() - began < 5
            release.set()
    finally:
        release.set()
    with serving(lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)) as server:
        assert str(failure(to(server))).startswith("127.0.0.1 cannot be reached: ")


def test_the_secret_is_asked_for_at_each_attempt():
    other = "whsec_" + base64.b64encode(b"k" * 32).decode()
    values = iter([SECRET, other])
    with serving((204, {}, b"")) as server:
        deed = to(server, secret=lambda: next(values), clock=lambda: NOON)
        asyncio.run(deed.do(DOCUMENT))
        asyncio.run(deed.do(DOCUMENT))
    first, second = (got.headers["webhook-signature"] for got in server.got)
    assert first != second


def test_a_secret_that_cannot_be_had_or_used_sends_nothing():
    def gone():
        raise ConfigError("`secret:HOOK` has no value")

    with serving((204, {}, b"")) as server:
        assert str(failure(to(server, secret=gone))) == "the secret cannot be had: `secret:HOOK` has no value"
        assert str(failure(to(server, secret=lambda: "hush"))).startswith(
            "the secret cannot be used: expected `whsec_`"
        )
    assert server.got == []


def test_without_a_secret_nothing_pretends_to_be_signed():
    with serving((204, {}, b"")) as server:
        asyncio.run(to(server, secret=None).do(DOCUMENT))
    assert "webhook-signature" not in server.got[0].headers
    assert server.got[0].headers["webhook-id"] == DOCUMENT.id


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1"])
def test_a_private_address_is_vetted_at_each_attempt(host):
    words = str(failure(forward(f"https://{host}/T0K3N", allow_private=False)))
    assert words == f"not sent: `{host}` is a loopback address, which `allow_private` would have to let pass"


def test_a_name_that_moves_inside_is_refused_from_then_on():
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    with serving((204, {}, b"")) as server:
        deed = forward(f"http://a.localhost:{server.port}/", look=lambda host, port: next(answers))
        asyncio.run(deed.do(DOCUMENT))
        assert "is not on this machine" in str(failure(deed))
    assert len(server.got) == 1


@pytest.mark.parametrize("allow", [True, False])
@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "[fd00:ec2::254]"])
def test_link_local_is_refused_before_anything_starts(host, allow):
    with pytest.raises(ConfigError, match="forwards to a link-local address"):
        forward(f"https://{host}/T0K3N", allow_private=allow)


def test_what_was_not_verified_is_marked():
    for judged in (True, False):
        assert event_document(delivery(1)._replace(verified=judged), "a").delivery["verified"] is judged
