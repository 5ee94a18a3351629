"""What every store must do, and what only a file can suffer."""

import os
from datetime import timedelta
from decimal import Decimal

import pytest
from policy_world import EVERYTHING, NOON, World, budget, rate
from store_values import HOUR, NOW, key, request

from codespar_cli.core.services import Services
from codespar_cli.errors import StoreCorrupt
from codespar_cli.plugins.policy.approvals.approval import Vote
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.stores.counters import CounterKey, Hold
from codespar_cli.plugins.policy.stores.sqlite_store import SqliteStore


def hold(id="h", estimate=5, expires_at=NOW + HOUR, taken_at=NOW):
    return Hold(id, "enforce", "t", "a", "tool", taken_at, expires_at, estimate)


class TestEveryStore:
    def test_an_untouched_counter_is_zero(self, store):
        with store.write() as transaction:
            assert transaction.state(key(), NOW) == (0, 0)
            assert list(transaction.reliefs(key(), NOW)) == []
            assert transaction.latest() == 0

    def test_time_only_advances(self, store):
        with store.write() as transaction:
            transaction.record(NOW, "k", "a", {})
            transaction.record(NOW - 1, "k", "a", {})
            assert transaction.latest() == NOW
        with store.read() as snapshot:
            assert snapshot.latest() == NOW
        assert [record.at for record in store.records()] == [NOW, NOW]

    def test_a_transaction_that_fails_leaves_nothing(self, store):
        with pytest.raises(ZeroDivisionError), store.write() as transaction:
            transaction.count(key(), 5, NOW, NOW)
            transaction.take(hold(), {key(): NOW + HOUR})
            transaction.record(NOW, "k", "a", {})
            transaction.put_approval(request())
            raise ZeroDivisionError
        with store.read() as snapshot:
            assert snapshot.state(key(), NOW) == (0, 0)
            assert snapshot.hold("h") is None
            assert snapshot.latest() == 0
            assert snapshot.keys("enforce", "t") == []
            assert snapshot.approval("ap-00000001") is None
        assert list(store.records()) == []

    def test_counters_differ_in_every_part_of_their_key(self, store):
        others = [key(**{name: "other"}) for name in ("space", "tenant", "rule", "scope", "window", "period")]
        with store.write() as transaction:
            transaction.count(key(), 1, NOW, NOW)
            assert all(transaction.state(other, NOW) == (0, 0) for other in others)

    def test_rolling_entries_leave_one_by_one(self, store):
        rolling = key(f"rolling {HOUR} USD")
        with store.write() as transaction:
            transaction.count(rolling, 1, NOW, NOW)
            transaction.count(rolling, 2, NOW + 5, NOW + 5)
            transaction.count(rolling, 4, NOW + 5, NOW + 5)
            assert transaction.state(rolling, NOW + HOUR - 1).used == 7
            assert transaction.state(rolling, NOW + HOUR).used == 6
            assert transaction.state(rolling, NOW + HOUR + 5).used == 0
            reliefs = list(transaction.reliefs(rolling, NOW + 5))
            assert reliefs[0][0] == NOW + HOUR
            assert sum(amount for _, amount in reliefs) == 7
            transaction.count(rolling, 8, NOW + HOUR + 2, NOW + HOUR + 2)
            assert transaction.state(rolling, NOW + HOUR + 2).used == 14
            transaction.count(rolling, 16, NOW - HOUR, NOW + HOUR + 2)  # long gone when it is told
            assert transaction.state(rolling, NOW + HOUR + 2).used == 14

    def test_holds_lapse_each_at_its_own_time(self, store):
        with store.write() as transaction:
            transaction.take(hold("one"), {key(): NOW + 10, key(scope="b"): NOW + 20})
            transaction.take(hold("two", estimate=3), {key(): NOW + 30})
            assert transaction.state(key(), NOW + 9) == (0, 8)
            assert transaction.state(key(), NOW + 10) == (0, 3)
            assert transaction.state(key(scope="b"), NOW + 19) == (0, 5)
            assert list(transaction.reliefs(key(), NOW)) == [(NOW + 10, 5), (NOW + 30, 3)]
            transaction.take(hold("three", estimate=1, taken_at=NOW + 15), {key(): NOW + 40})
            assert transaction.state(key(), NOW + 15) == (0, 4)
            assert transaction.settle(hold("one"), 7, NOW + 15) == [key(), key(scope="b")]
            assert transaction.state(key(), NOW + 15) == (7, 4)
            transaction.free(hold("two", estimate=3))
            assert transaction.state(key(), NOW + 15) == (7, 1)
            found = transaction.hold("two")
            assert found is not None
            assert found.state == "released"
            assert transaction.settle(found, 2, NOW + 15) == [key()]
            assert transaction.state(key(), NOW + 15) == (9, 1)

    def test_a_hold_of_nothing_can_be_settled(self, store):
        with store.write() as transaction:
            transaction.take(hold(estimate=0), {key(): NOW + 10})
            assert transaction.settle(hold(estimate=0), 4, NOW) == [key()]
            assert transaction.state(key(), NOW) == (4, 0)

    def test_the_secret_stays_the_same(self, store):
        with store.write() as transaction:
            first = transaction.secret()
        with store.write() as transaction:
            assert transaction.secret() == first
        assert len(first) == 32

    def test_the_store_can_be_checked(self, store):
        with store.write() as transaction:
            transaction.record(NOW, "k", "a", {})
        assert store.check() is None  # and raises nothing

    def test_several_counters_are_told_in_the_order_they_were_asked_for(self, store):
        rolling = key(f"rolling {HOUR} USD")
        with store.write() as transaction:
            transaction.count(key(scope="two"), 2, NOW, NOW)
            transaction.count(rolling, 3, NOW - HOUR + 1, NOW)
            transaction.take(hold(estimate=4), {key(): NOW + 10})
            asked = [key(), key(scope="none"), rolling, key(scope="two")]
            assert transaction.states(asked, NOW) == [(0, 4), (0, 0), (3, 0), (2, 0)]
            assert transaction.states(asked, NOW + 10) == [(0, 0), (0, 0), (0, 0), (2, 0)]
            assert transaction.states([], NOW) == []

    def test_holds_that_lapse_between_two_questions_are_swept_once(self, store):
        with store.write() as transaction:
            transaction.take(hold("one"), {key(): NOW + 10})
            transaction.take(hold("two", taken_at=NOW + 5), {key(): NOW + 20})
            assert transaction.state(key(), NOW + 15) == (0, 5)
            transaction.take(hold("three", taken_at=NOW + 15), {key(): NOW + 40})
            transaction.take(hold("four", taken_at=NOW + 15), {key(): NOW + 40})
            assert transaction.state(key(), NOW + 15) == (0, 15)
        with store.read() as snapshot:
            assert snapshot.state(key(), NOW + 25) == (0, 10)

    def test_a_bucket_remembers_its_arrival(self, store):
        with store.write() as transaction:
            transaction.arrive(key("bucket"), NOW + 5)
            assert transaction.state(key("bucket"), NOW) == (NOW + 5, 0)

    def test_the_oldest_hold_is_of_those_that_have_not_lapsed(self, store):
        with store.write() as transaction:
            transaction.take(hold("lapsed", expires_at=NOW + 1), {key(): NOW + 1})
            transaction.take(hold("b", taken_at=NOW + 2), {key(): NOW + HOUR})
            transaction.take(hold("c", taken_at=NOW + 3), {key(): NOW + HOUR})
            assert transaction.oldest_hold("enforce", "t", "a", "tool", NOW + 5).id == "b"
            transaction.settle(hold("b", taken_at=NOW + 2), 1, NOW + 5)
            transaction.free(hold("c", taken_at=NOW + 3))
            assert transaction.oldest_hold("enforce", "t", "a", "tool", NOW + 5).id == "lapsed"
            assert transaction.oldest_hold("enforce", "t", "other", "tool", NOW + 5) is None

    def test_requests_for_approval_are_kept_in_order_and_replaced_by_token(self, store):
        first, second, other = request(), request(2), request(3, tenant="other")
        with store.write() as transaction:
            for each in (first, second, other):
                transaction.put_approval(each)
            voted = first._replace(votes=(Vote("lead", approves=True, at=NOW, reason="fine \u00e9"),))
            transaction.put_approval(voted)
        with store.read() as snapshot:
            assert snapshot.approval(first.token) == voted
            assert snapshot.approval_for("t", "digest") == second
            assert snapshot.approval_for("t", "other") is None
            assert snapshot.approvals("t") == [voted, second]
            assert snapshot.approvals("t", after=second.expires_at - 1) == [voted, second]
            assert snapshot.approvals("t", after=second.expires_at) == []
            assert snapshot.approvals("nobody") == []

    @pytest.mark.parametrize("odd", ["ap-\0", "\0", "\x1b", "ap-00000009", "\u202e", "rs-\ud800", "ap-\udfff"])
    def test_an_id_that_nobody_has_is_not_found_whatever_it_is(self, store, odd):
        with store.write() as transaction:
            transaction.record(NOW, "k", "a", {})
        with store.read() as snapshot:
            assert snapshot.hold(odd) is None
            assert snapshot.approval(odd) is None

    def test_a_policy_is_kept_once(self, store):
        with store.write() as transaction:
            transaction.keep_source("h", "text: \u00e9\n")
            transaction.keep_source("h", "another")
        assert store.source("h") == "text: \u00e9\n"
        assert store.source("unknown") is None

    def test_records_come_back_in_order_with_anything_in_them(self, store):
        body = {"odd": "\0\ud800\u202e'\"\\", "n": [1, None, True, {"deep": {}}]}
        with store.write() as transaction:
            transaction.record(NOW, "one", "a", body)
            transaction.record(NOW + 1, "two", "b", {})
        with store.write() as transaction:
            transaction.record(NOW + 2, "one", "c", {"n": 3})
        assert list(store.records()) == [
            (NOW, "one", "a", body),
            (NOW + 1, "two", "b", {}),
            (NOW + 2, "one", "c", {"n": 3}),
        ]
        assert [record.actor for record in store.records(["one"])] == ["a", "c"]

    def test_the_process_decides_by_its_clock(self, store):
        with store.write() as transaction:
            assert transaction.clock(NOW) == NOW


