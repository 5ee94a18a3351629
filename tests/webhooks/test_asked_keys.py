"""Secrets that another process fetches: no older than they would be in one, and asked for no more often."""

import asyncio

import pytest

from codespar_cli.webhooks.keys import KEPT_S, SETTLED_S, AskedKeys, Keys, KeysUnavailable


class World:
    """One process that fetches, and one that asks it."""

    def __init__(self):
        self.now, self.fetched, self.asked, self.values = 1000.0, 0, 0, ("old",)
        self.keys = Keys(self.fetch, clock=lambda: self.now)
        self.far = AskedKeys(self.ask, clock=lambda: self.now)

    def fetch(self):
        self.fetched += 1
        if self.values is None:
            raise OSError
        return self.values

    async def ask(self, seconds):
        self.asked += 1
        return await self.keys.not_older_than(seconds), self.keys.fetched_at


def test_their_age_counts_from_the_fetching_and_not_from_the_asking():
    async def course():
        world = World()
        await world.keys.current()
        world.now += KEPT_S - 1
        assert await world.far.current() == ("old",)
        assert world.far.known() == ("old",)
        world.values = ("new",)
        world.now += 1
        assert world.far.known() is None  # and not KEPT_S after it was asked for
        assert await world.far.current() == ("new",)

    asyncio.run(course())


def test_forged_signatures_in_any_number_of_processes_are_one_read():
    async def course():
        world = World()
        others = [AskedKeys(world.ask, clock=lambda: world.now) for _ in range(3)]
        for _ in range(10):
            await asyncio.gather(*(each.newest() for each in [*others, world.far] * 5))
        assert world.fetched == 1
        assert world.asked == 4
        world.now += SETTLED_S
        await asyncio.gather(*(each.newest() for each in others))
        assert world.fetched == 2

    asyncio.run(course())


def test_what_cannot_be_fetched_is_not_had_and_is_had_again_later():
    async def course():
        world = World()
        world.values = None
        with pytest.raises(KeysUnavailable):
            await world.far.current()
        world.values, world.now = ("back",), world.now + SETTLED_S
        assert await world.far.current() == ("back",)

    asyncio.run(course())
