"""The tools there are, as a person or an MCP server lists them: names line by line, or JSON."""

from __future__ import annotations

from typing import Any

from codespar_cli.cli.session import Session
from codespar_cli.core import strict_json
from codespar_cli.errors import UsageError

_LARGEST = 4 * 1024 * 1024
_EXPECTED = "expected names, one a line, a JSON list of names, or what an MCP server answers to tools/list"


def read_tools(session: Session, source: str) -> list[str]:
    """The names in a file, or on stdin for `-`. Raises UsageError for what is no list of tools, or an empty one."""
    data = _content(session, source)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"--tools: `{source}` is not UTF-8") from None
    names = _of_json(text, source) if text.lstrip()[:1] in {"[", "{"} else _of_lines(text)
    if not names:
        raise UsageError(f"--tools: `{source}` names no tool, {_EXPECTED}")
    return names


def _content(session: Session, source: str) -> bytes:
    try:
        if source == "-":
            data = session.terminal.read_bytes(_LARGEST)
        else:
            with open(source, "rb") as file:  # noqa: PTH123  pathlib is not needed otherwise
                data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--tools: `{source}` cannot be read: {words.lower()}") from None
    if len(data) > _LARGEST:
        raise UsageError(f"--tools: larger than {_LARGEST // 1024 // 1024} MiB")
    return data


def _of_lines(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _of_json(text: str, source: str) -> list[str]:
    try:
        value: Any = strict_json.loads(text)
    except ValueError as error:
        raise UsageError(f"--tools: `{source}`: {error}") from None
    if isinstance(value, dict) and isinstance(value.get("result"), dict):
        value = value["result"]
    if isinstance(value, dict):
        value = value.get("tools")
    if isinstance(value, list):
        found = [item.get("name") if isinstance(item, dict) else item for item in value]
        names = [name for name in found if isinstance(name, str) and name]
        if len(names) == len(found):
            return names
    raise UsageError(f"--tools: `{source}`: {_EXPECTED}")
