"""Secrets are fetched now and then, and anew when a signature fails with older ones."""

import asyncio

import pytest
from receiving_world import body_of, connector, signed, world

from codespar_cli.errors import SecretError
from codespar_cli.webhooks import keys as keys_module
from codespar_cli.webhooks.keys import KEPT_S, SETTLED_S, Keys, KeysUnavailable


class Vault:
    def __init__(self, value="one"):
        self.value, self.reads = value, 0

    def __call__(self, reference=None):
        self.reads += 1
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


class Time:
    now = 1000.0

    def __call__(self):
        return self.now


async def status(it, secret, delivery_id, **extra):
    raw = body_of("github", **extra)
    answer = await it.post("/webhooks/github", raw, signed(it.hooks["github"], raw, delivery_id, secret))
    return answer.status


def with_vault(tmp_path, vault, check):
    async def body():
        async with world(tmp_path / "s", hooks={"github": connector("github", resolve=vault)}) as it:
            for endpoint in it.endpoints.served.values():
                endpoint.keys._clock = it_time
                endpoint.keys.prime(endpoint.keys._values)
            await check(it)

    it_time = Time()
    with_vault.time = it_time
    asyncio.run(body())


def made(vault, time):
    keys = Keys(lambda: [vault()], clock=time)
    keys.prime([vault()])
    return keys


def test_a_thousand_deliveries_are_one_read():
    async def check():
        vault, time = Vault(), Time()
        keys = made(vault, time)
        assert {await keys.current() for _ in range(1000)} == {("one",)}
        assert vault.reads == 1
        time.now += KEPT_S
        assert keys.known() is None
        await asyncio.gather(*(keys.current() for _ in range(50)))
        assert vault.reads == 2  # together, too

    asyncio.run(check())


def test_newer_ones_are_asked_for_once_in_a_while_however_many_forgeries_come():
    async def check():
        vault, time = Vault(), Time()
        keys = made(vault, time)
        vault.value = "two"
        assert await keys.newest() == ("one",)  # just fetched
        time.now += SETTLED_S
        assert await keys.newest() == ("two",)
        for _ in range(500):
            await keys.newest()
        assert vault.reads == 2

    asyncio.run(check())


def test_a_vault_that_fails_is_not_asked_again_at_once():
    async def check():
        vault, time = Vault(), Time()
        keys = made(vault, time)
        vault.value = SecretError("the message holds hush")
        time.now += KEPT_S
        for _ in range(20):
            with pytest.raises(KeysUnavailable) as told:
                await keys.current()
            assert "hush" not in str(told.value)
        assert vault.reads == 2
        vault.value, time.now = "back", time.now + SETTLED_S
        assert await keys.current() == ("back",)

    asyncio.run(check())


def test_a_vault_that_hangs_is_waited_for_in_bounds(monkeypatch):
    import threading

    go_on = threading.Event()
    monkeypatch.setattr(keys_module, "WITHIN_S", 0.05)

    async def check():
        keys = Keys(lambda: go_on.wait() and ["late"])
        with pytest.raises(KeysUnavailable, match="within"):
            await keys.current()
        go_on.set()

    asyncio.run(check())


def test_a_rotated_secret_is_good_at_once_and_the_old_one_is_not(tmp_path):
    vault = Vault("old")

    async def check(it):
        assert await status(it, "old", "1") == 200
        vault.value = "new"
        with_vault.time.now += SETTLED_S
        assert await status(it, "new", "2", zen="2") == 200
        assert await status(it, "old", "3", zen="3") == 401

    with_vault(tmp_path, vault, check)


def test_forgeries_do_not_become_reads_of_the_vault(tmp_path):
    vault = Vault("right")

    async def check(it):
        before = vault.reads
        assert {await status(it, "wrong", str(number)) for number in range(200)} == {401}
        assert vault.reads == before

    with_vault(tmp_path, vault, check)


def test_without_a_vault_nobody_can_say_and_the_sender_tries_again(tmp_path):
    vault = Vault("right")

    async def check(it):
        vault.value = SecretError("sealed")
        with_vault.time.now += KEPT_S
        assert await status(it, "right", "1") == 503
        assert not it.store.exists
        vault.value = ""  # the reference has no value any more: ours to mend, too
        with_vault.time.now += SETTLED_S
        assert await status(it, "right", "1") == 503

    with_vault(tmp_path, vault, check)
