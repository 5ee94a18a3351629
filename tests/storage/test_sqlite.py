"""The store: private under any umask, migrated once by many, fair, bounded, and honest about damage."""

import gc
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import apsw
import pytest

from codespar_cli.errors import StoreBusy, StoreCorrupt, StoreError, StoreSchemaNewer
from codespar_cli.storage.patience import Patience
from codespar_cli.storage.sqlite import Database, Schema
from codespar_cli.storage.turnstile import Turnstile

ONE = Schema(0x43530001, ("CREATE TABLE t (x INTEGER) STRICT",))
TWO = Schema(0x43530001, (*ONE.migrations, "CREATE TABLE u (y INTEGER) STRICT"))
PRELUDE = """
    import sys, time
    from pathlib import Path
    from codespar_cli.storage.sqlite import Database, Schema
    schema = Schema(0x43530001, ("CREATE TABLE t (x INTEGER) STRICT",))
    path = Path(sys.argv[1])
    database = Database(path, schema)
"""


def python(code, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PRELUDE) + textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "local" / "state" / "store.db"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o177, 0o277, 0o777])
def test_everything_is_private_under_any_umask(path, umask):
    before = os.umask(umask)
    try:
        database = Database(path, ONE)
        with database.write() as connection:
            connection.execute("INSERT INTO t VALUES (1)")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    for made in (path.parent, path.parent.parent):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert set(modes) >= {"store.db", "store.db-wal", "store.db.lock"}
    assert set(modes.values()) == {0o600}


def test_a_file_that_others_can_read_is_refused_with_the_chmod(path):
    Database(path, ONE).query("SELECT 1")
    path.chmod(0o644)
    with pytest.raises(StoreError) as caught:
        Database(path, ONE).query("SELECT 1")
    assert caught.value.hint == f"chmod 600 {path}"


def test_a_directory_that_others_can_write_is_refused_and_one_they_can_read_is_tightened(path):
    path.parent.mkdir(mode=0o755, parents=True)
    path.parent.chmod(0o777)
    with pytest.raises(StoreError, match="written by others"):
        Database(path, ONE).query("SELECT 1")
    path.parent.chmod(0o755)
    Database(path, ONE).query("SELECT 1")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_directory_with_other_uses_is_left_as_it_is(path):
    """`state_dir = "/etc"` as root must not close /etc."""
    path.parent.mkdir(mode=0o755, parents=True)
    path.parent.chmod(0o755)
    (path.parent / "passwd").touch(mode=0o644)
    with pytest.raises(StoreError, match="others may read `passwd`"):
        Database(path, ONE).query("SELECT 1")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
    assert [entry.name for entry in path.parent.iterdir()] == ["passwd"]


def test_one_with_our_own_files_alone_is_tightened_again(path):
    Database(path, ONE).query("SELECT 1")
    path.parent.chmod(0o755)
    Database(path, ONE).query("SELECT 1")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["store.db", "store.db.lock", "store.db-wal"])
def test_symbolic_links_are_not_followed(path, tmp_path, name):
    path.parent.mkdir(mode=0o700, parents=True)
    target = tmp_path / "elsewhere"
    target.touch(mode=0o600)
    (path.parent / name).symlink_to(target)
    with pytest.raises(StoreError, match="symbolic link"):
        Database(path, ONE).query("SELECT 1")
    assert target.read_bytes() == b""


