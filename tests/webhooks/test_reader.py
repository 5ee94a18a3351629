"""After the 200: what deliveries say is read and recorded, whatever their connector does."""

import asyncio
import json
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from receiving_world import body_of, connector

from codespar_cli.core.clock import system_clock
from codespar_cli.core.headers import Headers
from codespar_cli.core.hooks import IntegrationEvent
from codespar_cli.errors import StoreError
from codespar_cli.webhooks.inbox.delivery import Arrival, Filter
from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox
from codespar_cli.webhooks.reader import Reader
from codespar_cli.webhooks.receiver import Fresh

HEADERS = (("x-github-event", "issues"), ("x-github-delivery", "d"))
ISSUE = {
    "action": "opened",
    "issue": {"title": "it broke", "number": 7, "html_url": "https://example.org/7"},
    "sender": {"login": "o"},
    "repository": {"full_name": "o/r"},
}


def arrival(name, provider="github", raw=None, at=None, tenant="default"):
    body = json.dumps({**ISSUE, "pad": name}).encode() if raw is None else raw
    return Arrival(tenant, provider, name, body, HEADERS, at or system_clock())


def accepted(store, *arrivals):
    return [each.id for each in store.accept(arrivals)]


def fresh(store, each):
    (number,) = accepted(store, each)
    return Fresh(number, each.tenant, each.provider, json.loads(each.raw), Headers.of(each.headers), len(each.raw))


@pytest.fixture
def store(tmp_path):
    (tmp_path / "s").mkdir(mode=0o700)
    store = SqliteInbox(tmp_path / "s")
    yield store
    store.close()


@asynccontextmanager
async def reading(store, hooks=None, wanted=lambda event, tenant: (), lines=None, **named):
    named.setdefault("look_every_s", 0.02)
    reader = Reader(
        store,
        hooks or {"github": connector("github")},
        wanted=wanted,
        clock=system_clock,
        log=(lines if lines is not None else []).append,
        **named,
    )
    async with reader.alive():
        yield reader


async def until(condition, within_s=10.0):
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110  a store tells nobody
            await asyncio.sleep(0.005)


def read(store):
    return lambda: not store.unread(1)


def one(store, id):
    return store.deliveries(Filter(ids=(id,)))[0]


def test_a_fresh_delivery_is_recorded_with_the_routes_that_want_it(store):
    asked, told = [], []

    def wanted(event, tenant):
        asked.append((event.event_type, tenant))
        return ["page", "log"]

    async def check():
        async with reading(store, wanted=wanted, recorded=told.append) as reader:
            delivery = fresh(store, arrival("a", tenant="acme"))
            reader.offer(delivery)
            await until(read(store))
            return delivery.id

    found = one(store, asyncio.run(check()))
    assert (found.status, found.told.event_type, found.told.url) == (
        "received",
        "issues.opened",
        "https://example.org/7",
    )
    assert {task[0] for task in store.tasks_of(found.id)} == {"page", "log"}
    assert set(asked) == {("issues.opened", "acme")}
    assert sum(told) == 1
    event = json.loads(next(iter(store.bodies(Filter()))).delivery.told.event)
    assert (event["title"], event["project"], event["source"]) == (found.told.title, "o/r", "github")


def test_without_a_route_it_is_dispatched_and_without_an_event_ignored(store):
    async def check():
        async with reading(store) as reader:
            for each in (arrival("a"), arrival("b", raw=b"[]"), arrival("c", raw=b'{"no": "event"}')):
                reader.offer(fresh(store, each))
            await until(read(store))

    asyncio.run(check())
    assert [each.status for each in store.deliveries(Filter())] == ["dispatched", "ignored", "ignored"]


def test_what_was_left_unread_is_read_at_the_start(store):
    accepted(store, *(arrival(str(number)) for number in range(300)))

    async def check():
        async with reading(store, look_every_s=3600):
            await until(read(store))

    asyncio.run(check())
    assert {each.status for each in store.deliveries(Filter())} == {"dispatched"}


def test_what_another_process_leaves_is_found_later(store):
    async def check():
        async with reading(store):
            await asyncio.sleep(0)
            accepted(store, arrival("left"))
            await until(read(store))

    asyncio.run(check())
    assert store.deliveries(Filter())[0].status == "dispatched"


def test_what_does_not_fit_into_memory_is_read_from_the_store(store, monkeypatch):
    from codespar_cli.webhooks import reader as module

    monkeypatch.setattr(module, "_MOST", 3)

    async def check():
        async with reading(store, look_every_s=3600) as reader:
            for number in range(20):
                reader.offer(fresh(store, arrival(str(number))))
            assert len(reader._fresh) == 3
            await until(read(store))

    asyncio.run(check())
    assert {each.status for each in store.deliveries(Filter())} == {"dispatched"}


class Stranger:
    id = name = "stranger"

    def __init__(self, deed):
        self.deed = deed

    def handle_webhook(self, payload, headers):
        return self.deed()


def event(**named):
    return IntegrationEvent(**{"source": "s", "event_type": "a.b", "severity": "info", "title": "t", **named})


async def forever():
    await asyncio.Event().wait()


async def ends():
    raise SystemExit(0)


async def cancels():
    raise asyncio.CancelledError


async def late():
    raise TimeoutError("its own")


