"""A `tools/list` result, taken apart into what can be pinned: tools with a name of their own and a canonical text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from codespar_cli.core import strict_json
from codespar_cli.core.text import clean_line, visible
from codespar_cli.errors import UsageError
from codespar_cli.plugins.observability.drift.canonical import MAX_DEPTH, canonical
from codespar_cli.plugins.observability.drift.fingerprint import digest

LONGEST_NAME = 512
_EXPECTED = 'expected a tools/list result, {"tools": [...]}'
_ENVELOPE = 4  # levels around a tool: the response, its result, the list, the tool itself


class Listed(NamedTuple):
    """One tool as it came. `text` is canonical, `whole` its SHA-256."""

    name: str
    definition: Mapping[str, Any]
    text: str
    whole: str


def read_catalogue(data: bytes, source: str) -> Any:
    """The JSON of a file. Raises UsageError, also for what parsers disagree on: repeated keys, NaN."""
    try:
        return strict_json.loads(data, max_depth=MAX_DEPTH + _ENVELOPE)
    except ValueError as error:
        raise UsageError(str(error), code="tools_invalid", file=source, hint=f"python3 -m json.tool {source}") from None


def listed_tools(value: Any, source: str | None = None) -> dict[str, Listed]:
    """The tools by name. Takes a list of tools, a `tools/list` result, or the whole JSON-RPC response.

    Raises:
        UsageError: it is none of these, one page of several, or a tool has no name, another's, or no fingerprint.
    """
    found: dict[str, Listed] = {}
    for index, tool in enumerate(_items(value, source)):
        listed = _listed(tool, index, source)
        if listed.name in found:
            shown = clean_line(visible(listed.name), 80)
            raise _invalid(f"tool `{shown}` is listed twice: nobody can tell which of the two is called", source)
        found[listed.name] = listed
    return found


def _items(value: Any, source: str | None) -> list[Any]:
    if isinstance(value, Mapping) and isinstance(value.get("result"), Mapping):
        value = value["result"]
    if isinstance(value, Mapping):
        if value.get("nextCursor"):
            raise _invalid(
                "one page of several (it has a `nextCursor`): put the tools of all pages in one list", source
            )
        value = value.get("tools")
    if not isinstance(value, list | tuple):
        raise _invalid(f"{_EXPECTED}, found {_kind(value)} in place of the list", source)
    return list(value)


def _listed(tool: Any, index: int, source: str | None) -> Listed:
    if not isinstance(tool, dict):
        raise _invalid(f"tools[{index}]: expected an object, found {_kind(tool)}", source)
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise _invalid(f"tools[{index}].name: expected a name, found {_kind(name)}", source)
    if len(name) > LONGEST_NAME:
        raise _invalid(f"tools[{index}].name: longer than {LONGEST_NAME} characters", source)
    try:
        text = canonical(tool)
    except ValueError as error:
        raise _invalid(f"tools[{index}] `{clean_line(visible(name), 80)}`: {error}", source) from None
    return Listed(name, tool, text, digest(text))


def _kind(value: Any) -> str:
    kinds = ((type(None), "nothing"), (bool, "true or false"), (str, "text"), (int | float, "a number"))
    if value == "":
        return "an empty text"
    return next((words for kind, words in kinds if isinstance(value, kind)), "something else")


def _invalid(message: str, source: str | None) -> UsageError:
    return UsageError(message, code="tools_invalid", file=source, hint="codespar metrics drift --help")