def test_a_state_directory_that_is_a_link_is_refused(path, tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    path.parent.parent.mkdir()
    path.parent.symlink_to(tmp_path / "real")
    with pytest.raises(StoreError, match="symbolic link"):
        Database(path, ONE).query("SELECT 1")


def test_migrations_run_once_and_in_order(path):
    with Database(path, ONE).write() as connection:
        connection.execute("INSERT INTO t VALUES (7)")
    database = Database(path, TWO)
    assert database.query("SELECT x FROM t") == [(7,)]
    assert database.query("SELECT * FROM u") == []
    assert database.query("PRAGMA user_version") == [(2,)]


def test_a_newer_schema_is_refused_by_name(path):
    Database(path, TWO).query("SELECT 1")
    with pytest.raises(StoreSchemaNewer) as caught:
        Database(path, ONE).query("SELECT 1")
    assert caught.value.file == str(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda p: p.write_bytes(b"not a database at all" * 300),
        lambda p: p.write_bytes(p.read_bytes()[:100]),
        lambda p: p.write_bytes(b"SQLite format 3\x00" + b"\xff" * 8000),
    ],
)
def test_a_damaged_file_is_named_and_never_replaced(path, damage):
    database = Database(path, ONE)
    with database.write() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
    assert database.truncate_log()
    database.close()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    damage(path)
    content = path.read_bytes()
    with pytest.raises(StoreCorrupt) as caught:
        Database(path, ONE).query("SELECT x FROM t")
    assert caught.value.file == str(path)
    assert caught.value.exit_code == 5
    assert path.read_bytes() == content


@pytest.mark.parametrize("loss", [lambda p: p.unlink(), lambda p: p.write_bytes(b"")])
def test_a_store_that_is_gone_is_not_made_anew(path, loss):
    database = Database(path, ONE)
    database.query("SELECT 1")
    database.truncate_log()
    database.close()
    loss(path)
    assert Database(path, ONE).exists
    with pytest.raises(StoreError) as caught:
        Database(path, ONE).query("SELECT 1")
    assert caught.value.code == "store_missing"


def test_a_log_that_held_everything_and_is_removed_is_a_store_that_is_gone(path):
    database = Database(path, ONE)
    with database.write() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
    database.close()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    with pytest.raises(StoreError) as caught:
        Database(path, ONE).query("SELECT 1")
    assert caught.value.code == "store_missing"


def test_a_writer_leaves_a_file_that_was_removed_or_replaced(path, tmp_path):
    database, other = Database(path, ONE), Database(tmp_path / "other" / "store.db", ONE)
    for each, number in ((database, 1), (other, 2)):
        with each.write() as connection:
            connection.execute("INSERT INTO t VALUES (?)", (number,))
    other.truncate_log()
    database.truncate_log()
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    with pytest.raises(StoreError) as caught, database.write():
        pass
    assert caught.value.code == "store_missing"
    other.path.rename(path)
    with database.write() as connection:
        connection.execute("INSERT INTO t VALUES (3)")
    assert Database(path, ONE).query("SELECT x FROM t ORDER BY x") == [(2,), (3,)]


def test_another_programs_database_is_refused(path):
    path.parent.mkdir(mode=0o700, parents=True)
    apsw.Connection(str(path)).execute("CREATE TABLE mine (x)")
    path.chmod(0o600)
    with pytest.raises(StoreCorrupt, match="not a codespar store"):
        Database(path, ONE).query("SELECT 1")


def test_a_planted_trigger_is_refused(path):
    database = Database(path, ONE)
    with database.write() as connection:
        connection.execute("CREATE TRIGGER gift AFTER INSERT ON t BEGIN DELETE FROM t; END")
    with pytest.raises(StoreCorrupt, match="trigger"):
        Database(path, ONE).query("SELECT 1")


def test_an_exception_rolls_back(path):
    database = Database(path, ONE)
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
        raise ZeroDivisionError
    assert database.query("SELECT * FROM t") == []
    with database.write() as connection:
        connection.execute("INSERT INTO t VALUES (2)")
    assert database.query("SELECT * FROM t") == [(2,)]


def test_many_first_ever_processes_all_succeed(path):
    code = """
        with database.write() as connection:
            connection.execute("INSERT INTO t VALUES (1)")
        print("done")
    """
    workers = [python(code, path) for _ in range(32)]
    outcomes = [worker.communicate(timeout=120) for worker in workers]
    assert [(out, err) for out, err in outcomes if (out, err) != ("done\n", "")] == []
    assert Database(path, ONE).query("SELECT count(*) FROM t") == [(32,)]


