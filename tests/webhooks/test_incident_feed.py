"""Anomalies as events: each state of an incident is one delivery, whoever tells of it, however often."""

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.administration.anomalies import Incident
from codespar_cli.errors import StoreError
from codespar_cli.webhooks.inbox.delivery import Filter
from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox
from codespar_cli.webhooks.incident_feed import PROVIDER, RECENT, IncidentFeed, OwnEvents
from codespar_cli.webhooks.reader import Reader
from codespar_cli.webhooks.routes.route import Route

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def incident(number=1, resolved=None, **more):
    found = Incident(
        f"anm_{number}", "default", "search/web", None, "latency", "warning",
        NOW - timedelta(hours=1), resolved, "p95 2.1 s over the last 20 calls, usual 0.4-0.7 s", 2100.0, 700.0,
    )  # fmt: skip
    return found._replace(**more)


@pytest.fixture
def store(tmp_path):
    found = SqliteInbox(tmp_path / "state")
    yield found
    found.close()


def feed(store, incidents, log=lambda line: None, **more):
    return IncidentFeed(lambda: incidents, store, clock=lambda: NOW, log=log, **more)


def names(store):
    return [each.delivery_id for each in store.deliveries(Filter())]


def test_each_state_is_told_once_whoever_tells_it_and_after_a_restart(store):
    incidents = [incident()]
    one, other = feed(store, incidents), feed(store, incidents)
    assert (one.look(), other.look(), one.look()) == (1, 0, 0)
    incidents[0] = incident(resolved=NOW)
    assert (other.look(), one.look(), feed(store, incidents).look()) == (1, 0, 0)
    assert names(store) == ["anm_1:opened", "anm_1:resolved"]


def test_many_at_once_tell_it_once(tmp_path):
    incidents = [incident(number, resolved=NOW if number % 2 else None) for number in range(150)]
    stores = [SqliteInbox(tmp_path / "state") for _ in range(4)]
    told = []
    threads = [
        threading.Thread(target=lambda store=store: told.append(feed(store, incidents).look())) for store in stores
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(told) == 225 == len(set(names(stores[0])))
    for store in stores:
        store.close()


def test_old_news_is_none(store):
    before = NOW - RECENT - timedelta(seconds=1)
    old = [incident(1, started_at=before, resolved=before), incident(2, started_at=before, resolved=NOW)]
    assert feed(store, old).look() == 1
    assert names(store) == ["anm_2:resolved"]


def read(store, routes=()):
    """What the reader makes of the deliveries."""

    async def go():
        reader = Reader(
            store,
            {PROVIDER: OwnEvents()},
            wanted=lambda event, tenant: [each.name for each in routes if each.wants(event, tenant)],
            clock=lambda: NOW,
            log=lambda line: None,
        )
        async with reader.alive(), asyncio.timeout(20):
            while any(each.status == "received" and each.told is None for each in store.deliveries(Filter())):  # noqa: ASYNC110  the store has no event
                await asyncio.sleep(0.01)
        return store.deliveries(Filter())

    return asyncio.run(go())


def route(name, **more):
    return Route(name, "call", "x", **more)


def test_an_incident_becomes_an_event_that_routes_choose_like_any_other(store):
    resolved = NOW - timedelta(minutes=5)
    feed(store, [incident(severity="critical", resolved=resolved)]).look()
    routes = [
        route("all"),
        route("own", providers=("codespar",)),
        route("opened", events=("anomaly.opened",)),
        route("bad", severity="critical"),
        route("github", providers=("github",)),
        route("acme", tenants=("acme",)),
    ]
    opened, ended = read(store, routes)
    event = json.loads(opened.told.event)
    assert (event["source"], event["event_type"], event["severity"]) == ("codespar", "anomaly.opened", "critical")
    assert event["title"] == incident().explanation
    assert event["detail"] == "latency: tool search/web, since 2026-11-23T11:00:00.000000Z"
    assert (event["external_id"], event["delivery_id"]) == ("anm_1", "anm_1:opened")
    assert event["native"] == incident(severity="critical").document()
    assert [each[0] for each in store.tasks_of(opened.id)] == ["all", "bad", "opened", "own"]
    event = json.loads(ended.told.event)
    assert (event["event_type"], event["severity"]) == ("anomaly.resolved", "info")
    assert datetime.fromisoformat(event["occurred_at"]) == resolved
    assert event["native"]["resolved_at"] is not None
    assert [each[0] for each in store.tasks_of(ended.id)] == ["all", "own"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["state", "incident", "id", "severity", "started_at"]), inner, max_size=5),
)  # fmt: skip


@given(json_values)
def test_a_body_that_is_none_of_ours_is_no_event(payload):
    assert asyncio.run(OwnEvents().handle_webhook(payload, {})) is None


def test_names_in_an_event_are_one_harmless_line(store):
    feed(store, [incident(tool="\x1b[2J\u202ex\ny", explanation="a\nb\x07" * 200)]).look()
    (delivery,) = read(store)
    event = json.loads(delivery.told.event)
    assert len(event["title"]) <= 300
    for text in (event["title"], event["detail"]):
        assert text.isprintable()


@pytest.mark.parametrize("error", [StoreError("disk full", file="x"), ZeroDivisionError("private")])
def test_what_fails_is_told_and_tried_again(store, error):
    said, asked = [], []

    def incidents():
        asked.append(1)
        if len(asked) == 1:
            raise error
        return [incident()]

    async def go():
        found = IncidentFeed(incidents, store, clock=lambda: NOW, log=said.append, look_every_s=0.01)
        async with found.alive(), asyncio.timeout(20):
            while not names(store):  # noqa: ASYNC110  the store has no event
                await asyncio.sleep(0.01)

    asyncio.run(go())
    assert len(said) == 1
    assert said[0].startswith("anomalies cannot be told: ")
