"""Small values for tests of the inbox, and stores of each kind."""

from datetime import UTC, datetime, timedelta

from codespar_cli.webhooks.inbox.delivery import Arrival, Told

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LEASE = timedelta(seconds=30)


def arrival(delivery_id="d-1", raw=b"{}", *, tenant="default", provider="github", at=NOON, headers=(), verified=True):
    return Arrival(tenant, provider, delivery_id, raw, tuple(headers), at, verified)


def told(event_type="push", title="a title"):
    return Told('{"source": "github"}', event_type, "info", title, "https://example.org/1")


def filled(store, count=1, routes=("r",), at=NOON):
    """So many deliveries with a task each; their ids."""
    accepted = store.accept([arrival(f"f-{n}", b"%d" % n, at=at) for n in range(count)])
    for each in accepted:
        assert store.read(each.id, told(), routes, at=at)
    return [each.id for each in accepted]
