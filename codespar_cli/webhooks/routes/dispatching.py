"""The routes of a configuration as one thing to run: who wants an event, and whoever serves them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from codespar_cli.core.config import Config, shown
from codespar_cli.core.hooks import IntegrationEvent
from codespar_cli.core.loader import Installed
from codespar_cli.core.services import Services
from codespar_cli.errors import CodesparError, ConfigError
from codespar_cli.server.app import Log
from codespar_cli.webhooks.inbox.store import InboxStore
from codespar_cli.webhooks.known_secrets import KnownSecrets
from codespar_cli.webhooks.routes.deed import Deed
from codespar_cli.webhooks.routes.dispatcher import Dispatcher
from codespar_cli.webhooks.routes.forgotten_routes import tell_of_forgotten
from codespar_cli.webhooks.routes.lane import Lane
from codespar_cli.webhooks.routes.route import Route
from codespar_cli.webhooks.routes.task_owner import TaskOwner

LookUpFunctions = Callable[[], Mapping[str, Installed]]


def _installed() -> Mapping[str, Installed]:
    from codespar_cli.webhooks.routes.call import installed_functions

    return installed_functions()


class Dispatching:
    """`wanted` and `wake` are for whoever reads deliveries; `alive` is a `Life` of server.app."""

    def __init__(self, routes: tuple[Route, ...], dispatcher: Dispatcher, store: InboxStore, log: Log) -> None:
        self.routes = routes
        self._dispatcher = dispatcher
        self._store = store
        self._log = log

    def wanted(self, event: IntegrationEvent, tenant: str) -> list[str]:
        """The names of the routes that want an event, in the order of the file."""
        return [route.name for route in self.routes if route.wants(event, tenant)]

    def wake(self, count: int = 0) -> None:
        """There are new tasks. To be called where the event loop is; never waits."""
        self._dispatcher.wake(count)

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """Raises StoreError when the state directory cannot be used."""
        if not self.routes:
            await asyncio.to_thread(self._look)
            yield
            return
        async with self._dispatcher.alive():
            yield

    def _look(self) -> None:
        try:
            tell_of_forgotten(self._store, (), self._log)
        except CodesparError as error:
            self._log(f"the inbox cannot be used: {error}")


def dispatching(
    config: Config,
    services: Services,
    store: InboxStore,
    *,
    log: Log,
    installed: LookUpFunctions = _installed,
    known: KnownSecrets | None = None,
    **more: Any,
) -> Dispatching:
    """`known` are the secrets that no error is to hold. `more` goes to the Dispatcher. Create it where the event loop is not running yet, or in it.

    Raises:
        ConfigError: no entry point of the name that a route calls, or an address that is never reached.
    """
    routes = tuple(Route.of(table) for table in config.routes)
    found: dict[str, Mapping[str, Installed]] = {}
    hushed = known or KnownSecrets()

    def functions() -> Mapping[str, Installed]:
        return found.setdefault("all", installed()) if not found else found["all"]

    try:
        lanes = [Lane(route, _deed(route, services, functions, hushed)) for route in routes]
    except ConfigError as error:
        if config.path is not None and error.file is None:
            error.file = shown(config.path)
        raise
    for route in routes:
        if route.deed == "forward" and route.secret is None:
            log(f"route {route.name} has no `secret`: what it forwards is not signed")
    dispatcher = Dispatcher(
        store, lanes, owner=lambda: TaskOwner(services.state_dir), clock=services.clock, log=log, **more
    )
    return Dispatching(routes, dispatcher, store, log)


def _deed(route: Route, services: Services, functions: LookUpFunctions, known: KnownSecrets) -> Deed:
    """Raises ConfigError."""
    if route.deed == "call":
        from codespar_cli.webhooks.routes.call import Call, function_of

        return Call(route, function_of(route, functions()), known)
    if route.deed == "run":
        from codespar_cli.webhooks.routes.run import Run, kept_environment

        return Run(route, kept_environment(services.resolve), known)
    from codespar_cli.webhooks.routes.forward import Forward

    reference = route.secret
    secret = None if reference is None else lambda: known.noted(services.require(reference, key="routes.secret"))
    return Forward(route, secret, clock=services.clock)
