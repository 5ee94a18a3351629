"""A delivery that nobody verified lies beside the genuine ones, marked, and stands in the way of none of them."""

import apsw
import pytest
from inbox_world import NOON, arrival

from codespar_cli.errors import StoreCorrupt
from codespar_cli.storage.postgres import Server, ServerSchema
from codespar_cli.storage.sqlite import Database, Schema
from codespar_cli.webhooks.inbox import postgres_inbox_schema, sqlite_inbox_schema
from codespar_cli.webhooks.inbox.delivery import Filter
from codespar_cli.webhooks.inbox.postgres_inbox import PostgresInbox
from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox

OLD = (
    "INSERT INTO delivery (tenant, provider, delivery_id, digest, {more}size, received_at, status, unread)"
    " VALUES ('default', 'github', 'd-1', {digest}, {value}2, 1000000, 'received', {unread})"
)


def verdicts(inbox, *arrivals):
    return [each.verdict for each in inbox.accept(arrivals)]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_the_same_id_is_a_duplicate_among_its_like_only(inbox, first, at_once):
    came = [
        arrival("same", b"1", verified=first),
        arrival("same", b"1", verified=not first),
        arrival("same", b"2", verified=first),
        arrival("same", b"2", verified=not first),
    ]
    found = verdicts(inbox, *came) if at_once else [verdicts(inbox, each)[0] for each in came]
    assert found == ["new", "new", "duplicate", "duplicate"]
    stored = inbox.deliveries(Filter())
    assert [each.verified for each in stored] == [first, not first]
    assert [body.delivery for body in inbox.unread(5)] == stored


@pytest.mark.parametrize("at_once", [True, False])
def test_known_bytes_are_known_among_their_like_only(inbox, at_once):
    came = [
        arrival("forged", b"1", verified=False),
        arrival("genuine", b"1"),
        arrival(None, b"1"),
        arrival("again", b"1"),
        arrival(None, b"1", verified=False),
        arrival("forged again", b"1", verified=False),
    ]
    found = verdicts(inbox, *came) if at_once else [verdicts(inbox, each)[0] for each in came]
    assert found == ["new", "new", "duplicate", "suspected_replay", "duplicate", "suspected_replay"]


def test_a_file_of_before_is_taken_over_and_nothing_in_it_is_said_to_be_verified(tmp_path):
    earlier = Schema(sqlite_inbox_schema.SCHEMA.application_id, sqlite_inbox_schema.SCHEMA.migrations[:1])
    database = Database(tmp_path / "inbox.db", earlier)
    with database.write() as connection:
        connection.execute(OLD.format(more="", digest="x'00'", value="", unread=1))
        connection.execute("INSERT INTO body VALUES (1, '[]', x'7b7d')")
    database.close()
    inbox = SqliteInbox(tmp_path)
    check_taken_over(inbox)
    inbox.close()


def test_a_server_of_before_is_taken_over_too(postgres):
    url = postgres.new_database()
    schema = postgres_inbox_schema.SCHEMA
    server = Server(url, ServerSchema(schema.name, schema.migrations[:1], schema.lock))
    with server.write() as session:
        session.execute(OLD.format(more="replay, ", digest="'\\x00'", value="false, ", unread="true"))
        session.execute("INSERT INTO body VALUES (1, '[]', '\\x7b7d')")
    server.close()
    inbox = PostgresInbox(url)
    check_taken_over(inbox)
    inbox.close()


def check_taken_over(inbox):
    [old] = inbox.deliveries(Filter())
    assert (old.delivery_id, old.verified) == ("d-1", False)
    assert verdicts(inbox, arrival("d-1"), arrival("d-1", verified=False)) == ["new", "duplicate"]
    assert [body.raw for body in inbox.bodies(Filter())] == [b"{}", b"{}"]


def test_a_mark_that_is_none_is_damage(tmp_path):
    inbox = SqliteInbox(tmp_path)
    inbox.accept([arrival(at=NOON)])
    inbox.close()
    connection = apsw.Connection(str(tmp_path / "inbox.db"))
    connection.execute("UPDATE delivery SET verified = 7")
    connection.close()
    with pytest.raises(StoreCorrupt, match="neither verified nor not"):
        inbox.deliveries(Filter())
    inbox.close()


def test_ids_and_bytes_are_looked_up_in_an_index_with_the_mark(tmp_path):
    from codespar_cli.webhooks.inbox.sqlite_accept import _KNOWN

    inbox = SqliteInbox(tmp_path)
    inbox.accept([arrival()])
    with inbox.database.read() as connection:
        plan = " ".join(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {_KNOWN}", ("[]",)))
    inbox.close()
    assert "delivery_by_id (delivery_id=? AND provider=? AND tenant=? AND verified=?)" in plan
    assert "delivery_by_bytes (digest=? AND provider=? AND tenant=? AND verified=?)" in plan
