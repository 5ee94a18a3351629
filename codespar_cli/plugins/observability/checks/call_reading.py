"""A call, however a host or a provider writes it down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codespar_cli.core.administration.tool_checks import ObservedCall
from codespar_cli.core.strict_json import loads

_ABSENT = object()
_ARGUMENT_KEYS = ("arguments", "args", "input", "parameters")


def read_call(call: Any) -> ObservedCall:
    """`{name, arguments}`, an object with these attributes, a JSON-RPC `tools/call`, or a provider's own shape.

    Those are OpenAI's `{"function": {"name", "arguments": "JSON text"}}` and Anthropic's `{"name", "input"}`. Never
    raises: what has no name has the name None.
    """
    if isinstance(call, ObservedCall):
        return call
    inner = _field(call, "function")
    if inner is _ABSENT and _field(call, "method") == "tools/call":
        inner = _field(call, "params")
    source = call if inner is _ABSENT or isinstance(inner, str) else inner
    name = _first(source, ("name", "tool_name", "tool"), None)
    return ObservedCall(
        name=name,
        arguments=_first(source, _ARGUMENT_KEYS, None),
        agent=_text(_first(call, ("agent", "agent_id"), None)) or "agent",
        session=_text(_first(call, ("session", "session_id"), None)),
        error=_text(_first(call, ("error", "error_type"), None)),
        result=_text(_first(call, ("result",), None), most=None),
    )


class NoArguments(ValueError):
    """Why a text is no arguments."""


def parsed(arguments: Any) -> Any:
    """Arguments as a value: a JSON text is parsed, nothing at all is no arguments. Raises NoArguments."""
    if arguments is None or arguments == "":
        return {}
    if not isinstance(arguments, str):
        return arguments
    try:
        return loads(arguments)
    except ValueError as error:
        raise NoArguments(str(error)) from None


def _field(source: Any, key: str) -> Any:
    if isinstance(source, Mapping):
        return source.get(key, _ABSENT)
    return getattr(source, key, _ABSENT) if not isinstance(source, str | bytes | list | tuple) else _ABSENT


def _first(source: Any, keys: tuple[str, ...], otherwise: Any) -> Any:
    for key in keys:
        found = _field(source, key)
        if found is not _ABSENT and not callable(found):
            return found
    return otherwise


def _text(value: Any, most: int | None = 1000) -> str | None:
    """A name or an error as a text; an error may be told as an object or as true."""
    if value is None or value is False:
        return None
    if isinstance(value, str):
        return value or None
    return repr(value)[:most]
