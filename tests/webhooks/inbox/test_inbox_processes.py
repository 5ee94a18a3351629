"""Several processes on one inbox, some of them ended in the middle by kill -9."""

import os
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from inbox_worker import COUNT, ROUTES, deliveries
from inbox_world import LEASE, NOON, arrival, filled

from codespar_cli.errors import StoreError
from codespar_cli.webhooks.inbox.delivery import Filter

HERE = Path(__file__).parent


def place_of(inbox, kind):
    return str(inbox.database.path.parent) if kind == "sqlite" else inbox._url


def run(deed, kind, place, name, end_after=None):
    """What a process says, line by line; it is killed once it has said so much, wherever it is by then."""
    doomed = end_after is not None
    lines = []
    with subprocess.Popen(
        [sys.executable, str(HERE / "inbox_worker.py"), deed, kind, place, name],
        stdin=subprocess.PIPE if doomed else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])},
    ) as process:
        for line in process.stdout:
            lines.append(line.split())
            if doomed and (len(lines) == end_after or lines[-1] == ["end"]):
                process.kill()
    assert process.returncode == (-9 if doomed else 0)
    return [line for line in lines if len(line) == 3 and line[0] != "end"]


def all_at_once(deed, kind, place, ends):
    with ThreadPoolExecutor(len(ends)) as pool:
        jobs = [pool.submit(run, deed, kind, place, f"p{n}:", end) for n, end in enumerate(ends)]
        return [job.result() for job in jobs]


def test_eight_processes_store_the_same_deliveries_once(new_inbox, kind):
    inbox = new_inbox(kind)
    said = all_at_once("accept", kind, place_of(inbox, kind), [None, None, 3, 12, 40, 77, 120, 160])

    expected = list(deliveries())
    names = Counter((each.delivery_id, each.raw) for each in expected)
    stored = list(inbox.bodies(Filter()))
    by_id = {body.delivery.id: body for body in stored}
    assert Counter((body.delivery.delivery_id, body.raw) for body in stored) == names
    assert set(names.values()) == {1}

    answers = defaultdict(set)
    new = Counter()
    for number, verdict, key in (line for lines in said for line in lines):
        answers[int(number)].add(int(key))
        new[int(number)] += verdict != "duplicate"
    assert set(answers) == set(range(COUNT))  # two of them came to their end
    assert all(len(ids) == 1 for ids in answers.values())
    assert max(new.values()) == 1
    for number, ids in answers.items():
        assert by_id[min(ids)].raw == expected[number].raw

    # Of those with the same body one came first, and only that one is to be read.
    first = [body for body in stored if body.raw == b"body 1"]
    statuses = Counter(body.delivery.status for body in first)
    assert (statuses["received"], statuses["suspected_replay"]) == (1, len(first) - 1)
    assert sum(len(batch) for batch in [inbox.unread(1000)]) == len(stored) - statuses["suspected_replay"]


def test_no_task_is_held_by_two(new_inbox, kind):
    inbox = new_inbox(kind)
    ids = filled(inbox, 60, ROUTES)
    assert len(inbox.claim("p7:gone", ROUTES, 2, now=NOON, lease=timedelta(hours=1))) == 2
    said = all_at_once("claim", kind, place_of(inbox, kind), [None, None, None, None, None, None, 4, 5])

    held = Counter((key, route) for lines in said for deed, key, route in lines if deed == "held")
    done = Counter((int(key), route) for lines in said for deed, key, route in lines if deed == "done")
    assert max(held.values()) == max(done.values()) == 1
    everything = {(key, route) for key in ids for route in ROUTES}
    left = {(key, route) for key in ids for route, state, *_ in inbox.tasks_of(key) if state == "waiting"}
    assert len(left) >= 2
    assert set(done) <= everything - left

    assert inbox.claim("late", ROUTES, 999, now=NOON, lease=LEASE) == []
    inbox.release("p6:")
    inbox.release("p7:")
    again = inbox.claim("late", ROUTES, 999, now=NOON, lease=LEASE)
    assert {(task.delivery, task.route) for task in again} == left
    for task in again:
        inbox.done(task)
    assert {each.status for each in inbox.deliveries(Filter())} == {"dispatched"}


def test_the_last_of_two_at_once_makes_it_dispatched(new_inbox, kind):
    inboxes = [new_inbox(kind), new_inbox(kind, same=True)]
    ids = filled(inboxes[0], 60, ROUTES)
    both_ready = threading.Barrier(2)

    def finish(inbox, route):
        tasks = inbox.claim(route, [route], 99, now=NOON, lease=LEASE)
        for task in tasks:
            both_ready.wait()
            inbox.done(task)
        return [task.delivery for task in tasks]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(finish, inboxes, ROUTES)) == [ids, ids]
    assert {each.status for each in inboxes[0].deliveries(Filter())} == {"dispatched"}


def test_leases_end(inbox):
    filled(inbox, 3)
    assert len(inbox.claim("a", ["r"], 2, now=NOON, lease=LEASE)) == 2
    assert len(inbox.claim("b", ["r"], 9, now=NOON + LEASE - timedelta(microseconds=1), lease=LEASE)) == 1
    assert inbox.next_due(["r"]) == NOON + LEASE
    assert len(inbox.claim("b", ["r"], 9, now=NOON + LEASE, lease=LEASE)) == 2


def test_who_is_too_late_does_not_take_a_task_from_another(inbox):
    (key,) = filled(inbox)
    (mine,) = inbox.claim("slow", ["r"], 1, now=NOON, lease=LEASE)
    (theirs,) = inbox.claim("quick", ["r"], 1, now=NOON + LEASE, lease=LEASE)
    inbox.failed(mine, "timed out", again_at=None)
    assert inbox.tasks_of(key) == [("r", "waiting", 0, None)]
    assert inbox.claim("third", ["r"], 1, now=NOON + LEASE, lease=LEASE) == []
    inbox.done(mine)  # but what is done is done
    inbox.failed(theirs, "refused", again_at=None)
    assert inbox.tasks_of(key) == [("r", "done", 1, None)]


@pytest.mark.parametrize("bad", ["\ud800", "a\x00b"])
def test_what_cannot_be_stored_keeps_its_call_out(inbox, bad):
    with pytest.raises(StoreError) as found:
        inbox.accept([arrival(), arrival(bad, b"other")])
    assert found.value.code == "unstorable"
    assert inbox.deliveries(Filter()) == []


def test_numbers_are_never_given_twice(inbox):
    (first,) = inbox.accept([arrival("a", b"a")])
    inbox.read(first.id, None, (), at=NOON)
    assert inbox.purge(NOON + LEASE) == 1
    (second,) = inbox.accept([arrival("a", b"a")])
    assert second.verdict == "new"
    assert second.id > first.id


def test_looking_makes_no_store(inbox, kind):
    assert not inbox.exists
    assert (inbox.deliveries(Filter()), list(inbox.bodies(Filter())), inbox.unread(5)) == ([], [], [])
    assert (inbox.next_due(["r"]), inbox.tasks_of(1), inbox.purge(NOON)) == (None, [], 0)
    assert not inbox.exists
    inbox.accept([arrival()])
    assert inbox.exists
