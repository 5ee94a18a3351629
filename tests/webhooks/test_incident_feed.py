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
from codespar_cli.webhooks.inbox.delivery import Arrival, Filter
from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox
from codespar_cli.webhooks.incident_feed import GONE, GONE_UNSEEN, PROVIDER, IncidentFeed, OwnEvents
from codespar_cli.webhooks.reader import Reader
from codespar_cli.webhooks.routes.route import Route
from codespar_cli.webhooks.told_incidents import RECENT, SETTLED, TAKEN_BACK

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
    incidents = [incident(number, resolved=NOW if number % 2 else None, tool=f"tool{number}") for number in range(150)]
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


class Watched:
    """Receivers with a clock that is turned, and an analysis that says what it is told to."""

    def __init__(self, store):
        self.store, self.now, self.incidents = store, NOW, []

    def receiver(self):
        return IncidentFeed(lambda: list(self.incidents), self.store, clock=lambda: self.now, log=lambda line: None)

    def told(self):
        """Event type, id and severity of everything in the inbox, in its order."""
        events = [
            (asyncio.run(OwnEvents().handle_webhook(json.loads(body.raw), {})), body.delivery)
            for body in self.store.bodies(Filter())
        ]
        assert all(event.delivery_id == delivery.delivery_id for event, delivery in events)
        assert all(delivery.status != "suspected_replay" for _, delivery in events)
        return [(event.event_type.removeprefix("anomaly."), event.external_id, event.severity) for event, _ in events]

    def last(self):
        return json.loads(list(self.store.bodies(Filter()))[-1].raw)["incident"]


@pytest.fixture
def watched(store):
    return Watched(store)


def hour(number, minutes=0):
    return NOW - timedelta(hours=12) + timedelta(hours=number, minutes=minutes)


OPENED, RESOLVED = ("opened", "anm_1", "warning"), ("resolved", "anm_1", "info")


@pytest.mark.parametrize("restarted", [True, False])
@pytest.mark.parametrize("moved", [-20, 20])
def test_an_incident_whose_beginning_moves_is_told_once_and_ends_under_the_id_that_was_told(watched, moved, restarted):
    one = watched.receiver()
    watched.incidents = [incident(1, started_at=hour(10))]
    one.look()
    one = watched.receiver() if restarted else one
    watched.incidents = [incident(2, started_at=hour(10, moved))]
    assert one.look() == 0
    watched.incidents = [incident(3, started_at=hour(10, 2 * moved), resolved_at=hour(11))]
    assert (one.look(), watched.receiver().look(), one.look()) == (1, 0, 0)
    assert watched.told() == [OPENED, RESOLVED]
    assert watched.last()["started_at"] == incident(started_at=hour(10)).document()["started_at"]


@pytest.mark.parametrize("other", [{"tool": "x"}, {"agent": "bot"}, {"kind": "cost"}, {"tenant": "acme"}])
def test_only_the_same_subject_is_matched(watched, other):
    one = watched.receiver()
    watched.incidents = [incident(1)]
    one.look()
    watched.incidents.append(incident(2, **other))
    assert one.look() == 1


def test_one_that_begins_when_the_last_one_ended_is_told_anew(watched):
    one = watched.receiver()
    watched.incidents = [incident(1, started_at=hour(8))]
    one.look()
    watched.incidents = [
        incident(2, started_at=hour(7), resolved_at=hour(9)),
        incident(3, started_at=hour(9)),
    ]
    assert one.look() == 2
    assert watched.told() == [OPENED, RESOLVED, ("opened", "anm_3", "warning")]


def test_what_is_no_incident_any_more_is_told_as_ended_after_an_hour(watched):
    one = watched.receiver()
    watched.incidents = [incident(1)]
    one.look()
    watched.incidents = []
    assert one.look() == 0
    watched.now += GONE
    assert one.look() == 0
    watched.now += timedelta(seconds=1)
    assert (one.look(), one.look()) == (1, 0)
    assert watched.told() == [OPENED, RESOLVED]
    assert watched.last()["explanation"] == TAKEN_BACK
    assert datetime.fromisoformat(watched.last()["resolved_at"]) == watched.now


def test_one_that_is_away_for_a_while_is_not_ended(watched):
    one = watched.receiver()
    for _ in range(4):
        watched.incidents = [incident(1)]
        one.look()
        watched.incidents = []
        watched.now += GONE / 2
        one.look()
    assert watched.told() == [OPENED]


def test_what_another_receiver_told_of_other_calls_is_left_to_it_for_a_day(watched):
    watched.incidents = [incident(1)]
    watched.receiver().look()
    other, watched.incidents = watched.receiver(), []
    other.look()
    watched.now += GONE_UNSEEN
    assert other.look() == 0
    watched.now += timedelta(seconds=1)
    assert other.look() == 1


def test_what_this_receiver_saw_in_another_place_is_ended_after_an_hour(watched):
    watched.incidents = [incident(1)]
    watched.receiver().look()
    other, watched.incidents = watched.receiver(), [incident(2, started_at=hour(10))]
    other.look()
    watched.incidents = []
    other.look()
    watched.now += GONE + timedelta(seconds=1)
    assert other.look() == 1
    assert watched.told() == [OPENED, RESOLVED]


