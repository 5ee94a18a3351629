"""What a receiver does now and then: removing what is old, hour by hour, and telling whether it could store something."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.errors import StoreBusy, StoreError
from codespar_cli.server.requests import Refused
from codespar_cli.webhooks.inbox.delivery import Arrival, Filter, Told
from codespar_cli.webhooks.inbox.group_commit import GroupCommit
from codespar_cli.webhooks.inbox.postgres_inbox import PostgresInbox
from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox
from codespar_cli.webhooks.upkeep import Health, Purge

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOLD = Told('{"source": "github"}', "push", "info", "a title", None)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request, tmp_path):
    if request.param == "sqlite":
        made = SqliteInbox(tmp_path / "state")
    else:
        made = PostgresInbox(request.getfixturevalue("postgres").new_database())
    yield made
    made.close()


class Day:
    """A clock, and a sleep that lasts until somebody lets the time pass."""

    def __init__(self, now=NOON):
        self.now, self.slept = now, []
        self._asleep, self._over = asyncio.Event(), asyncio.Event()

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self._asleep.set()
        await self._over.wait()
        self._over.clear()

    async def asleep(self):
        await asyncio.wait_for(self._asleep.wait(), 20)
        self._asleep.clear()

    async def passes(self, time):
        self.now += time
        self._over.set()
        await self.asleep()


@asynccontextmanager
async def purging(store, retention, day, log=None):
    purge = Purge(store, retention, clock=day.clock, log=(log if log is not None else []).append, sleep=day.sleep)
    async with purge.alive():
        await day.asleep()
        yield


def deliver(store, name, at, *, read=True, routes=()):
    (accepted,) = store.accept([Arrival("default", "github", name, name.encode(), (), at, True)])
    if read:
        store.read(accepted.id, TOLD, routes, at=at)


def kept(store):
    return {each.delivery_id for each in store.deliveries(Filter())}


def test_what_is_old_goes_once_an_hour_and_what_is_open_stays(store):
    deliver(store, "old", NOON - timedelta(days=30, seconds=1))
    deliver(store, "on the edge", NOON - timedelta(days=30))
    deliver(store, "soon", NOON - timedelta(days=30) + HOUR)
    deliver(store, "unread", NOON - timedelta(days=90), read=False)
    deliver(store, "waits for a route", NOON - timedelta(days=90), routes=("r",))
    open_ones, seen = {"unread", "waits for a route"}, []

    async def check():
        day = Day()
        async with purging(store, timedelta(days=30), day):
            seen.append(kept(store))
            await day.passes(HOUR)
            seen.append(kept(store))
            await day.passes(timedelta(microseconds=1))
            seen.append(kept(store))
        assert day.slept == [3600.0] * 3

    asyncio.run(check())
    assert seen == [{"on the edge", "soon"} | open_ones, {"soon"} | open_ones, open_ones]


class Recorded:
    """A store that notes what it is asked, and fails when it is told to."""

    exists = True

    def __init__(self, fails=()):
        self.asked, self.fails = [], list(fails)

    def purge(self, before):
        self.asked.append(before)
        error = self.fails.pop(0) if self.fails else None
        if error is not None:
            raise error
        return 0


@given(st.lists(st.timedeltas(timedelta(0), timedelta(days=40)), max_size=8), st.integers(7, 400))
def test_each_look_counts_back_from_the_time_it_is_then(steps, days):
    store = Recorded()

    async def check():
        day = Day()
        expected = [day.now - timedelta(days=days)]
        async with purging(store, timedelta(days=days), day):
            for step in steps:
                await day.passes(step)
                expected.append(day.now - timedelta(days=days))
        return expected

    assert asyncio.run(check()) == store.asked


@pytest.mark.parametrize(
    "error", [StoreBusy("the inbox is locked"), StoreError("no"), OSError(5, "hush"), KeyError("x")]
)
def test_a_failure_is_told_and_the_next_hour_comes(error):
    store, log = Recorded([error, None]), []

    async def check():
        day = Day()
        async with purging(store, timedelta(days=7), day, log):
            await day.passes(HOUR)

    asyncio.run(check())
    assert len(store.asked) == 2
    words = str(error) if isinstance(error, StoreError | StoreBusy) else type(error).__name__
    assert log == [f"old deliveries cannot be removed: {words}"]


def test_an_inbox_that_was_never_made_is_not_made_by_cleaning_it(tmp_path):
    store = SqliteInbox(tmp_path / "state")

    async def check():
        day = Day()
        async with purging(store, timedelta(days=7), day):
            await day.passes(HOUR)

    asyncio.run(check())
    assert not (tmp_path / "state").exists()
    store.close()


# ── health ──


class Probed:
    def __init__(self):
        self.count, self.error = 0, None

    def probe(self):
        self.count += 1
        if self.error is not None:
            raise self.error


class Asked:
    """`GET /healthz` of one receiver, with a clock to turn."""

    def __init__(self, store, trouble=lambda: None):
        self.now = 1000.0
        self.health = Health(store, trouble=trouble, clock=lambda: self.now)

    async def status(self):
        try:
            return (await self.health.answer(None)).status
        except Refused as error:
            assert error.told == "the inbox cannot be written"
            return error.status


def test_however_often_it_is_asked_it_looks_once_a_second():
    async def check():
        store = Probed()
        asked = Asked(store)
        assert await asyncio.gather(*(asked.status() for _ in range(200))) == [200] * 200
        assert store.count == 1
        asked.now += 0.99
        store.error = StoreError("full")
        assert await asked.status() == 200
        asked.now += 0.01
        assert [await asked.status(), await asked.status()] == [503, 503]
        assert store.count == 2
        store.error = None
        asked.now += 1
        assert await asked.status() == 200

    asyncio.run(check())


def test_what_kept_the_last_delivery_out_counts_until_one_is_stored():
    """Whatever the little says that is written to look: on a full disk it still fits in."""

    async def check():
        trouble = [None]
        asked = Asked(Probed(), lambda: trouble[0])
        assert await asked.status() == 200
        trouble[0] = StoreError("the disk is full")
        for _ in range(59):
            assert await asked.status() == 503
            asked.now += 1
        trouble[0] = None
        assert await asked.status() == 200

    asyncio.run(check())


def test_where_no_delivery_is_sent_any_more_looking_counts_again_after_a_minute():
    """Who sends none to a receiver that is not well would never find out that it is well again."""

    async def check():
        trouble, store = [StoreError("the disk is full")], Probed()
        asked = Asked(store, lambda: trouble[0])
        assert await asked.status() == 503
        asked.now += 59.9
        assert await asked.status() == 503
        asked.now += 0.1
        assert await asked.status() == 200
        store.error = StoreError("still full")
        asked.now += 1
        assert await asked.status() == 503
        store.error = None
        trouble[0] = StoreError("the disk is full")  # another delivery was sent, in vain
        asked.now += 1
        assert await asked.status() == 503

    asyncio.run(check())


class Judging:
    """A store that takes arrivals but for those whose id is an error's."""

    def __init__(self, errors):
        self.errors = errors

    def accept(self, arrivals):
        for arrival in arrivals:
            if arrival.delivery_id in self.errors:
                raise self.errors[arrival.delivery_id]
        return [None for _ in arrivals]


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (StoreError("the disk is full"), True),
        (StoreBusy("it is locked"), True),
        (ZeroDivisionError("hush"), True),
        (StoreError("no unicode", code="unstorable"), False),
    ],
)
def test_a_commit_that_fails_is_trouble_until_one_works(error, counts):
    async def check():
        commit = GroupCommit(Judging({"bad": error}))

        async def send(name):
            return await asyncio.gather(
                commit.submit(Arrival("default", "github", name, b"{}", (), NOON, True)), return_exceptions=True
            )

        await send("one")
        assert commit.trouble is None
        assert await send("bad") == [error]
        assert commit.trouble is (error if counts else None)
        asked = Asked(Probed(), lambda: commit.trouble)
        assert await asked.status() == (503 if counts else 200)
        await send("two")
        assert commit.trouble is None
        assert await asked.status() == 200
        assert await commit.close()

    asyncio.run(check())


def test_looking_at_a_server_writes_a_commit_and_no_delivery(postgres):
    store = PostgresInbox(postgres.new_database())
    store.probe()  # which makes the schema
    place = "SELECT pg_current_wal_flush_lsn()"
    ((before,),) = postgres.sql(place)
    store.probe()
    ((moved,),) = postgres.sql(f"SELECT pg_wal_lsn_diff(({place}), '{before}')")
    assert moved > 0
    assert store.deliveries(Filter()) == []
    store.close()


def test_looking_at_a_server_that_is_gone_says_so_until_it_is_back(postgres):
    store = PostgresInbox(postgres.new_database())
    store.probe()
    postgres.kill()
    try:
        with pytest.raises(StoreError):
            store.probe()
    finally:
        postgres.start()
    store.probe()
    deliver(store, "one", NOON)
    assert kept(store) == {"one"}
    store.close()
