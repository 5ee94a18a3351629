"""Tasks of a route that plugins.toml does not have any more: they wait until it comes back, and that is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from codespar_cli.core.text import visible
from codespar_cli.server.app import Log
from codespar_cli.webhooks.inbox.delivery import Filter, Status
from codespar_cli.webhooks.inbox.store import InboxStore

_LOOKED_AT = 500
_OPEN: tuple[Status, ...] = ("received", "failed", "dead")


def tell_of_forgotten(store: InboxStore, known: Collection[str], log: Log) -> None:
    """Raises StoreError."""
    for route, count in sorted(forgotten(store, known).items()):
        tasks = "1 delivery waits" if count == 1 else f"{count} deliveries wait"
        log(f"{tasks} for the route `{visible(route)}`, which plugins.toml does not have")


def forgotten(store: InboxStore, known: Collection[str]) -> Counter[str]:
    """How many of the newest unfinished deliveries wait for each route that is not known. Raises StoreError."""
    return Counter(
        route
        for number in _unfinished(store)
        for route, state, *_ in store.tasks_of(number)
        if state == "waiting" and route not in known
    )


def _unfinished(store: InboxStore) -> Iterable[int]:
    for status in _OPEN:
        for delivery in store.deliveries(Filter(status=status, last=_LOOKED_AT)):
            yield delivery.id