def test_one_that_goes_on_after_its_end_was_told_is_opened_again_and_ends_again(watched):
    one = watched.receiver()
    watched.incidents = [incident(1, resolved_at=NOW)]
    assert one.look() == 2
    watched.incidents = [incident(1)]
    assert one.look() == 0
    watched.now += SETTLED
    assert (one.look(), watched.receiver().look()) == (1, 0)
    watched.incidents = [incident(1, severity="critical", resolved_at=watched.now)]
    assert (one.look(), one.look()) == (2, 0)
    assert watched.told() == [OPENED, RESOLVED, OPENED, ("escalated", "anm_1", "critical"), RESOLVED]
    assert names(watched.store)[2:] == ["anm_1:opened:2", "anm_1:escalated:critical:2", "anm_1:resolved:2"]


def test_one_that_gets_worse_is_told_once_for_each_step_and_its_opening_stays_as_it_was(watched):
    one = watched.receiver()
    watched.incidents = [incident(1, severity="info", kind="hallucination")]
    one.look()
    (opened,) = watched.store.bodies(Filter())
    for severity, new in (("warning", 1), ("warning", 0), ("info", 0), ("critical", 1), ("warning", 0)):
        watched.incidents = [incident(1, severity=severity, kind="hallucination", explanation=f"now {severity}")]
        assert (one.look(), watched.receiver().look(), one.look()) == (new, 0, 0)
    assert watched.told() == [
        ("opened", "anm_1", "info"), ("escalated", "anm_1", "warning"), ("escalated", "anm_1", "critical"),
    ]  # fmt: skip
    assert names(watched.store)[1:] == ["anm_1:escalated:warning", "anm_1:escalated:critical"]
    assert next(watched.store.bodies(Filter())) == opened


def test_a_worse_one_that_moved_escalates_what_was_told(watched):
    one = watched.receiver()
    watched.incidents = [incident(1)]
    one.look()
    watched.incidents = [incident(2, severity="critical", started_at=hour(10))]
    assert one.look() == 1
    assert watched.told() == [OPENED, ("escalated", "anm_1", "critical")]


def test_what_an_inbox_cannot_keep_is_told_later(watched, monkeypatch):
    one = watched.receiver()
    watched.incidents = [incident(1)]
    one.look()
    watched.incidents = [incident(2, started_at=hour(10), resolved_at=NOW)]
    with monkeypatch.context() as patched, pytest.raises(StoreError):
        patched.setattr(watched.store, "accept", lambda arrivals: (_ for _ in ()).throw(StoreError("full", file="x")))
        one.look()
    assert one.look() == 1
    assert watched.told() == [OPENED, RESOLVED]


@given(st.data())
def test_everything_that_was_opened_is_resolved_however_the_beginnings_move(tmp_path_factory, data):
    """One subject whose incident moves, vanishes and comes again, under receivers that restart."""
    store = SqliteInbox(tmp_path_factory.mktemp("inbox"))
    watched = Watched(store)
    receivers = [watched.receiver(), watched.receiver()]
    steps = st.tuples(st.none() | st.integers(-40, 40), st.booleans(), st.integers(0, 1), st.integers(0, 90))
    for moved, restarts, which, minutes in data.draw(st.lists(steps, max_size=8)):
        watched.now += timedelta(minutes=minutes)
        watched.incidents = []
        if moved is not None:
            watched.incidents = [incident(100 + moved, started_at=hour(10, moved))]
        receivers[which] = watched.receiver() if restarts else receivers[which]
        receivers[which].look()
        still_open = 0
        for state, _, _ in watched.told():
            still_open += {"opened": 1, "resolved": -1}[state]
            assert still_open in (0, 1)
    watched.now += timedelta(minutes=15)
    watched.incidents = [incident(1, started_at=hour(10), resolved_at=hour(13))]
    for receiver in receivers:
        receiver.look()
    states = [state for state, _, _ in watched.told()]
    assert states.count("opened") == states.count("resolved") >= 1
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
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["state", "incident", "id", "severity", "started_at", "episode", "at"]), inner, max_size=5),
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


@pytest.mark.parametrize(
    "raw", [b"{}", b"[]", b"\xff", b'{"state": "opened", "incident": {"id": 1}}', b"[" * 100_000,
            (b'{"state": "opened", "episode": 1e999, "incident": {"id": "x", "severity": "info", "tool": null,'
            b' "agent": null, "kind": "cost", "started_at": "2026-11-23T11:00:00Z"}}')],
)  # fmt: skip
def test_an_own_delivery_that_cannot_be_read_keeps_nothing_from_being_told(watched, raw):
    watched.store.accept([Arrival("default", PROVIDER, "anm_1:strange", raw, (), NOW)])
    watched.incidents = [incident(1)]
    assert watched.receiver().look() == 1


def test_what_an_earlier_version_told_is_known(watched):
    """Its bodies had no number of their own and no episode."""
    body = {"state": "opened", "tenant": "default", "incident": incident(1).document()}
    watched.store.accept([Arrival("default", PROVIDER, "anm_1:opened", json.dumps(body).encode(), (), NOW)])
    watched.incidents = [incident(2, started_at=hour(10), resolved_at=NOW)]
    assert watched.receiver().look() == 1
    assert watched.told() == [OPENED, RESOLVED]
