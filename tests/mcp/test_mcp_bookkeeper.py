"""Books are kept when nothing passes; what has waited too long is done, with all that waits behind it."""

from queue import SimpleQueue
from threading import Event

import pytest

from codespar_cli.mcp import bookkeeper
from codespar_cli.mcp.bookkeeper import LONGEST_RUN_S, LONGEST_WAIT_S, QUIET_S, Bookkeeper

PATIENCE_S = 10


@pytest.fixture
def now(monkeypatch):
    """The clock, which stands still until a test moves it."""
    time = [100.0]
    monkeypatch.setattr(bookkeeper, "monotonic", lambda: time[0])
    return time


@pytest.fixture
def books():
    books = Bookkeeper()
    yield books
    assert books.close(PATIENCE_S)


def test_tasks_are_done_in_their_order_once_it_is_quiet(books, now):
    done, last = [], Event()
    for number in range(5):
        books.add(lambda number=number: done.append(number))
    books.add(last.set)
    assert done == []
    now[0] += QUIET_S
    assert last.wait(PATIENCE_S)
    assert done == [0, 1, 2, 3, 4]


def test_what_is_late_is_done_with_all_that_waits_behind_it(books, now):
    done, last = [], Event()
    books.add(lambda: done.append("old"))
    now[0] += LONGEST_WAIT_S - QUIET_S / 2
    for number in range(20):
        books.add(lambda number=number: done.append(number))
    books.add(last.set)
    now[0] += QUIET_S / 2  # the first is late now, and calls still follow each other
    assert last.wait(PATIENCE_S)
    assert done == ["old", *range(20)]


def test_every_run_is_rounded_off_before_the_next_is_waited_for(books, now):
    done, seen = [], SimpleQueue()
    books.round_off_with(lambda: seen.put(list(done)))
    books.add(lambda: done.append("old"))
    now[0] += LONGEST_WAIT_S - QUIET_S / 2
    books.add(lambda: done.append("second"))
    now[0] += QUIET_S / 2  # the first is late, and calls still follow each other
    assert ["old", "second"] in iter(lambda: seen.get(timeout=PATIENCE_S), None)
    books.add(lambda: done.append("third"))
    now[0] += QUIET_S
    assert ["old", "second", "third"] in iter(lambda: seen.get(timeout=PATIENCE_S), None)


def test_a_long_run_is_rounded_off_on_the_way(books, now):
    seen, done = SimpleQueue(), []
    books.round_off_with(lambda: seen.put(list(done)))

    def slow(number):
        done.append(number)
        now[0] += 2 * LONGEST_RUN_S

    for number in range(4):
        books.add(lambda number=number: slow(number))
    now[0] += QUIET_S
    assert [0, 1] in iter(lambda: seen.get(timeout=PATIENCE_S), None)
    assert [0, 1, 2] in iter(lambda: seen.get(timeout=PATIENCE_S), None)


def test_what_a_task_raises_is_counted_and_stops_nothing(books, now):
    last = Event()
    books.add(lambda: 1 / 0)
    books.add(lambda: [].pop())
    books.add(last.set)
    now[0] += QUIET_S
    assert last.wait(PATIENCE_S)
    assert books.failures == {"ZeroDivisionError": 1, "IndexError": 1}


def test_closing_does_what_waits():
    books, done = Bookkeeper(), []
    for number in range(100):
        books.add(lambda number=number: done.append(number))
    assert books.close(PATIENCE_S)
    assert done == list(range(100))


def test_who_brings_one_too_many_does_it(now):
    books, done = Bookkeeper(most_waiting=2), []
    for number in range(3):
        books.add(lambda number=number: done.append(number))
    assert done == [2]
    assert books.close(PATIENCE_S)
    assert done == [2, 0, 1]
