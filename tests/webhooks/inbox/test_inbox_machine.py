"""The stores against a small model: whatever is done in whatever order, both say the same."""

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from inbox_model import InboxModel
from inbox_world import NOON, arrival, told

from codespar_cli.webhooks.inbox.delivery import STATUSES, Filter, Reading, Task

ROUTES = ("a", "b", "c")
OWNERS = ("host-1:x", "host-1:y", "host-2:x")
TENANTS = st.sampled_from(["default", "other"])
PROVIDERS = st.sampled_from(["github", "sentry"])
ARRIVALS = st.tuples(
    st.sampled_from([None, None, "i1", "i2", "i3", "ü'\"\\%_"]),
    st.sampled_from([b"", b"1", b"2", b"\x00\xff" * 9, b"x" * 9000]),
    TENANTS,
    PROVIDERS,
    st.sampled_from([(), (("x-github-event", "push"), ("content-type", "ä\x00\ud800"))]),
    st.sampled_from([True, True, False]),
)
EVENTS = st.sampled_from(["push", "issue.create", "issue.close", "a/b", "%", "ä"])
SOME_ROUTES = st.just(ROUTES) | st.lists(st.sampled_from(ROUTES), max_size=3).map(tuple)
IDS = st.integers(1, 8) | st.integers(-1, 20)
SECONDS = (st.sampled_from([0, 5, 10]) | st.integers(0, 60)).map(lambda seconds: timedelta(seconds=seconds))