def raises():
    raise ValueError("a\x1b[2Jword")


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        (raises, "ValueError: a[2Jword"),
        (ends, "RuntimeError: SystemExit"),
        (cancels, "CancelledError"),
        (late, "TimeoutError: its own"),
        (forever, "no answer within 0.05 s"),
        (lambda: {"title": "t"}, "answered a dict"),
        (lambda: event(event_type=""), "without a type"),
        (lambda: event(event_type=7), "without a type"),
        (lambda: event(severity="bad"), "severity"),
        (lambda: event(affected_files=7), "JSON"),
        (lambda: event(native={"a": object()}), "JSON"),
        (lambda: event(native={"a": float("nan")}), "JSON"),
    ],
)
def test_a_strangers_connector_that_breaks_is_told_and_the_next_is_read(store, deed, words):
    deeds = [deed, lambda: event(title="fine\x1b[0m\n")]

    async def check():
        hooks = {"stranger": Stranger(lambda: deeds.pop(0)())}
        async with reading(store, hooks, connector_within_s=0.05) as reader:
            for name in ("a", "b"):
                reader.offer(fresh(store, arrival(name, "stranger")))
                await until(read(store))

    asyncio.run(check())
    broken, fine = store.deliveries(Filter())
    assert (broken.status, fine.status, fine.told.title) == ("failed", "dispatched", "fine[0m")
    assert words in broken.error
    assert "\x1b" not in broken.error


def test_a_connector_that_blocks_its_thread_stops_nobody_else(store):
    go_on = threading.Event()

    async def check():
        hooks = {"stranger": Stranger(go_on.wait), "github": connector("github")}
        async with reading(store, hooks, connector_within_s=0.02) as reader:
            for number in range(6):
                reader.offer(fresh(store, arrival(str(number), "stranger")))
            reader.offer(fresh(store, arrival("x")))
            await until(read(store))
            go_on.set()

    asyncio.run(check())
    found = store.deliveries(Filter())
    assert [each.status for each in found] == ["failed"] * 6 + ["dispatched"]
    assert "earlier calls are still under way" in found[5].error


def test_an_event_of_a_stranger_is_made_fit(store):
    odd = event(
        title="\u202e",
        url="javascript:alert(1)",
        detail="a\x00b",
        occurred_at="now",
        affected_files=["a", 7, "\x1b"],
        native={"n": 1},
        actor=5,
    )

    async def check():
        async with reading(store, {"stranger": Stranger(lambda: odd)}) as reader:
            reader.offer(fresh(store, arrival("a", "stranger")))
            await until(read(store))

    asyncio.run(check())
    told = json.loads(next(iter(store.bodies(Filter()))).delivery.told.event)
    assert (told["title"], told["url"], told["detail"], told["occurred_at"]) == ("a.b", None, "ab", None)
    assert (told["affected_files"], told["native"], told["actor"]) == (["a"], {"n": 1}, None)


def test_a_delivery_of_a_provider_that_is_not_active_waits_for_another_receiver_first(store):
    old = system_clock() - timedelta(hours=1)
    new_id, old_id = accepted(store, arrival("n", "sentry"), arrival("o", "sentry", at=old))

    async def check():
        async with reading(store):
            await until(lambda: one(store, old_id).status != "received")

    asyncio.run(check())
    assert one(store, new_id).status == "received"
    assert (one(store, old_id).status, one(store, old_id).error) == ("failed", "`sentry` is not an active integration")


class Failing:
    def __init__(self, store):
        self.store, self.broken = store, True

    def unread(self, limit):
        return self.store.unread(limit)

    def read_all(self, readings, *, at):
        if self.broken:
            raise StoreError("no space left")
        return self.store.read_all(readings, at=at)


def test_a_store_that_fails_is_tried_again_until_it_works(store, monkeypatch):
    from codespar_cli.webhooks import reader as module

    monkeypatch.setattr(module, "_AGAIN_S", 0.01)
    lines = []

    async def check():
        failing = Failing(store)
        async with reading(failing, lines=lines) as reader:
            reader.offer(fresh(store, arrival("a")))
            await until(lambda: lines)
            failing.broken = False
            await until(read(store))

    asyncio.run(check())
    assert "no space left" in lines[0]
    assert store.deliveries(Filter())[0].status == "dispatched"


def test_what_is_in_memory_is_read_before_the_end(store):
    async def check():
        async with reading(store, look_every_s=3600, busy=lambda: True) as reader:
            for number in range(50):
                reader.offer(fresh(store, arrival(str(number))))

    asyncio.run(check())
    assert not store.unread(1)


def test_two_readers_of_one_store_make_one_task(store, tmp_path):
    accepted(store, *(arrival(str(number)) for number in range(60)))
    other = SqliteInbox(tmp_path / "s")

    async def check():
        first = reading(store, wanted=lambda event, tenant: ["r"])
        second = reading(other, wanted=lambda event, tenant: ["r"])
        async with first, second:
            await until(read(store))

    asyncio.run(check())
    other.close()
    assert all(len(store.tasks_of(each.id)) == 1 for each in store.deliveries(Filter()))


def test_told_of_our_own_is_whole(store):
    from codespar_cli.webhooks.told_event import told_of

    at = datetime(2026, 11, 1, tzinfo=UTC)
    told = json.loads(told_of(event(occurred_at=at, affected_files=("a",), native={"k": [1]})).event)
    assert set(told) == set(IntegrationEvent.__dataclass_fields__)
    assert (told["occurred_at"], told["affected_files"]) == ("2026-11-01T00:00:00+00:00", ["a"])
    assert body_of("github")
