"""An event's bytes as one JSON object, read strictly: what two readers could understand differently is refused.

Not so a key that is given twice: hosts are JavaScript and Rust programs whose own parsers take the last, and so do we.
"""

from __future__ import annotations

from codespar_cli.core.light_json import Reading, dumps
from codespar_cli.core.nesting import depth
from codespar_cli.hosts.host_event import MalformedEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_BYTES = 16 * 1024 * 1024
"""The longest event that is read. The results of tools are in it, pictures included."""
MAX_DEPTH = 64
_MAX_DIGITS = 400
_MOST_CHARACTERS = 256
_MARK = "\ufeff"
_TOOL_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:/@-"
_LONGEST_TOOL = 128
_SHOWN = 60


def read_object(raw: bytes, *, byte_order_mark: bool = False) -> dict[str, Any]:
    """The object in these bytes. Raises MalformedEvent; `byte_order_mark` says that the host may send one."""
    if len(raw) > MAX_BYTES:
        raise MalformedEvent(f"the event is longer than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise MalformedEvent("the event is not UTF-8") from None
    if byte_order_mark:
        text = text.removeprefix(_MARK)
    if not text.strip():
        raise MalformedEvent("the event is empty")
    value = parsed(text, "the event")
    if type(value) is not dict:
        raise MalformedEvent(f"the event is not an object but {_described(value)}")
    return value


def parsed(text: str, what: str) -> Any:
    """One JSON value. Raises MalformedEvent."""
    try:
        value = _READING.loads(text)
    except MalformedEvent:
        raise
    except RecursionError:
        raise MalformedEvent(f"{what} is nested too deeply") from None
    except ValueError:  # the parser's own words may quote what it met
        raise MalformedEvent(f"{what} is not one JSON document") from None
    if text.count("{") + text.count("[") > MAX_DEPTH and depth(value, MAX_DEPTH) > MAX_DEPTH:
        raise MalformedEvent(f"{what} is nested deeper than {MAX_DEPTH} levels")
    return value


# ── fields ──


def event_name(document: dict[str, Any], key: str = "hook_event_name") -> str:
    """Raises MalformedEvent."""
    value = document.get(key)
    if type(value) is not str or not value:
        raise MalformedEvent(f"`{key}` is {_described(value)}, not the name of an event")
    return value


def tool_name(document: dict[str, Any], key: str, name: str) -> str:
    """Raises MalformedEvent unless it is 1 to 128 letters, digits and `_.:/@-`."""
    value = document.get(key)
    if type(value) is not str:
        raise MalformedEvent(f"`{key}` is {_described(value)}, not the name of a tool", name)
    if not 0 < len(value) <= _LONGEST_TOOL or value.strip(_TOOL_CHARACTERS):
        shown = "".join([char if char.isprintable() else "?" for char in value[:_SHOWN]])
        raise MalformedEvent(f"a tool name is 1 to 128 letters, digits and `_.:/@-`, found `{shown}`", name)
    return value


def arguments(document: dict[str, Any], key: str, name: str, *, spelled: bool = False) -> dict[str, Any]:
    """Raises MalformedEvent unless it is an object, or with `spelled` a text that holds one."""
    value = document.get(key)
    if spelled and type(value) is str:
        try:
            value = parsed(value, f"`{key}`")
        except MalformedEvent as error:
            raise MalformedEvent(str(error), name) from None
    if type(value) is not dict:
        raise MalformedEvent(f"`{key}` is {_described(value)}, not an object", name)
    return value


def text(document: dict[str, Any], key: str, name: str) -> str | None:
    """A text that names something, or None. Raises MalformedEvent for anything else, and for what cannot be printed."""
    value = document.get(key)
    if value is None or (type(value) is str and len(value) <= _MOST_CHARACTERS and value.isprintable()):
        return value or None
    raise MalformedEvent(f"`{key}` is {_described(value)}, not a text of at most {_MOST_CHARACTERS} characters", name)


def place(document: dict[str, Any], key: str) -> str | None:
    """A path that only informs: anything that is no text is dropped."""
    value = document.get(key)
    return value if type(value) is str and value else None


def milliseconds(document: dict[str, Any], key: str) -> float | None:
    """A duration that only informs: anything that is none is dropped."""
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 1e12 else None


def size(document: dict[str, Any], key: str) -> int | None:
    """How many bytes a result takes as JSON."""
    return len(dumps(document[key])) if key in document else None


def _described(value: Any) -> str:
    if value is None:
        return "missing"
    return {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list"}.get(
        type(value), "an object"
    )


def _no_constant(name: str) -> Any:
    raise MalformedEvent(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in {float("inf"), float("-inf")}:
        raise MalformedEvent("a number is too large")
    return number


def _whole(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise MalformedEvent("a number is too large")
    return int(digits)


_READING = Reading(parse_constant=_no_constant, parse_float=_finite, parse_int=_whole)