@pytest.mark.parametrize("kind", ["memory", "postgres"])
def test_looking_at_a_store_that_was_never_made_finds_nothing(new_store, kind):
    store = new_store(kind)
    with store.read() as snapshot:
        assert snapshot.latest() == 0
        assert snapshot.state(key(), NOW) == (0, 0)
    assert list(store.records()) == []
    assert store.source("h") is None
    store.check()


def files(world_dir):
    return engine(world_dir, budget("10"), rate("5 per 1h"), EVERYTHING)


def engine(base, *rules, now=NOON, **options):
    import json

    (base / "policy.yaml").write_text(json.dumps({"rules": list(rules)}))
    return PolicyEngine.from_options(options, Services(base / "state", config_dir=base, clock=lambda: now))


def test_a_preview_creates_nothing(tmp_path):
    subject = files(tmp_path)
    assert subject.preview("a", "t", 5).allowed
    assert subject.preview("a", "t", 50).never
    assert subject.release("rs-x") is False
    assert len(subject.budgets()) == 1
    assert subject.health().state == "ok"
    assert not (tmp_path / "state").exists()


def test_a_store_that_is_not_a_database_denies(tmp_path):
    subject = files(tmp_path)
    assert subject.evaluate("a", "t", 5).allowed
    subject._address.store.database.close()
    for suffix in ("-wal", "-shm"):
        (tmp_path / "state" / f"policy.db{suffix}").unlink()
    (tmp_path / "state" / "policy.db").write_bytes(b"not a database, at all" * 400)
    for fresh in (subject, files(tmp_path)):
        for decision in (fresh.evaluate("a", "t", 5), fresh.preview("a", "t", 5)):
            assert (decision.allowed, decision.code) == (False, "policy_error")
            assert "policy.db" in decision.reason
        assert fresh.health().state == "error"
        with pytest.raises(StoreCorrupt):
            fresh.record_usage("a", "t", 1)
    assert (tmp_path / "state" / "policy.db").read_bytes().startswith(b"not a database")


