"""The tools there are, from what an MCP server answers to `tools/list`, or a plain list of definitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codespar_cli.core.strict_json import loads
from codespar_cli.errors import UsageError
from codespar_cli.plugins.observability.checks.nearest_tools import NameIndex
from codespar_cli.plugins.observability.checks.schema.evaluator import Schema

_EXPECTED = 'expected what an MCP server answers to tools/list, `{"tools": [...]}`, or a list of tools'
MAX_DEPTH = 200
"""How deep a catalogue may nest: schemas nest several levels for one of their values."""
_SCHEMA_KEYS = ("inputSchema", "input_schema", "parameters")


class Catalogue:
    """Tools by name, each with its input schemas: several where a name is given twice, None where it has none.

    Making one costs a walk over the names; a schema is looked at when its tool is called. Safe to share between
    threads. `server` is the name a host knows the server by: `mcp__SERVER__tool`, `SERVER__tool`, `SERVER/tool` and
    `SERVER.tool` are then its tools as well.
    """

    def __init__(self, source: Any, *, server: str | None = None) -> None:
        """Raises UsageError (`invalid_catalogue`) for what is no catalogue."""
        self.schemas: dict[str, list[Schema | None]] = {}
        for index, item in enumerate(_tools(source)):
            name, schema = _definition(item, index)
            self.schemas.setdefault(name, []).append(schema)
        self.server = server
        self.names = NameIndex(self.schemas)

    @classmethod
    def of(cls, source: Any) -> Catalogue:
        """The same when it is one already."""
        return source if isinstance(source, cls) else cls(source)

    def find(self, name: str) -> list[Schema | None] | None:
        """The schemas of a tool, None when there is none of that name."""
        found = self.schemas.get(name)
        own = None if found is not None else self.own_name(name)
        return found if own is None else self.schemas.get(own)

    def own_name(self, name: str) -> str | None:
        """What a tool is called without its server's prefix; None when it has none of this server's."""
        if self.server:
            for prefix in (f"mcp__{self.server}__", f"{self.server}__", f"{self.server}/", f"{self.server}."):
                if name.startswith(prefix):
                    return name[len(prefix) :]
        return None


def read_catalogue(data: bytes, name: str, *, server: str | None = None) -> Catalogue:
    """From the JSON in a file. Raises UsageError with the file's name."""
    try:
        return Catalogue(loads(data, max_depth=MAX_DEPTH), server=server)
    except ValueError as error:
        raise UsageError(str(error), code="invalid_catalogue", file=name) from None
    except UsageError as error:
        raise UsageError(error.message, code=error.code, file=name) from None


def _tools(source: Any) -> list[Any]:
    value = source
    if isinstance(value, Mapping) and isinstance(value.get("result"), Mapping):
        value = value["result"]
    if isinstance(value, Mapping):
        value = value.get("tools")
    if not isinstance(value, list | tuple):
        raise UsageError(_EXPECTED, code="invalid_catalogue")
    return list(value)


def _definition(item: Any, index: int) -> tuple[str, Schema | None]:
    if isinstance(item, Mapping) and isinstance(item.get("function"), Mapping):
        item = item["function"]  # as OpenAI's chat completions write it
    name = item.get("name") if isinstance(item, Mapping) else item
    if not isinstance(name, str) or not name:
        raise UsageError(f"tool {index} has no name; {_EXPECTED}", code="invalid_catalogue")
    if isinstance(item, Mapping):
        for key in _SCHEMA_KEYS:
            if item.get(key) is not None:
                return name, Schema(item[key])
    return name, None
