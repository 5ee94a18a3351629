"""What a store looks like, and whether a file is such a store."""

from __future__ import annotations

import apsw

from codespar_cli.core.light_typing import NamedTuple
from codespar_cli.errors import StoreSchemaNewer
from codespar_cli.storage.sqlite_errors import corrupt


class Schema(NamedTuple):
    """What a store looks like. `application_id` tells our files from others'; migration n makes version n."""

    application_id: int
    migrations: tuple[str, ...]


def version_of(connection: apsw.Connection, schema: Schema, path: str) -> int:
    """How many migrations a file has seen. Raises StoreCorrupt for one that is not ours, StoreSchemaNewer."""
    version = int(next(iter(connection.execute("PRAGMA user_version")))[0])
    application = int(next(iter(connection.execute("PRAGMA application_id")))[0])
    tables = int(next(iter(connection.execute("SELECT count(*) FROM sqlite_schema")))[0])
    if application not in (0, schema.application_id) or (version == 0 and tables > 0):
        raise corrupt(path, "it is not a codespar store of this kind")
    if version > len(schema.migrations):
        raise StoreSchemaNewer(
            f"written by a newer codespar (schema {version}, this one knows {len(schema.migrations)})",
            file=path,
            hint="pip install --upgrade codespar-cli",
        )
    foreign = "SELECT name FROM sqlite_schema WHERE type IN ('trigger', 'view') LIMIT 1"
    for (name,) in connection.execute(foreign):
        raise corrupt(path, f"it holds a trigger or view that is not ours: {name!a}")
    return version