def test_a_store_that_is_gone_denies(tmp_path):
    assert files(tmp_path).evaluate("a", "t", 5).allowed
    for file in (tmp_path / "state").glob("policy.db*"):
        if not file.name.endswith(".lock"):
            file.unlink()
    subject = files(tmp_path)
    assert subject.evaluate("a", "t", 5).code == "policy_error"
    assert subject.preview("a", "t", 5).code == "policy_error"


def test_a_store_that_others_can_write_denies(tmp_path):
    assert files(tmp_path).evaluate("a", "t", 5).allowed
    (tmp_path / "state" / "policy.db").chmod(0o666)
    assert files(tmp_path).evaluate("a", "t", 5).code == "policy_error"


def test_a_locked_store_denies_after_a_bounded_wait(tmp_path):
    import threading

    subject = files(tmp_path)
    other = SqliteStore(tmp_path / "state", "normal")
    release = threading.Event()
    held = threading.Event()

    def hog():
        with other.write():
            held.set()
            release.wait(20)

    thread = threading.Thread(target=hog)
    thread.start()
    held.wait(10)
    try:
        decision = subject.evaluate("a", "t", 5)
    finally:
        release.set()
        thread.join()
    assert decision.code == "policy_error"
    assert "held the store" in decision.reason
    assert subject.evaluate("a", "t", 5).allowed


