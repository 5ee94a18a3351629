"""Arrivals gather while a commit is under way; nobody waits for ever, and nobody is told what is not so."""

import asyncio
import threading

import pytest
from inbox_world import arrival

from codespar_cli.errors import StoreBusy, StoreError, StoreUnreachable
from codespar_cli.webhooks.inbox.delivery import Filter
from codespar_cli.webhooks.inbox.group_commit import GroupCommit
from codespar_cli.webhooks.inbox.store import Accepted


class Gated:
    """A store whose commits wait until the test lets them through."""

    def __init__(self, verdict=lambda arrivals: None):
        self.gate = threading.Semaphore(0)
        self.began = threading.Semaphore(0)
        self.batches = []
        self.verdict = verdict

    def accept(self, arrivals):
        self.batches.append([each.delivery_id for each in arrivals])
        self.began.release()
        self.gate.acquire()
        error = self.verdict(arrivals)
        if error is not None:
            raise error
        return [Accepted("new", int(each.delivery_id)) for each in arrivals]

    async def under_way(self):
        await asyncio.to_thread(self.began.acquire)


async def submitted(commit, *numbers):
    tasks = [asyncio.create_task(commit.submit(arrival(str(number), b"%d" % number))) for number in numbers]
    await asyncio.sleep(0)  # each runs until it waits
    return tasks


def test_what_comes_during_a_commit_is_the_next_one():
    async def main():
        store = Gated()
        commit = GroupCommit(store)
        first = await submitted(commit, 1)
        await store.under_way()
        rest = await submitted(commit, *range(2, 40))
        assert commit.waiting == 39
        store.gate.release(2)
        answers = await asyncio.gather(*first, *rest)
        assert [each.id for each in answers] == list(range(1, 40))
        assert store.batches == [["1"], [str(n) for n in range(2, 40)]]
        assert commit.waiting == 0
        assert await commit.close()

    asyncio.run(main())


@pytest.mark.parametrize("error", [StoreBusy("held"), StoreUnreachable("gone")])
def test_a_store_that_cannot_commit_fails_all_of_a_batch_once(error):
    async def main():
        store = Gated(lambda arrivals: error if len(arrivals) > 1 else None)
        commit = GroupCommit(store)
        first = await submitted(commit, 1)
        await store.under_way()
        rest = await submitted(commit, 2, 3, 4)
        store.gate.release(9)
        assert (await first[0]).id == 1
        assert await asyncio.gather(*rest, return_exceptions=True) == [error] * 3
        assert len(store.batches) == 2
        assert (await commit.submit(arrival("5"))).id == 5  # and it goes on
        assert await commit.close()

    asyncio.run(main())


def test_one_bad_arrival_does_not_spoil_its_batch(inbox):
    async def main():
        commit = GroupCommit(inbox)
        good = [commit.submit(arrival(f"{n}", b"%d" % n)) for n in range(20)]
        bad = commit.submit(arrival("\ud800", b"bad"))
        *answers, error = await asyncio.gather(*good, bad, return_exceptions=True)
        assert [each.verdict for each in answers] == ["new"] * 20
        assert isinstance(error, StoreError)
        assert error.code == "unstorable"
        assert await commit.close()

    asyncio.run(main())
    assert len(inbox.deliveries(Filter())) == 20


def test_an_error_that_is_nobodys_still_answers_each():
    async def main():
        store = Gated(lambda arrivals: ZeroDivisionError() if "3" in [each.delivery_id for each in arrivals] else None)
        store.gate.release(99)
        commit = GroupCommit(store)
        found = await asyncio.gather(*await submitted(commit, 1, 2, 3, 4), return_exceptions=True)
        assert [each.id if isinstance(each, Accepted) else type(each) for each in found] == [1, 2, ZeroDivisionError, 4]
        assert await commit.close()

    asyncio.run(main())


