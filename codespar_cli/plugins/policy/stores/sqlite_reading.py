"""One snapshot of policy.db. A store that can be read but not written is read all the same."""

from __future__ import annotations

from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.errors import StoreBusy, StoreError, StoreSchemaNewer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import apsw

    from codespar_cli.storage.sqlite import Database


class Reading:
    """`with Reading(database) as connection`. Raises StoreBusy, StoreError, StoreCorrupt."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._scope: AbstractContextManager[apsw.Connection] | None = None

    def __enter__(self) -> apsw.Connection:
        scope: AbstractContextManager[apsw.Connection] = self._database.read()
        try:
            connection = scope.__enter__()
        except (StoreBusy, StoreSchemaNewer):
            raise
        except StoreError as error:
            from codespar_cli.plugins.policy.stores.sqlite_read_only import read_only

            scope = read_only(self._database.path, error)
            connection = scope.__enter__()
        self._scope = scope
        return connection

    def __exit__(self, *error: object) -> bool | None:
        assert self._scope is not None
        return self._scope.__exit__(*error)  # type: ignore[arg-type]
