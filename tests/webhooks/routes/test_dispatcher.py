"""What the dispatcher promises: at least once, never two at a time, and an end for what fails."""

import asyncio
import threading
import time
from datetime import timedelta

import pytest
from routes_world import NOON, Noted, dispatching_now, filled, route, statuses, until

from codespar_cli.core.clock import system_clock
from codespar_cli.errors import StoreBusy
from codespar_cli.webhooks.inbox.postgres_inbox import PostgresInbox
from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox
from codespar_cli.webhooks.routes.call import Call
from codespar_cli.webhooks.routes.deed import Failed


@pytest.fixture
def store(tmp_path):
    made = SqliteInbox(tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def state_dir(tmp_path):
    return tmp_path / "state"


def all_are(store, status):
    return lambda: set(statuses(store).values()) == {status}


def test_every_route_gets_every_event_once(store, state_dir):
    filled(store, 60, ("a", "b"))
    one, other = Noted(), Noted()

    async def go():
        async with dispatching_now(store, [(route("a"), one), (route("b"), other)], state_dir):
            await until(all_are(store, "dispatched"))

    asyncio.run(go())
    for deed in (one, other):
        assert sorted(document.delivery["id"] for document in deed.seen) == list(range(1, 61))
    assert {document.id for document in one.seen}.isdisjoint(document.id for document in other.seen)


@pytest.mark.parametrize("concurrency", [1, 3, 10])
def test_no_more_of_a_route_run_at_a_time_than_it_allows(store, state_dir, concurrency):
    filled(store, 40, ("a",))
    full = asyncio.Event()

    async def meet(document, count):
        """Nobody ends before as many as may run do run."""
        if deed.running >= concurrency:
            full.set()
        await full.wait()
        await asyncio.sleep(0)

    deed = Noted(meet)

    async def go():
        async with dispatching_now(store, [(route("a", concurrency=concurrency), deed)], state_dir):
            await until(all_are(store, "dispatched"))

    asyncio.run(go())
    assert deed.most == concurrency


def test_a_slow_route_does_not_hold_up_another(store, state_dir):
    filled(store, 30, ("slow", "quick"))
    quick = Noted()

    async def go():
        release = asyncio.Event()

        async def wait(document, count):
            await release.wait()

        slow = Noted(wait)
        async with dispatching_now(store, [(route("slow"), slow), (route("quick"), quick)], state_dir):
            await until(lambda: len(quick.seen) == 30)
            assert len(slow.seen) == 4
            release.set()
            await until(all_are(store, "dispatched"))

    asyncio.run(go())


def test_what_fails_is_done_again_and_then_given_up(store, state_dir):
    (number,) = filled(store, 1, ("a",))
    log = []

    async def fail(document, count):
        raise Failed(f"no {count}")

    deed = Noted(fail)

    async def go():
        async with dispatching_now(store, [(route("a", attempts=5), deed)], state_dir, log=log):
            await until(all_are(store, "dead"))

    asyncio.run(go())
    assert len(deed.seen) == 5
    assert len({document.id for document in deed.seen}) == 1
    assert len({document.body for document in deed.seen}) == 1
    assert store.tasks_of(number) == [("a", "dead", 5, "no 5")]
    assert "attempt 5: no 5; given up" in log[-1]


def test_a_final_failure_is_given_up_at_once(store, state_dir):
    filled(store, 1, ("a",))

    async def gone(document, count):
        raise Failed("gone", final=True)

    deed = Noted(gone)

    async def go():
        async with dispatching_now(store, [(route("a"), deed)], state_dir):
            await until(all_are(store, "dead"))

    asyncio.run(go())
    assert len(deed.seen) == 1


def test_any_exception_is_a_failure_and_stops_nothing_else(store, state_dir):
    filled(store, 10, ("a",))

    async def broken(document, count):
        if document.delivery["id"] % 2:
            raise SystemExit("no \x1b[2Jway") if document.delivery["id"] % 3 else asyncio.CancelledError

    deed = Noted(broken)

    async def go():
        async with dispatching_now(store, [(route("a", attempts=1), deed)], state_dir):
            await until(lambda: set(statuses(store).values()) == {"dispatched", "dead"})

    asyncio.run(go())
    assert {number for number, status in statuses(store).items() if status == "dead"} == {1, 3, 5, 7, 9}
    assert store.tasks_of(1)[0][3] == "SystemExit: no [2Jway"


@pytest.mark.parametrize(
    ("after", "random", "expected"),
    [(None, 1.0, 2), (None, 0.5, 1), (timedelta(seconds=90), 0.5, 90), (timedelta(days=9), 0.0, 86_400)],
)
def test_an_attempt_is_made_again_after_the_back_off_and_not_before_it_is_asked_for(
    store, state_dir, after, random, expected
):
    now = [NOON + timedelta(days=9000)]
    filled(store, 1, ("a",))

    async def fail(document, count):
        if count == 1:
            raise Failed("later", after=after)

    deed = Noted(fail)

    async def go():
        async with dispatching_now(
            store, [(route("a"), deed)], state_dir, clock=lambda: now[0], random=lambda: random, look_every_s=0.01
        ) as running:
            await until(all_are(store, "failed"))
            assert store.next_due(["a"]) == now[0] + timedelta(seconds=expected)
            now[0] += timedelta(seconds=expected, microseconds=-1)
            running.wake()
            await asyncio.sleep(0.1)
            assert len(deed.seen) == 1
            now[0] += timedelta(microseconds=1)
            await until(all_are(store, "dispatched"))

    asyncio.run(go())
    assert len(deed.seen) == 2


def test_it_wakes_for_what_is_new_and_again_redispatches(store, state_dir):
    deed = Noted()

    async def go():
        async with dispatching_now(store, [(route("a"), deed)], state_dir, look_every_s=3600.0) as running:
            await asyncio.sleep(0.05)
            (number,) = filled(store, 1, ("a",))
            running.wake(1)
            await until(all_are(store, "dispatched"))
            assert store.again(number, ["a"], at=system_clock())
            running.wake()
            await until(lambda: len(deed.seen) == 2 and statuses(store) == {number: "dispatched"})

    asyncio.run(go())
    assert deed.seen[0].id == deed.seen[1].id


def test_what_another_process_asks_for_is_found_by_looking(store, state_dir):
    deed = Noted()

    async def go():
        async with dispatching_now(store, [(route("a"), deed)], state_dir, look_every_s=0.05):
            filled(store, 3, ("a",))
            await until(all_are(store, "dispatched"))

    asyncio.run(go())
    assert len(deed.seen) == 3


def test_tasks_of_a_route_that_was_removed_wait_and_are_shown(store, state_dir):
    (number,) = filled(store, 1, ("a", "old"))
    log = []

    async def go():
        async with dispatching_now(store, [(route("a"), Noted())], state_dir, log=log):
            await until(lambda: ("a", "done", 1, None) in store.tasks_of(number))

    asyncio.run(go())
    assert ("old", "waiting", 0, None) in store.tasks_of(number)
    assert log == ["1 delivery waits for the route `old`, which plugins.toml does not have"]


class Flaky:
    """A store that cannot be used while `down` is set."""

    def __init__(self, store):
        self._store = store
        self.down = threading.Event()
        self.refused = 0

    def __getattr__(self, name):
        found = getattr(self._store, name)

        def call(*positional, **named):
            if self.down.is_set():
                self.refused += 1
                raise StoreBusy("the inbox is locked")
            return found(*positional, **named)

        return call if callable(found) else found


def test_a_store_that_is_down_is_waited_for_and_what_is_done_is_not_forgotten(store, state_dir):
    flaky = Flaky(store)
    flaky.down.set()
    filled(store, 1, ("a",))
    log = []

    async def go():
        async def pull(document, count):
            flaky.down.set()

        deed = Noted(pull)
        async with dispatching_now(flaky, [(route("a"), deed)], state_dir, log=log, look_every_s=0.05):
            await until(lambda: flaky.refused >= 1)
            flaky.down.clear()
            await until(lambda: deed.seen and flaky.refused >= 3)
            flaky.down.clear()
            await until(all_are(store, "dispatched"))
        return deed

    assert len(asyncio.run(go()).seen) == 1
    assert "the routes wait, the inbox cannot be used: the inbox is locked" in log


def test_at_the_end_what_runs_gets_some_time_and_then_it_is_left(store, state_dir):
    filled(store, 2, ("a",))
    log = []

    async def go():
        begun = asyncio.Event()

        async def some(document, count):
            if len(deed.seen) == 2:
                begun.set()
            await asyncio.sleep(0.2 if document.delivery["id"] == 1 else 3600)

        deed = Noted(some)
        async with dispatching_now(store, [(route("a"), deed)], state_dir, log=log, end_within_s=2.0):
            await begun.wait()
        assert deed.running == 0

    asyncio.run(go())
    assert statuses(store) == {1: "dispatched", 2: "received"}
    assert store.tasks_of(2) == [("a", "waiting", 0, None)]
    deed = Noted()

    async def restart():
        async with dispatching_now(store, [(route("a"), deed)], state_dir):
            await until(all_are(store, "dispatched"), within_s=10)

    asyncio.run(restart())
    assert [document.delivery["id"] for document in deed.seen] == [2]


@pytest.fixture(params=["sqlite", "postgres"])
def either_store(request, tmp_path):
    if request.param == "sqlite":
        made = SqliteInbox(tmp_path / "state")
    else:
        made = PostgresInbox(request.getfixturevalue("postgres").new_database())
    yield made
    made.close()


def test_two_dispatchers_on_one_store_never_run_a_task_at_the_same_time(either_store, tmp_path):
    """Deeds take longer than a lease, which is renewed while they run, and the other one has time for more."""
    store = either_store
    filled(store, 5, ("a",))
    lock, running, both = threading.Lock(), [], []

    async def go():
        async def slow(document, count):
            number = document.delivery["id"]
            with lock:
                if number in running:
                    both.append(number)
                running.append(number)
            await asyncio.sleep(1.9)
            running.remove(number)

        one, other = Noted(slow), Noted(slow)
        lease = timedelta(milliseconds=900)
        async with (
            dispatching_now(
                store, [(route("a", concurrency=4), one)], tmp_path / "one", lease=lease, look_every_s=0.05
            ),
            dispatching_now(
                store, [(route("a", concurrency=4), other)], tmp_path / "two", lease=lease, look_every_s=0.05
            ),
        ):
            await until(all_are(store, "dispatched"))
        return one, other

    (tmp_path / "one").mkdir(mode=0o700)
    (tmp_path / "two").mkdir(mode=0o700)
    one, other = asyncio.run(go())
    assert both == []
    assert sorted(document.delivery["id"] for document in one.seen + other.seen) == list(range(1, 6))
    assert one.seen
    assert other.seen


def test_a_thousand_calls_take_well_under_three_seconds(store, state_dir):
    filled(store, 1000, ("a",))
    count = []
    deed = Call(route("a"), lambda event, delivery: count.append(delivery["id"]))

    async def go():
        began = time.process_time()  # of ours alone: what others do on the machine does not count
        async with dispatching_now(store, [(route("a"), deed)], state_dir):
            await until(lambda: len(count) == 1000 and store.next_due(["a"]) is None, within_s=60)
            return time.process_time() - began

    took = asyncio.run(go())
    print(f"1,000 calls in {took:.2f} s of processor time")
    assert sorted(count) == list(range(1, 1001))
    assert took < 3  # about one


def test_what_was_claimed_and_not_begun_is_free_at_once_after_the_end(store, tmp_path, state_dir):
    """A quick route claims ahead; another dispatcher, which cannot know the first one's name, goes on with the rest."""
    filled(store, 60, ("a",))

    async def go():
        ended = asyncio.Event()

        async def stop(document, count):
            if count == 20:
                ended.set()
                await asyncio.sleep(0)

        async with dispatching_now(store, [(route("a", concurrency=2), Noted(stop))], state_dir):
            await ended.wait()
        rest = Noted()
        async with dispatching_now(store, [(route("a"), rest)], tmp_path / "other"):
            await until(all_are(store, "dispatched"), within_s=20)
        return rest

    assert asyncio.run(go()).seen