def test_a_full_queue_turns_away_and_takes_again():
    async def main():
        store = Gated()
        commit = GroupCommit(store, max_waiting=3)
        waiting = await submitted(commit, 1, 2, 3)
        await store.under_way()
        with pytest.raises(StoreBusy) as found:
            await commit.submit(arrival("4"))
        assert found.value.code == "inbox_full"
        store.gate.release(9)
        await asyncio.gather(*waiting)
        assert (await commit.submit(arrival("5"))).id == 5
        assert await commit.close()

    asyncio.run(main())


def test_waiting_bytes_are_bounded_but_one_alone_may_be_of_any_size():
    async def main():
        store = Gated()
        commit = GroupCommit(store, max_waiting_bytes=100)
        large = asyncio.create_task(commit.submit(arrival("1", b"x" * 500)))
        await store.under_way()
        with pytest.raises(StoreBusy):
            await commit.submit(arrival("2", b"y"))
        store.gate.release(9)
        await large
        assert await asyncio.gather(commit.submit(arrival("3", b"x" * 60)), commit.submit(arrival("4", b"x" * 40)))
        assert await commit.close()

    asyncio.run(main())


def test_who_gives_up_waiting_loses_nothing_and_delays_nobody(inbox):
    async def main():
        commit = GroupCommit(inbox)
        tasks = [asyncio.create_task(commit.submit(arrival(f"{n}", b"%d" % n))) for n in range(50)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(each, Accepted) for each in found[1::2]] == [True] * 25
        assert await commit.close()
        assert commit.waiting == 0

    asyncio.run(main())
    assert {each.delivery_id for each in inbox.deliveries(Filter())} == {str(n) for n in range(50)}


def test_closing_writes_what_waits_and_takes_no_more(inbox):
    async def main():
        commit = GroupCommit(inbox)
        tasks = [asyncio.create_task(commit.submit(arrival(f"{n}", b"%d" % n))) for n in range(700)]
        await asyncio.sleep(0)
        assert await commit.close()
        with pytest.raises(StoreError) as found:
            await commit.submit(arrival("late"))
        assert found.value.code == "inbox_closed"
        assert all(each.verdict == "new" for each in await asyncio.gather(*tasks))

    asyncio.run(main())


def test_closing_does_not_wait_for_a_store_that_hangs():
    async def main():
        store = Gated()
        commit = GroupCommit(store)
        (hangs,) = await submitted(commit, 1)
        await store.under_way()
        waits = await submitted(commit, 2, 3)
        assert not await commit.close(within=0.01)
        found = await asyncio.gather(*waits, return_exceptions=True)
        assert [each.code for each in found] == ["inbox_closed"] * 2
        store.gate.release(9)
        assert (await hangs).id == 1  # it was under way, and is told the truth
        assert await commit.close()
        assert store.batches == [["1"]]

    asyncio.run(main())


def test_one_that_was_never_used_closes_at_once():
    assert asyncio.run(GroupCommit(Gated()).close())


def test_a_loop_that_ends_ends_the_writer(inbox):
    async def main():
        task = asyncio.create_task(GroupCommit(inbox).submit(arrival()))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(main())
    for thread in threading.enumerate():
        if thread.name == "codespar-inbox":
            thread.join(1)


def test_large_ones_are_committed_one_at_a_time_and_small_ones_come_in_between():
    async def main():
        store = Gated()
        commit = GroupCommit(store)
        first = await submitted(commit, 0)
        await store.under_way()
        big = b"x" * (2 << 20)
        large = [asyncio.create_task(commit.submit(arrival(str(n), big + b"%d" % n))) for n in (1, 2, 3)]
        await asyncio.sleep(0)
        small = await submitted(commit, 4, 5)
        store.gate.release(3)
        await asyncio.gather(*first, *small)
        for _ in range(3):  # those that are done, and the one that begins
            await store.under_way()
        late = await submitted(commit, 6)
        store.gate.release(10)
        answers = await asyncio.gather(*large, *late)
        assert [each.id for each in answers] == [1, 2, 3, 6]
        assert store.batches == [["0"], ["1"], ["4", "5"], ["2"], ["6"], ["3"]]
        assert commit.waiting == 0
        assert await commit.close()

    asyncio.run(main())
