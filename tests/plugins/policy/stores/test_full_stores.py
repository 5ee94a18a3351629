"""Counters that are full, requests that wait, and ids that cannot exist, on every store."""

import pytest
from policy_world import EVERYTHING, World, budget
from store_values import HOUR, NOW, key, request

from codespar_cli.errors import NotFoundError
from codespar_cli.plugins.policy.approvals.approval import Vote
from codespar_cli.plugins.policy.stores.counters import FULL
from codespar_cli.plugins.policy.stores.sqlite_store import SqliteStore


def test_a_full_counter_stays_full_and_forgets_nothing_that_comes_later(store):
    rolling, total, most = key(f"rolling {HOUR} USD"), key(), 10**18
    with store.write() as transaction:
        for number in range(12):
            transaction.count(rolling, most, NOW + number, NOW + number)
            transaction.count(total, most, NOW + number, NOW + number)
            assert transaction.state(rolling, NOW + number).used == min((number + 1) * most, FULL)
        assert transaction.state(total, NOW).used == FULL
    with store.write() as transaction:
        assert sum(amount for _, amount in transaction.reliefs(rolling, NOW + 11)) == FULL
        # What is left when the first have gone is what was spent since then, to the millionth.
        for gone in range(12):
            left = min((11 - gone) * most, FULL)
            assert transaction.state(rolling, NOW + HOUR + gone) == (left, 0)
        transaction.count(rolling, 5, NOW + HOUR + 9, NOW + HOUR + 9)
        assert transaction.state(rolling, NOW + HOUR + 9).used == 2 * most + 5
        assert transaction.state(rolling, NOW + HOUR + 11).used == 5


def test_what_is_told_late_of_a_full_counter_is_the_first_to_give_way(store):
    rolling, most = key(f"rolling {HOUR} USD"), 10**18
    with store.write() as transaction:
        for number in range(5):
            transaction.count(rolling, most, NOW + number, NOW + number)
        transaction.count(rolling, most, NOW - 1, NOW + 5)
        transaction.count(rolling, most, NOW + 2, NOW + 5)
        assert transaction.state(rolling, NOW + 5).used == FULL
        assert transaction.state(rolling, NOW + HOUR + 1).used == 4 * most
        assert transaction.state(rolling, NOW + HOUR + 4).used == 0


def test_a_trillion_spent_at_once_leaves_the_window_and_no_more(store):
    world = World(budget("100", "rolling 1h"), EVERYTHING, store=store)
    for _ in range(11):
        world.engine.record_usage("a", "t", "1000000000000")
    assert world.ask(cost=1).code == "budget_exceeded"
    world.wait(hours=1)
    assert world.engine.budgets()[0].left == 100
    assert [world.ask(cost=10).allowed for _ in range(12)] == [True] * 10 + [False] * 2


def test_requests_that_wait_are_counted_by_agent_and_policy(store):
    first, second = request(), request(2)
    others = (
        request(3, tenant="other"),
        request(4)._replace(agent="another"),
        request(5)._replace(policy="another"),
        request(6)._replace(expires_at=NOW + 5),
    )
    vote = Vote("lead", approves=True, at=NOW)
    with store.write() as transaction:
        assert transaction.waiting("t", "a", "p", NOW) == 0
        for each in (first, second, *others):
            transaction.put_approval(each)
        assert transaction.waiting("t", "a", "p", NOW) == 3
    with pytest.raises(ZeroDivisionError), store.write() as transaction:
        transaction.put_approval(first._replace(votes=(vote,)))
        assert transaction.waiting("t", "a", "p", NOW) == 2
        raise ZeroDivisionError
    with store.write() as transaction:
        assert transaction.waiting("t", "a", "p", NOW) == 3
        assert transaction.waiting("t", "a", "p", NOW + 5) == 2
        assert transaction.waiting("t", "a", "p", first.expires_at) == 0
        assert transaction.waiting("t", "another", "p", NOW) == 1
        transaction.put_approval(first._replace(votes=(vote,)))
        transaction.put_approval(second._replace(votes=(vote._replace(approves=False),)))
    with store.read() as snapshot:
        assert snapshot.waiting("t", "a", "p", NOW) == 1


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgres"])
def test_an_id_that_cannot_exist_is_nobody_s(new_store, kind):
    world = World(budget("10"), EVERYTHING, store=new_store(kind))
    assert world.ask(cost=1).allowed
    assert world.engine.release("rs-\ud800") is False
    with pytest.raises(NotFoundError):
        world.engine.record_usage("a", "t", 1, reservation_id="rs-\ud800")
    with pytest.raises(NotFoundError):
        world.engine.vote("ap-\ud800", "lead", approves=True)


def test_a_new_request_reads_none_of_those_that_wait(tmp_path, monkeypatch):
    from codespar_cli.plugins.policy.stores import sqlite_store

    world = World({"id": "ask", "effect": "approve"}, EVERYTHING, store=SqliteStore(tmp_path / "state", "normal"))
    with world.store.write() as transaction:
        for number in range(300):
            transaction.put_approval(request(number)._replace(tenant="default", digest=f"d{number}", agent="b"))
    decoded = []
    monkeypatch.setattr(sqlite_store, "approval_from", decoded.append)
    assert world.ask(cost=1).code == "approval_required"
    assert decoded == []