def test_nobody_starves_with_full_durability(path):
    code = """
        database.query("SELECT 1")
        print("ready", flush=True)
        sys.stdin.readline()
        done, until = 0, time.monotonic() + 2
        while time.monotonic() < until:
            with database.write() as connection:
                connection.execute("INSERT INTO t VALUES (1)")
            done += 1
        print(done)
    """
    workers = [python(code, path, stdin=subprocess.PIPE) for _ in range(4)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    counts = [int(worker.communicate(timeout=60)[0]) for worker in workers]
    assert min(counts) * 5 >= max(counts), counts


def test_a_stuck_writer_is_waited_for_a_bounded_time_and_readers_go_on(path):
    holder = python(
        """
        with database.write() as connection:
            print("holding", flush=True)
            time.sleep(600)
        """,
        path,
    )
    try:
        assert holder.stdout.readline() == "holding\n"
        os.kill(holder.pid, signal.SIGSTOP)
        database = Database(path, ONE, busy_wait_s=0.3)
        assert database.query("SELECT count(*) FROM t") == [(0,)]
        started = time.monotonic()
        with pytest.raises(StoreBusy), database.write():
            pass
        assert 0.2 < time.monotonic() - started < 10
    finally:
        holder.kill()
        holder.communicate()
    with database.write() as connection:
        connection.execute("INSERT INTO t VALUES (1)")


HOLD = """
    database.query("SELECT 1")
    with database.write() as connection:
        print("holding", flush=True)
        time.sleep(600)
"""


def test_waiters_behind_a_stopped_writer_wait_no_longer_than_one_alone(path):
    holder = python(HOLD, path)
    waiters = []
    try:
        assert holder.stdout.readline() == "holding\n"
        os.kill(holder.pid, signal.SIGSTOP)
        code = """
            from codespar_cli.errors import StoreBusy
            database.query("SELECT 1")
            started = time.monotonic()
            try:
                with database.write():
                    print("not held")
            except StoreBusy:
                print(time.monotonic() - started)
        """
        waiters = [python(code, path) for _ in range(4)]
        assert all(2 < float(waiter.communicate(timeout=60)[0]) < 3.5 for waiter in waiters)
    finally:
        for process in (holder, *waiters):
            process.kill()
            process.communicate()


def test_a_first_opening_waits_no_longer_for_who_makes_no_progress(path):
    path.parent.mkdir(mode=0o700, parents=True)
    turnstile = Turnstile(path.with_name("store.db.lock"))
    turnstile.enter(Patience(0))
    started = time.monotonic()
    with pytest.raises(StoreBusy):
        Database(path, ONE, busy_wait_s=0.3).query("SELECT 1")
    assert 0.2 < time.monotonic() - started < 2


def test_a_first_opening_goes_on_waiting_while_others_make_progress(path):
    path.parent.mkdir(mode=0o700, parents=True)
    turnstile = Turnstile(path.with_name("store.db.lock"))
    turnstile.enter(Patience(0))

    def get_on():
        for _ in range(15):
            time.sleep(0.1)
            turnstile.show_progress()
        turnstile.leave()

    thread = threading.Thread(target=get_on)
    thread.start()
    started = time.monotonic()
    assert Database(path, ONE, busy_wait_s=1.0).query("SELECT 1") == [(1,)]
    assert time.monotonic() - started > 1.3
    thread.join()


@pytest.mark.parametrize("statement", ["SELECT y FROM t", "SELECT * FROM gone", "SELECT CAST(x'ff' AS TEXT)"])
def test_a_file_that_is_not_as_we_made_it_is_damage(path, statement):
    with pytest.raises(StoreCorrupt) as caught:
        Database(path, ONE).query(statement)
    assert caught.value.exit_code == 5
    assert str(caught.value.__cause__).lower() in caught.value.message


def test_what_cannot_be_looked_at_is_an_error_that_names_it(path):
    long = path.with_name("x" * 300)
    path.parent.mkdir(mode=0o700, parents=True)
    with pytest.raises(StoreError) as caught:
        _ = Database(long, ONE).exists
    assert caught.value.file == str(long)


def test_what_was_acknowledged_survives_kill_9(path):
    code = """
        n = 0
        while True:
            with database.write() as connection:
                connection.execute("INSERT INTO t VALUES (?)", (n,))
            print(n, flush=True)
            n += 1
    """
    for round_ in range(8):
        worker = python(code, path)
        time.sleep(0.15 + 0.02 * round_)
        worker.kill()
        lines = worker.communicate()[0].split("\n")[:-1]
        stored = {row[0] for row in Database(path, ONE).query("SELECT x FROM t")}
        assert {int(line) for line in lines} <= stored
        with Database(path, ONE).write() as connection:
            connection.execute("DELETE FROM t")


def test_threads_share_one_database(path):
    database = Database(path, ONE)

    def work():
        for _ in range(50):
            with database.write() as connection:
                connection.execute("INSERT INTO t VALUES (1)")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.query("SELECT count(*) FROM t") == [(400,)]


def test_a_full_disk_is_an_error_and_nothing_is_half_written(path):
    import resource

    database = Database(path, ONE)
    database.query("SELECT 1")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    worker = python(
        """
        from codespar_cli.errors import StoreError
        done = 0
        try:
            while True:
                with database.write() as connection:
                    connection.execute("INSERT INTO t SELECT value FROM json_each(?)", ("[" + ",".join("1" * 500) + "]",))
                done += 1
        except StoreError as error:
            print(done, error.code)
        """,
        path,
        preexec_fn=limit,
    )
    out, err = worker.communicate(timeout=60)
    done, code = out.split()
    assert (code, err) == ("store_unavailable", "")
    assert Database(path, ONE).query("SELECT count(*) FROM t") == [(int(done) * 500,)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_store_of_another_user_is_refused(path):
    Database(path, ONE).query("SELECT 1")
    os.chown(path, 12345, 12345)
    with pytest.raises(StoreError, match="another user"):
        Database(path, ONE).query("SELECT 1")


def files_of(path):
    return [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]


def count(database):
    return database.query("SELECT count(*) FROM t")[0][0]


@pytest.fixture
def opened(path):
    database = Database(path, ONE)
    with database.write() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
    yield database
    database.close()


def test_the_file_at_the_path_is_not_stale(path, opened):
    assert not opened.leave_stale_file()
    assert not Database(path, ONE).leave_stale_file()
    opened.close()
    assert not opened.leave_stale_file()


def test_a_file_that_was_replaced_is_left_for_the_one_that_took_its_place(path, opened):
    other = Database(path.with_name("other.db"), ONE)
    assert count(other) == 0
    other.truncate_log()
    other.close()
    for file in files_of(path)[1:]:
        file.unlink()
    other.path.rename(path)
    assert count(opened) == 1
    assert opened.leave_stale_file()
    assert count(opened) == 0
    assert not opened.leave_stale_file()


def test_a_file_that_has_gone_is_left_and_missed(path, opened):
    for file in files_of(path):
        file.unlink()
    assert opened.leave_stale_file()
    with pytest.raises(StoreError) as caught:
        opened.query("SELECT 1")
    assert caught.value.code == "store_missing"


def test_a_transaction_is_not_torn_from_its_file(path, opened):
    with opened.read() as connection:
        path.unlink()
        assert not opened.leave_stale_file()
        assert list(connection.execute("SELECT count(*) FROM t")) == [(1,)]
    assert opened.leave_stale_file()


def test_a_store_that_is_let_go_of_unclosed_leaves_no_file_open(path):
    def use():
        database = Database(path, ONE)
        with database.write() as connection:
            connection.execute("INSERT INTO t VALUES (1)")

    use()
    gc.collect()
    opened = [file.readlink() for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
    assert path.parent not in {target.parent for target in opened}
