"""What a replay would change, and that a replay holds no more than it must."""

import asyncio
import json
import time
import weakref
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.hooks import SEVERITIES, IntegrationEvent
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.webhooks.comparison import changes
from codespar_cli.webhooks.inbox.delivery import Body, Delivery
from codespar_cli.webhooks.inbox_payloads import inbox_payloads
from codespar_cli.webhooks.outcome import Outcome, Tally
from codespar_cli.webhooks.payload import Payload
from codespar_cli.webhooks.replay import Replay
from codespar_cli.webhooks.told_event import told_of

TEXT = st.text(max_size=30)
EVENTS = st.builds(
    IntegrationEvent,
    source=TEXT,
    event_type=st.sampled_from(["issue.created", "push"]),
    severity=st.sampled_from(SEVERITIES),
    title=TEXT,
    detail=st.none() | TEXT,
    url=st.none() | st.just("https://example.org/1"),
    occurred_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    actor=st.none() | TEXT,
    affected_files=st.lists(TEXT, max_size=3).map(tuple),
    native=st.dictionaries(st.sampled_from("ab"), st.none() | TEXT | st.integers()),
)


@given(event=EVENTS)
def test_what_is_read_the_same_way_differs_in_nothing(event):
    assert changes(json.loads(told_of(event).event), event) == {}


@given(before=EVENTS, after=EVENTS)
def test_exactly_the_fields_that_differ_are_told(before, after):
    was, is_now = (json.loads(told_of(event).event) for event in (before, after))
    found = changes(was, after)
    assert set(found) == {name for name in was if was[name] != is_now[name]}
    assert all(found[name] == (was[name], is_now[name]) for name in found)


def test_an_event_that_comes_or_goes_is_one_change():
    event = IntegrationEvent("x", "issue.created", "info", "t")
    assert changes({}, None) == changes({"event_type": None, "title": None}, None) == {}
    assert changes({"event_type": None}, event) == {"event": (None, "issue.created")}
    assert changes({}, event) == {"event": (None, "issue.created")}
    assert changes({"event_type": "push"}, None) == {"event": ("push", None)}
    assert changes({"severity": "info"}, replace(event, title="other")) == {}


def test_what_the_inbox_recorded_depends_on_whether_it_was_read():
    at = datetime(2026, 11, 23, tzinfo=UTC)
    told = told_of(IntegrationEvent("x", "push", "info", "t"))

    def recorded(status, told=None):
        body = Body(Delivery(1, "default", "x", None, status, at, told=told), b"{}", ())
        return next(inbox_payloads([body])).recorded

    assert recorded("received") is recorded("suspected_replay") is None
    assert recorded("ignored") == recorded("failed") == {}
    assert recorded("dispatched", told)["event_type"] == "push"
    assert recorded("dispatched", told._replace(event="{broken"))["severity"] == "info"


class Value:
    """Something that can be watched going away."""


class Any:
    id = name = "any"

    async def handle_webhook(self, payload, headers):
        await asyncio.sleep(0)
        return IntegrationEvent("any", "push", "info", "t")


def test_a_replay_of_any_number_holds_one():
    watched, most = weakref.WeakSet(), 0

    def payloads():
        nonlocal most
        for number in range(3000):
            value = Value()
            watched.add(value)
            most = max(most, len(watched))
            yield Payload(str(number), value)

    tally = Tally()
    for outcome in tally.passing(Replay({"any": Any()}).run(payloads())):
        assert outcome.status == "handled"
    assert (tally.total, tally.failure()) == (3000, None)
    assert most <= 3


def test_the_gravest_of_what_went_wrong_is_the_error():
    difference = Outcome("d", "handled", changed={"title": ("a", "b")})
    refused = Outcome("r", "ignored", answered=500, error="the target answered 500")
    fine = Outcome("f", "handled", answered=204)
    codes = [
        Tally.of(outcomes).failure()
        for outcomes in (
            [fine],
            [Outcome("i", "ignored", answered=200)],
            [Outcome("i", "ignored", changed={})],
            [Outcome("i", "ignored")],
            [fine, difference],
            [difference, Outcome("m", "missing")],
            [refused, Outcome("m", "missing")],
            [refused, Outcome("b", "bad_signature"), Outcome("x", "failed")],
        )
    ]
    assert [code and (code.exit_code, code.code) for code in codes] == [
        None,
        None,
        None,
        (6, "not_handled"),
        (1, "replay_differs"),
        (6, "not_found"),
        (1, "not_taken"),
        (5, "bad_signature"),
    ]


def test_a_thousand_payloads_take_less_than_a_second_of_work():
    raw = (Path(__file__).parents[2] / "payload.json").read_bytes()
    at = datetime(2026, 11, 23, tzinfo=UTC)
    told = told_of(asyncio.run(GitHub().handle_webhook(raw)))
    bodies = [Body(Delivery(n, "default", "github", None, "dispatched", at, told=told), raw, ()) for n in range(1000)]
    started = time.process_time()
    tally = Tally.of(Replay({"github": GitHub()}, diff=True).run(inbox_payloads(bodies)))
    assert time.process_time() - started < 1
    assert (tally.count["handled"], tally.changed) == (1000, 0)
