"""A fork never copies an open file: the child waits for nobody's lock, and takes every lock it needs."""

import os
import threading
import time
from pathlib import Path

import pytest

from codespar_cli.errors import StoreError
from codespar_cli.storage import forks
from codespar_cli.storage.sqlite import Database, Schema

# Python 3.12 and later warn of any fork in a process with threads; that it does no harm here is what is tested.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
ONE = Schema(0x43530001, ("CREATE TABLE t (x INTEGER) STRICT",))


@pytest.fixture
def database(tmp_path) -> Database:
    database = Database(tmp_path / "state" / "store.db", ONE)
    database.query("SELECT 1")
    return database


def in_child(work):
    """Fork; how the child came out: 0 it did, 1 a StoreError, 2 anything else."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except StoreError:
            os._exit(1)
        finally:
            os._exit(2)
    return child


def outcome(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def add(database, number):
    with database.write() as connection:
        connection.execute("INSERT INTO t VALUES (?)", (number,))


def test_a_forked_child_opens_its_own_connection(database):
    assert outcome(in_child(lambda: add(database, 5))) == 0
    add(database, 6)
    assert database.query("SELECT x FROM t ORDER BY x") == [(5,), (6,)]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux")
def test_a_child_has_no_file_of_its_parent(database):
    def look():
        links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        assert not [link for link in links if os.path.exists(link) and str(database.path) in os.readlink(link)]

    assert outcome(in_child(look)) == 0


def test_a_fork_waits_for_another_threads_transaction_and_the_child_can_write(database):
    inside = threading.Event()

    def write():
        with database.write() as connection:
            inside.set()
            time.sleep(0.3)
            connection.execute("INSERT INTO t VALUES (1)")

    thread = threading.Thread(target=write)
    thread.start()
    inside.wait(30)
    child = in_child(lambda: add(database, 2))
    thread.join()
    assert outcome(child) == 0
    add(database, 3)
    assert database.query("SELECT x FROM t ORDER BY x") == [(1,), (2,), (3,)]


def test_a_fork_waits_a_bounded_time_and_the_child_is_then_told(database, monkeypatch):
    monkeypatch.setattr(forks, "FORK_WAIT_S", 0.2)
    inside, leave = threading.Event(), threading.Event()

    def write():
        with database.write() as connection:
            connection.execute("INSERT INTO t VALUES (1)")
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=write)
    thread.start()
    inside.wait(30)
    child = in_child(lambda: add(database, 2))
    assert outcome(child) == 1
    leave.set()
    thread.join()
    assert database.query("SELECT x FROM t") == [(1,)]


def test_a_fork_within_a_transaction_does_not_hang_and_commits_once(database):
    child = None
    try:
        with database.write() as connection:
            connection.execute("INSERT INTO t VALUES (1)")
            child = os.fork()
    except StoreError:
        os._exit(1 if child == 0 else 3)
    if child == 0:
        os._exit(0)
    assert outcome(child) == 1
    assert database.query("SELECT x FROM t") == [(1,)]


def test_forks_of_several_threads_at_once_do_not_lock_each_other_out(tmp_path):
    databases = [Database(tmp_path / "state" / f"{n}.db", ONE) for n in range(3)]
    outcomes = []

    def work():
        for n in range(5):
            for database in databases:
                add(database, n)
            outcomes.append(outcome(in_child(lambda: [add(database, 100) for database in databases])))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert outcomes == [0] * 20
    for database in databases:
        assert database.query("SELECT count(*) FROM t") == [(40,)]
