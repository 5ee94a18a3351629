"""The receiver as one application: addresses, the inbox behind them, and what goes on beside the requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import NamedTuple

from codespar_cli.core.clock import Clock
from codespar_cli.core.hooks import IntegrationHook
from codespar_cli.server.app import Address, App, Life, Log
from codespar_cli.server.relay import Answering
from codespar_cli.webhooks.endpoints import Endpoints
from codespar_cli.webhooks.inbox.group_commit import GroupCommit
from codespar_cli.webhooks.inbox.store import InboxStore
from codespar_cli.webhooks.keeping import Keeping
from codespar_cli.webhooks.reader import Reader, Wanted
from codespar_cli.webhooks.receiver import Receiver
from codespar_cli.webhooks.upkeep import Health, Purge

LEAST_RETENTION = timedelta(days=7)
"""Providers send again for as long; what is not known any more would be taken for new."""


class Service(NamedTuple):
    """`app` answers requests in this process. Where others do, `keeping` stores what they take, inside `app.alive()`, and
    answers what came to the addresses that are only `kept` here."""

    app: App
    keeping: Keeping
    kept: Sequence[Address]


def service(
    endpoints: Endpoints,
    store: InboxStore,
    integrations: Mapping[str, IntegrationHook],
    *,
    wanted: Wanted,
    clock: Clock,
    log: Log,
    retention: timedelta,
    recorded: Callable[[int], None] = lambda count: None,
    beside: Sequence[Life] = (),
    more: Sequence[Address] = (),
) -> Service:
    """`more` is answered, too. `beside` lives inside of everything else: what it needs is there before it begins and until it has ended.

    `recorded` is told of new work for routes. Create it where the event loop is not running yet, or in it.
    """
    commit = GroupCommit(store)
    reader = Reader(
        store,
        integrations,
        wanted=wanted,
        clock=clock,
        log=log,
        recorded=recorded,
        busy=lambda: receiver.busy() or keeping.busy(),  # they are made below
    )
    receiver = Receiver(endpoints, commit, clock=clock, log=log, fresh=reader.offer)
    purge = Purge(store, max(retention, LEAST_RETENTION), clock=clock, log=log)

    @asynccontextmanager
    async def storing() -> AsyncIterator[None]:
        try:
            yield
        finally:
            store.close()

    @asynccontextmanager
    async def committing() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await commit.close()

    health = Health(store, trouble=lambda: commit.trouble)
    addresses = [*receiver.addresses, Address("GET", "/healthz", health.answer), *more]
    keeping = Keeping(endpoints, commit, health, Answering(more, log), look=reader.look, log=log)
    app = App(addresses, log=log, life=(storing, reader.alive, purge.alive, committing, *beside))
    return Service(app, keeping, more)
