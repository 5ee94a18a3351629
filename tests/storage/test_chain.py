"""The chained record: nothing can be edited, removed or reordered unnoticed, and no record is without its act."""

from datetime import UTC, datetime

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.errors import IntegrityError
from codespar_cli.storage import chain
from codespar_cli.storage.chain_files import chain_files
from codespar_cli.storage.gate_journal import SCHEMA
from codespar_cli.storage.sqlite import Database

AT = datetime(2026, 11, 23, 9, 0, 0, 123456, tzinfo=UTC)


def filled(count):
    connection = apsw.Connection(":memory:")
    connection.execute(chain.CHAIN_SCHEMA)
    for n in range(count):
        chain.append(connection, at=AT, kind="decision", actor=f"agent-{n % 3}", body={"n": n, "tool": "a/b"})
    return connection


def test_an_untouched_chain_verifies_and_reads_back():
    connection = filled(5)
    head = chain.verify(connection, "x")
    assert (head.seq, head) == (5, chain.head(connection))
    records = list(chain.read(connection, after=2))
    assert [record.seq for record in records] == [3, 4, 5]
    assert records[0].at == AT
    assert records[0].body == {"n": 2, "tool": "a/b"}
    assert records[1].previous == records[0].hash


def test_an_empty_chain_verifies():
    assert chain.verify(filled(0), "x").seq == 0


EDITS = [
    "UPDATE chain SET at = at + 1 WHERE seq = {n}",
    "UPDATE chain SET kind = 'x' WHERE seq = {n}",
    "UPDATE chain SET actor = 'x' WHERE seq = {n}",
    "UPDATE chain SET body = body || ' ' WHERE seq = {n}",
    "UPDATE chain SET hash = zeroblob(32) WHERE seq = {n}",
    "UPDATE chain SET previous = randomblob(32) WHERE seq = {n}",
    "UPDATE chain SET seq = 100 WHERE seq = {n}",
    "DELETE FROM chain WHERE seq = {n}",
    "DELETE FROM chain WHERE seq >= {n}",
    "DELETE FROM chain WHERE seq <= {n}",
    "UPDATE chain_head SET seq = seq - {n}",
    "UPDATE chain_head SET seq = seq + {n}",
    "UPDATE chain_head SET hash = randomblob(32)",
    "DELETE FROM chain_head",
]


@given(st.sampled_from(EDITS), st.integers(1, 6))
def test_every_edit_is_found(edit, n):
    connection = filled(6)
    connection.execute(edit.format(n=n))
    with pytest.raises(IntegrityError) as caught:
        chain.verify(connection, "x")
    assert caught.value.exit_code == 5


@given(st.integers(1, 6), st.integers(1, 6))
def test_two_records_exchanged_are_found(a, b):
    connection = filled(6)
    for seq, to in ((a, 1000), (b, a), (1000, b)):
        connection.execute("UPDATE chain SET seq = ? WHERE seq = ?", (to, seq))
    if a == b:
        chain.verify(connection, "x")
    else:
        with pytest.raises(IntegrityError):
            chain.verify(connection, "x")


def test_a_record_is_in_the_log_exactly_if_its_act_is(tmp_path):
    database = Database(tmp_path / "gate.db", SCHEMA)
    with database.write() as connection:
        chain.append(connection, at=AT, kind="k", actor="a", body={})
    with pytest.raises(RuntimeError), database.write() as connection:
        chain.append(connection, at=AT, kind="k", actor="a", body={})
        raise RuntimeError
    with database.read() as connection:
        assert chain.verify(connection, "gate").seq == 1


def test_a_removed_store_or_table_is_found(tmp_path):
    database = Database(tmp_path / "gate.db", SCHEMA)
    with database.write() as connection:
        chain.append(connection, at=AT, kind="k", actor="a", body={})
    (file,) = chain_files(tmp_path)
    assert file.verify().seq == 1
    with database.write() as connection:
        connection.execute("DROP TABLE chain")
    with pytest.raises(IntegrityError, match="gone"):
        file.verify()
    database.close()
    file.path.unlink()
    (file,) = chain_files(tmp_path)
    with pytest.raises(IntegrityError, match="removed"):
        file.verify()


DAMAGE = [
    "UPDATE chain SET body = '[]' WHERE seq = 2",
    "UPDATE chain SET body = '{' WHERE seq = 2",
    "UPDATE chain SET body = CAST(x'ff' AS TEXT) WHERE seq = 2",
    "UPDATE chain SET kind = CAST(x'ff' AS TEXT) WHERE seq = 2",
    "UPDATE chain SET at = 9223372036854775807 WHERE seq = 2",
]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("look", [lambda c: chain.verify(c, "x"), lambda c: list(chain.read(c, name="x"))])
def test_a_record_that_is_none_is_named(damage, look):
    connection = filled(3)
    connection.execute(damage)
    with pytest.raises(IntegrityError, match=r"`x` is broken: (record 2|the record after 1) is damaged"):
        look(connection)


@pytest.mark.parametrize("damage", ["DELETE FROM chain_head", "DROP TABLE chain_head"])
def test_nothing_is_appended_to_a_chain_without_a_head(tmp_path, damage):
    database = Database(tmp_path / "gate.db", SCHEMA)
    with database.write() as connection:
        connection.execute(damage)
    with pytest.raises(IntegrityError), database.write() as connection:
        chain.append(connection, at=AT, kind="k", actor="a", body={})


def test_a_store_that_was_never_made_has_no_record(tmp_path):
    (tmp_path / "gate.db").touch(mode=0o600)
    (tmp_path / "gate.db.lock").touch(mode=0o600)
    assert chain_files(tmp_path) == []
    apsw.Connection(str(tmp_path / "gate.db")).execute("PRAGMA journal_mode=WAL")
    assert chain_files(tmp_path) == []
    (tmp_path / "gate.db.lock").write_bytes(b"1")
    (file,) = chain_files(tmp_path)
    with pytest.raises(IntegrityError, match="gone"):
        file.verify()
