"""What `webhook list`, `show` and `doctor` say of a delivery beyond its event: whether it was verified, when it came, and
what waits for a route that is gone."""

import json
from datetime import timedelta

import pytest
from webhook_inbox_kit import GITHUB, NOON, answered, codespar, configure, github_headers, told

from codespar_cli.webhooks.inbox.delivery import Arrival
from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox

DATADOG = b'{"id": "1", "title": "[Triggered] cpu", "event_type": "metric_alert_monitor", "body": "b"}'


@pytest.fixture
def state(newcomer, monkeypatch):
    return configure(newcomer, monkeypatch)


def put(state, *arrivals, routes=()):
    store = SqliteInbox(state)
    try:
        numbers = [each.id for each in store.accept(arrivals)]
        for number in numbers:
            store.read(number, told(), routes, at=NOON)
        return numbers
    finally:
        store.close()


def arrival(name, *, provider="github", raw=b"{}", headers=(), at=NOON, verified=True):
    return Arrival("default", provider, name, raw, tuple(headers), at, verified)


def test_what_nobody_verified_is_marked_beside_what_was(state, capsysbinary):
    genuine, forged = put(state, arrival("same"), arrival("same", verified=False))
    _, rows, _ = answered(capsysbinary, "webhook", "list")
    assert [(row["id"], row["verified"]) for row in rows] == [(genuine, True), (forged, False)]
    lines = codespar(capsysbinary, "webhook", "list")[1].decode().splitlines()
    place = lines[0].index("VERIFIED")
    assert [line[place:].split()[0] for line in lines[1:]] == ["yes", "no"]
    for number, word in ((genuine, "yes"), (forged, "no")):
        assert answered(capsysbinary, "webhook", "show", number)[1]["verified"] is (word == "yes")
        shown = codespar(capsysbinary, "webhook", "show", number)[1].decode().splitlines()
        assert f"{'verified':<12} {word}" in shown


@pytest.mark.parametrize("micros", [0, 1, 999_999])
def test_a_list_never_says_later_than_it_was(state, capsysbinary, micros):
    put(state, arrival("a", at=NOON + timedelta(microseconds=micros)))
    assert b" 2026-11-23T12:00:00Z " in codespar(capsysbinary, "webhook", "list")[1]


def test_a_task_whose_route_is_gone_says_what_it_waits_for(state, capsysbinary):
    [number] = put(state, arrival("a"), routes=("all-errors", "renamed"))
    _, shown, _ = answered(capsysbinary, "webhook", "show", number)
    assert [(task["route"], task["configured"]) for task in shown["tasks"]] == [
        ("all-errors", True),
        ("renamed", False),
    ]
    lines = codespar(capsysbinary, "webhook", "show", number)[1].decode().splitlines()
    words = "waiting, 0 attempts"
    assert f"{'route':<12} all-errors: {words}" in lines
    assert f"{'route':<12} renamed: {words}, waits for a route of this name, which plugins.toml does not have" in lines


def test_one_that_is_done_waits_for_nothing(state, capsysbinary):
    [number] = put(state, arrival("a"), routes=("renamed",))
    store = SqliteInbox(state)
    [task] = store.claim("me", ("renamed",), 1, now=NOON, lease=timedelta(seconds=9))
    store.done(task)
    store.close()
    assert f"{'route':<12} renamed: done, 1 attempt" in codespar(capsysbinary, "webhook", "show", number)[1].decode()
    assert b"waits for" not in codespar(capsysbinary, "webhook", "show", number)[1]


def test_a_token_that_is_not_kept_is_judged_by_the_receipt(state, capsysbinary):
    """The inbox never holds Datadog's token: it is the secret itself."""
    good, bad = put(
        state,
        arrival("a", provider="datadog", raw=DATADOG),
        arrival("b", provider="datadog", raw=DATADOG, verified=False),
    )
    code, [found], _ = answered(capsysbinary, "webhook", "doctor", "--id", good)
    assert (code, found["genuine"], [each["cause"] for each in found["findings"]]) == (0, True, ["token_not_kept"])
    code, [found], err = answered(capsysbinary, "webhook", "doctor", "--id", bad)
    assert (code, found["genuine"], [each["cause"] for each in found["findings"]]) == (5, False, ["not_verified"])
    assert json.loads(err)["error"]["code"] == "bad_signature"
    wrong = ("--header", "X-Codespar-Token: another")
    code, [found], _ = answered(capsysbinary, "webhook", "doctor", "--id", good, *wrong)
    assert (code, [each["cause"] for each in found["findings"]]) == (5, ["unknown_secret"])


def test_a_signature_that_holds_is_genuine_whatever_the_mark(state, capsysbinary):
    numbers = put(
        state,
        arrival("d-1", raw=GITHUB, headers=github_headers(1), verified=False),
        arrival("d-2", raw=GITHUB + b" ", headers=github_headers(2)),
    )
    found = [answered(capsysbinary, "webhook", "doctor", "--id", number)[1][0]["genuine"] for number in numbers]
    assert found == [True, False]
