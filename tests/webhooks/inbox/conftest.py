"""Inboxes of each kind, each test with one of its own."""

import pytest

from codespar_cli.webhooks.inbox.postgres_inbox import PostgresInbox
from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox


@pytest.fixture
def new_inbox(request, tmp_path):
    """A function from a kind to a new inbox, or to another handle on the one it made last."""
    made = []

    def make(kind, *, same=False):
        if same:
            last = made[-1]
            fresh = SqliteInbox(last.database.path.parent) if kind == "sqlite" else PostgresInbox(last._url)
        elif kind == "sqlite":
            fresh = SqliteInbox(tmp_path / f"inbox-{len(made)}")
        else:
            fresh = PostgresInbox(request.getfixturevalue("postgres").new_database())
        made.append(fresh)
        return fresh

    yield make
    for each in made:
        each.close()


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request):
    return request.param


@pytest.fixture
def inbox(new_inbox, kind):
    return new_inbox(kind)
