"""Policy stores of every kind, each test with one of its own."""

import pytest

from codespar_cli.plugins.policy.stores.memory_store import MemoryStore
from codespar_cli.plugins.policy.stores.postgres_store import PostgresStore
from codespar_cli.plugins.policy.stores.sqlite_store import SqliteStore


@pytest.fixture
def new_store(request, tmp_path):
    """A function from the kind of a store to a new one. Asking for a server starts it."""
    made = []

    def make(kind):
        if kind == "memory":
            return MemoryStore()
        if kind == "sqlite":
            made.append(SqliteStore(tmp_path / f"store-{len(made)}", "normal"))
        else:
            # Tests have clocks of their own.
            made.append(PostgresStore(request.getfixturevalue("postgres").new_database(), server_clock=False))
        return made[-1]

    yield make
    for store in made:
        (store.database if isinstance(store, SqliteStore) else store).close()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request, new_store):
    return new_store(request.param)
