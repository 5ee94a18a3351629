"""The write-ahead log: folded back while others write, and never for ever in the way of a reader."""

import sys
import textwrap
from subprocess import PIPE, Popen

import apsw
import pytest

from codespar_cli.storage.sqlite import Database, Schema

SCHEMA = Schema(0x7E57, ("CREATE TABLE t (n INTEGER PRIMARY KEY, x BLOB) STRICT;",))
MOST = 3 * 512 * 4096
WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from codespar_cli.storage.sqlite import Database, Schema
    schema = Schema(0x7E57, ("CREATE TABLE t (n INTEGER PRIMARY KEY, x BLOB) STRICT;",))
    database = Database(Path(sys.argv[1]), schema, durability="normal")
    for _ in range(int(sys.argv[2])):
        with database.write() as connection:
            connection.execute("INSERT INTO t (x) VALUES (randomblob(3000))")
    """
)


@pytest.fixture
def database(tmp_path):
    return Database(tmp_path / "state" / "t.db", SCHEMA, durability="normal")


def write(database, times):
    for _ in range(times):
        with database.write() as connection:
            connection.execute("INSERT INTO t (x) VALUES (randomblob(3000))")


def log_size(database):
    return database.path.with_name("t.db-wal").stat().st_size


def test_the_log_stays_short_while_several_processes_write(database):
    write(database, 1)
    writers = [
        Popen([sys.executable, "-c", WRITER, str(database.path), "1500"], stdout=PIPE, stderr=PIPE) for _ in range(3)
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert (writer.returncode, errors) == (0, b"")
    # Some 27 MB were written.
    assert database.query("SELECT count(*) FROM t") == [(4501,)]
    assert log_size(database) <= MOST


def test_a_reader_delays_the_fold_and_stops_no_writer(database):
    write(database, 1)
    reader = apsw.Connection(str(database.path))
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM t").fetchall() == [(1,)]
    write(database, 1200)
    assert log_size(database) > MOST / 2
    reader.execute("COMMIT")
    write(database, 1200)
    assert reader.execute("SELECT count(*) FROM t").fetchall() == [(2401,)]
    grown = log_size(database)
    write(database, 1200)
    assert log_size(database) <= grown


def test_a_database_that_nobody_holds_is_let_go(database, tmp_path):
    import weakref

    write(database, 1)
    other = Database(database.path, SCHEMA)
    write(other, 1)
    watched = weakref.ref(other)
    del other
    assert watched() is None