def test_a_full_disk_denies_and_loses_nothing(tmp_path):
    subject = engine(tmp_path, budget("10"), EVERYTHING)
    assert subject.evaluate("a", "t", 4).allowed
    database = subject._address.store.database
    with database.write() as connection:
        connection.execute("PRAGMA max_page_count=1")  # SQLite then says what it says on a full disk
    decisions = [subject.evaluate(f"agent-{number}", "t", "0.01") for number in range(100)]
    denied = [decision for decision in decisions if not decision.allowed]
    assert denied
    assert {decision.code for decision in denied} == {"policy_error"}
    assert "full" in denied[0].reason
    held = 4 + sum(decision.allowed for decision in decisions) * Decimal("0.01")
    (state,) = engine(tmp_path, budget("10"), EVERYTHING).budgets()
    assert state.held == held


@pytest.mark.skipif(not os.path.exists("/proc/self/ns/mnt"), reason="needs Linux")
def test_a_store_that_can_only_be_read_is_previewed(tmp_path, monkeypatch):
    subject = files(tmp_path)
    assert subject.evaluate("a", "t", 8).allowed
    subject._address.store.database.truncate_log()
    subject._address.store.database.close()
    before = sorted((file.name, file.stat().st_mtime_ns) for file in (tmp_path / "state").iterdir())

    # What a read-only mount does to whoever wants to open for writing.
    from codespar_cli.errors import StoreError
    from codespar_cli.storage import sqlite

    def refuse(*_):
        raise StoreError("cannot be opened: read-only file system")

    monkeypatch.setattr(sqlite, "Turnstile", refuse)
    fresh = files(tmp_path)
    assert fresh.preview("a", "t", 2).allowed
    assert fresh.preview("a", "t", 3).code == "budget_exceeded"
    assert fresh.budgets()[0].held == 8
    assert fresh.evaluate("a", "t", 1).code == "policy_error"
    assert sorted((file.name, file.stat().st_mtime_ns) for file in (tmp_path / "state").iterdir()) == before


def test_counters_outlive_the_process_that_made_them(tmp_path):
    files(tmp_path).evaluate("a", "t", 8)
    later = engine(tmp_path, budget("10"), EVERYTHING, now=NOON + timedelta(minutes=1))
    assert later.preview("a", "t", 3).retry_after == 540.0


def test_a_hundred_thousand_holds_cost_no_more_to_read_than_one(tmp_path):
    import time

    store = SqliteStore(tmp_path / "state", "normal")
    world = World(budget("1000000"), EVERYTHING, store=store)
    assert world.ask(cost=1).allowed

    def taken():
        found = []
        for _ in range(20):
            started = time.perf_counter()
            world.look(cost=1)
            found.append(time.perf_counter() - started)
        return min(found)

    one = taken()
    with store.write() as transaction:
        counter = CounterKey("enforce", "default", "money", "tenant=default", "total USD", "")
        for number in range(20_000):
            transaction.take(hold(f"h{number}", 1), {counter: NOW + HOUR})
    assert taken() < one * 3