class Machine(RuleBasedStateMachine):
    make = None

    @initialize()
    def begin(self):
        self.store, self.model = type(self).make(), InboxModel()
        self.now = NOON
        self.names = {}  # our number of a delivery -> the store's, which need not be without gaps
        self.held = []
        self.accept([(f"s{n}", b"%d" % n, "default", "github", (), True) for n in range(5, 9)])
        self.read([(key, "push", ROUTES, None) for key in (1, 2, 3)])
        self.claim(OWNERS[0], ROUTES, 5, timedelta(seconds=10))

    def theirs(self, number):
        return self.names.get(number, -number - 1)

    def ours(self, key):
        return next((ours for ours, theirs in self.names.items() if theirs == key), None)

    @rule(seconds=SECONDS)
    def wait(self, seconds):
        self.now += seconds

    @rule(batch=st.lists(ARRIVALS, max_size=6))
    def accept(self, batch):
        came = [
            arrival(own, raw, tenant=tenant, provider=provider, at=self.now, headers=headers, verified=good)
            for own, raw, tenant, provider, headers, good in batch
        ]
        expected, found = self.model.accept(came), self.store.accept(came)
        for mine, theirs in zip(expected, found, strict=True):
            assert mine.verdict == theirs.verdict
            assert self.names.setdefault(mine.id, theirs.id) == theirs.id
        assert list(self.names.values()) == sorted(set(self.names.values()))

    @rule(
        readings=st.lists(
            st.tuples(IDS, st.none() | EVENTS, SOME_ROUTES, st.sampled_from([None, None, "broke\x00\ud800"])),
            max_size=3,
        )
    )
    def read(self, readings):
        all_told = [(key, event and told(event), routes, error) for key, event, routes, error in readings]
        expected = self.model.read_all([Reading(*each) for each in all_told], at=self.now)
        mapped = [Reading(self.theirs(key), *rest) for key, *rest in all_told]
        assert self.store.read_all(mapped, at=self.now) == expected

    @rule(key=IDS, routes=SOME_ROUTES, event=st.none() | EVENTS)
    def again(self, key, routes, event):
        known = event and told(event)
        expected = self.model.again(key, routes, at=self.now, told=known)
        assert self.store.again(self.theirs(key), routes, at=self.now, told=known) == expected

    @rule(owner=st.sampled_from(OWNERS), routes=SOME_ROUTES, limit=st.integers(1, 4), lease=SECONDS)
    def claim(self, owner, routes, limit, lease):
        expected = self.model.claim(owner, routes, limit, now=self.now, lease=lease)
        found = self.store.claim(owner, routes, limit, now=self.now, lease=lease)
        assert [task._replace(delivery=self.ours(task.delivery)) for task in found] == expected
        self.held += expected

    def some_task(self):
        """Any that was claimed at any time, the last ones rather."""
        return st.sampled_from(self.held[-5:]) | st.sampled_from(self.held)

    def mapped(self, task):
        return task._replace(delivery=self.theirs(task.delivery))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), lease=SECONDS)
    def renew(self, data, lease):
        tasks = data.draw(st.lists(self.some_task(), min_size=1, max_size=3))
        owner = data.draw(st.just(tasks[0].owner) | st.sampled_from(OWNERS))
        self.model.renew(owner, tasks, now=self.now, lease=lease)
        self.store.renew(owner, [self.mapped(task) for task in tasks], now=self.now, lease=lease)

    @rule(prefix=st.sampled_from(["host-1:", "host-2:", "host-1:x", "nobody", "", "%"]))
    def release(self, prefix):
        self.model.release(prefix)
        self.store.release(prefix)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def done(self, data):
        task = data.draw(self.some_task())
        self.model.done(task)
        self.store.done(self.mapped(task))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), wait=st.none() | SECONDS)
    def failed(self, data, wait):
        task = data.draw(self.some_task())
        again_at = None if wait is None else self.now + wait
        self.model.failed(task, "down\x00", again_at=again_at)
        self.store.failed(self.mapped(task), "down\x00", again_at=again_at)

    @rule(ago=SECONDS)
    def purge(self, ago):
        expected = self.model.purge(self.now - ago)
        assert self.store.purge(self.now - ago) == expected
        self.names = {ours: theirs for ours, theirs in self.names.items() if ours in self.model.rows}

    @rule(
        tenant=st.none() | TENANTS,
        provider=st.none() | PROVIDERS,
        event=st.none() | st.sampled_from(["*", "issue.*", "push", "**", "a/*", "%", "_", "?ush", "no\x00thing\ud800"]),
        status=st.none() | st.sampled_from(STATUSES),
        since=st.none() | SECONDS,
        until=st.none() | SECONDS,
        last=st.none() | st.integers(0, 4),
        ids=st.lists(IDS, max_size=3),
    )
    def look(self, tenant, provider, event, status, since, until, last, ids):
        ours = Filter(
            tuple(ids),
            tenant,
            provider,
            event,
            status,
            None if since is None else self.now - since,
            None if until is None else self.now - until,
            last,
        )
        theirs = ours._replace(ids=tuple(self.theirs(key) for key in ids))
        found = self.store.deliveries(theirs)
        assert [each._replace(id=self.ours(each.id)) for each in found] == self.model.deliveries(ours)
        bodies = list(self.store.bodies(theirs))
        assert [body.delivery for body in bodies] == found
        for body in bodies:
            came = self.model.rows[self.ours(body.delivery.id)].arrival
            assert (body.raw, body.headers) == (came.raw, came.headers)

    @rule(limit=st.integers(1, 5))
    def unread(self, limit):
        found = self.store.unread(limit)
        assert [self.ours(body.delivery.id) for body in found] == self.model.unread(limit)

    @invariant()
    def same(self):
        if not hasattr(self, "store"):
            return
        everything = self.store.deliveries(Filter())
        assert [each._replace(id=self.ours(each.id)) for each in everything] == self.model.deliveries(Filter())
        assert self.store.next_due(ROUTES) == self.model.next_due(ROUTES)
        assert self.store.next_due(("a",)) == self.model.next_due(("a",))
        for number, key in self.names.items():
            assert self.store.tasks_of(key) == self.model.tasks_of(number)

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()


def test_the_stores_do_what_the_model_does(new_inbox, kind):
    class OfThisKind(Machine):
        make = staticmethod(lambda: new_inbox(kind))

    count = settings().max_examples // (1 if kind == "sqlite" else 4)
    run_state_machine_as_test(OfThisKind, settings=settings(max_examples=count, stateful_step_count=40))


def test_a_task_of_nobody_changes_nothing(inbox):
    task = Task(1, "a", 0, NOON, "host")
    inbox.done(task)
    inbox.failed(task, "x", again_at=None)
    inbox.renew("host", [task], now=NOON, lease=timedelta(1))
    inbox.release("")
    assert inbox.claim("host", ["a"], 5, now=NOON, lease=timedelta(1)) == []
    assert inbox.deliveries(Filter()) == []


@pytest.mark.parametrize("key", [0, -1, 1 << 62, 1 << 63, 1 << 200])
def test_a_number_that_no_delivery_has_is_nothing(inbox, key):
    inbox.accept([arrival()])
    assert inbox.deliveries(Filter(ids=(key,))) == []
    assert inbox.tasks_of(key) == []
    assert not inbox.read(key, None, (), at=NOON)
    assert not inbox.again(key, ("a",), at=NOON, told=told())
