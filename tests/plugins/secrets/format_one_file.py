"""A vault file as the last codespar of format 1 left it, from the vector: its tables, its version number."""

from __future__ import annotations

import json
from pathlib import Path

from codespar_cli.plugins.secrets.vault_rows import VAULT_SCHEMA
from codespar_cli.storage.sqlite import Database, Schema

VECTOR = Path(__file__).parents[2] / "vectors" / "vault" / "format1-good.json"
_SCHEMA = Schema(application_id=VAULT_SCHEMA.application_id, migrations=VAULT_SCHEMA.migrations[:1])
_BLOBS = {"vault_id", "kek_salt", "check_value", "checksum", "mac", "name", "rows", "id", "salt", "commitment", "wrapped",
          "key", "note", "sealed", "previous", "hash"}  # fmt: skip


def lay_down(state: Path) -> None:
    store = Database(state / "vault.db", _SCHEMA, secure_delete=True)
    with store.write() as connection:
        connection.execute("DELETE FROM chain_head")
        for table, rows in json.loads(VECTOR.read_text())["rows"].items():
            for row in rows:
                # Numbers of tenants stay numbers, although blobs share their column's name.
                fields = {
                    name: bytes.fromhex(value) if name in _BLOBS and isinstance(value, str) else value
                    for name, value in row.items()
                }
                fields |= {"header": {"only": 1, "unclean": 0}, "chain_head": {"only": 1}}.get(table, {})
                places = ", ".join("?" * len(fields))
                connection.execute(
                    f"INSERT INTO {table} ({', '.join(fields)}) VALUES ({places})", tuple(fields.values())
                )
    store.close()
