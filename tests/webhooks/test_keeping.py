"""The keeping process and its supervisor, at moments that a real server seldom hits."""

import asyncio
import os
import socket

import pytest

from codespar_cli.errors import CodesparError
from codespar_cli.server.acceptors import STOP, Supervisor
from codespar_cli.server.link import Link
from codespar_cli.server.relay import Answering
from codespar_cli.server.serving import Ending
from codespar_cli.webhooks.keeping import Keeping


class World:
    """A keeping process whose supervisor is this test."""

    def __init__(self):
        self.said, self.stopping, self.told = [], [], []
        self.control, keepers = socket.socketpair()
        self.control.setblocking(False)
        self.ending = Ending()
        keeping = Keeping(None, None, None, Answering([], self.said.append), look=lambda: None, log=self.said.append)
        self.keepers = keepers
        supervisor = Supervisor(os.getpid(), keepers)
        self.serving = asyncio.create_task(
            keeping.serve(supervisor, 1, self.ending, ready=lambda: None, stopping=self.stopping.append)
        )

    async def began(self):
        """An accepting process, as the supervisor tells of it; what it is told is in `told`."""
        keepers, own = socket.socketpair()
        socket.send_fds(self.control, [b"began\n"], [keepers.fileno()])
        keepers.close()
        _, link = await asyncio.get_running_loop().create_unix_connection(
            lambda: Link(lambda _link, message: self.told.append(message), lambda _link: None), sock=own
        )
        return link


async def until(true):
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  other processes bring it about
            await asyncio.sleep(0.001)


def test_one_that_is_begun_while_all_are_told_to_stop_is_told_too():
    """Else it would go on accepting until it is killed, and what it had taken would not be answered."""

    async def course():
        world = World()
        first = await world.began()
        await asyncio.sleep(0)
        world.ending.ask()
        async with asyncio.timeout(10):
            assert await asyncio.get_running_loop().sock_recv(world.control, 16) == STOP
        late = await world.began()
        await until(lambda: len(world.told) == 2)
        assert world.told == [("stop",), ("stop",)]
        first.close()
        late.close()
        async with asyncio.timeout(5):
            await world.serving
        world.control.close()
        world.keepers.close()

    asyncio.run(course())


def test_a_supervisor_that_is_gone_ends_it():
    async def course():
        world = World()
        world.control.close()
        with pytest.raises(CodesparError, match="were ended by somebody"):
            await asyncio.wait_for(world.serving, 10)
        world.keepers.close()

    asyncio.run(course())
