"""An accepting process: HTTP, signature and JSON. What is genuine goes to the keeping process, which stores it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from codespar_cli.core.clock import Clock, to_micros
from codespar_cli.errors import StoreError
from codespar_cli.server.app import Address, App
from codespar_cli.server.link import Link, Message
from codespar_cli.server.relay import Carrying
from codespar_cli.server.requests import Refused, Request, Response, Room, answer
from codespar_cli.server.serving import Ending, run
from codespar_cli.webhooks.endpoints import Endpoint, Endpoints
from codespar_cli.webhooks.inbox.delivery import Arrival
from codespar_cli.webhooks.inbox.store import Accepted
from codespar_cli.webhooks.keys import AskedKeys, KeysUnavailable
from codespar_cli.webhooks.receiver import BODIES, Receiver


class Failed(Exception):
    """What the keeping process answered in place of a result: words for the log."""


class KeeperLink:
    """The keeping process as an accepting one sees it: `Committing`, keys, health, and where lines are told."""

    def __init__(self, link: socket.socket, ending: Ending) -> None:
        self._socket = link
        self._ending = ending
        self._link: Link | None = None
        self._count = 0
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._carried: dict[int, Carrying] = {}

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        _, self._link = await loop.create_unix_connection(lambda: Link(self._take, self._lost), sock=self._socket)
        yield

    def close(self) -> None:
        if self._link is not None:
            self._link.close()

    def tell(self, *message: Any) -> None:
        if self._link is not None:
            self._link.send(message)

    def log(self, line: str) -> None:
        self.tell("line", line)

    async def ask(self, kind: str, *facts: Any) -> Any:
        """Raises Failed."""
        number, asked = self._awaited()
        self.tell(kind, number, *facts)
        try:
            return await asked
        finally:
            del self._asked[number]

    def kept(self, index: int, address: Address) -> Address:
        """One that the keeping process answers."""

        async def carried(request: Request) -> Response:
            number, asked = self._awaited()
            carrying = self._carried[number] = Carrying(number, request, self.tell)
            try:
                return await carrying.carry(index, asked)
            finally:
                del self._asked[number], self._carried[number]

        return address._replace(handler=carried)

    def _awaited(self) -> tuple[int, asyncio.Future[Any]]:
        self._count += 1
        asked = self._asked[self._count] = asyncio.get_running_loop().create_future()
        return self._count, asked

    async def submit(self, arrival: Arrival) -> Accepted:
        """Raises StoreError."""
        try:
            found = await self.ask("arrival", *arrival._replace(received_at=to_micros(arrival.received_at)))  # type: ignore[arg-type]
        except Failed as error:
            raise StoreError(str(error)) from None
        return Accepted(*found)

    async def health(self, _request: Request) -> Response:
        """Raises Refused (503), of which the keeping process has told the log."""
        try:
            await self.ask("health")
        except Failed as error:
            raise Refused(503, str(error), told="the inbox cannot be written") from None
        return answer(200, status="ok")

    def keys(self, endpoint: Endpoint) -> AskedKeys:
        async def ask(seconds: float) -> tuple[tuple[str, ...], float]:
            try:
                values, fetched_at = await self.ask("keys", endpoint.tenant, endpoint.provider, seconds)
            except Failed as error:
                raise KeysUnavailable(str(error)) from None
            return values, fetched_at

        return AskedKeys(ask)

    def _take(self, _link: Link, message: Message) -> None:
        if message == ("stop",):
            self._ending.ask()
            return
        if message[0] == "more":
            if carrying := self._carried.get(message[1]):
                carrying.more()
            return
        number, good, value = message
        asked = self._asked.get(number)
        if asked is None or asked.done():
            return
        if good:
            asked.set_result(value)
        else:
            asked.set_exception(Failed(value))

    def _lost(self, _link: Link) -> None:
        if not self._ending.asked:
            os._exit(1)  # nobody is left to keep anything


def accept(
    endpoints: Endpoints,
    kept: Sequence[Address],
    clock: Clock,
    share: int,
    listening: socket.socket,
    link: socket.socket,
) -> None:
    """Until the keeping process says otherwise. `kept` are addresses that it answers, `share` is how many accepting
    processes there are."""
    ending = Ending()
    keeper = KeeperLink(link, ending)
    served = {
        place: endpoint if endpoint.keys is None else endpoint._replace(keys=keeper.keys(endpoint))
        for place, endpoint in endpoints.served.items()
    }
    receiver = Receiver(
        endpoints._replace(served=served),
        keeper,
        clock=clock,
        log=keeper.log,
        fresh=lambda _fresh: None,
        room=Room(BODIES // share),
    )
    addresses = [*receiver.addresses, Address("GET", "/healthz", keeper.health), *map(keeper.kept, count(), kept)]
    app = App(addresses, log=keeper.log, life=(keeper.alive,))
    run(
        app,
        listening,
        ready=lambda: keeper.tell("ready"),
        stopping=lambda requests: keeper.tell("stopping", requests),
        log=keeper.log,
        ending=ending,
        share=share,
    )
