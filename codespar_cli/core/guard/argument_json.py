"""Arguments that are given as the text of a JSON document, as gateways that pass calls on take them."""

from __future__ import annotations

from codespar_cli.core import light_json
from codespar_cli.core.guard.argument_paths import TooMuch, is_prose, is_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DEEPEST = 64


def may_hold_json(key: str, text: str) -> bool:
    """Whether it begins as an object or a list does, where it is not what somebody reads or a file holds."""
    return bool(key) and text.lstrip()[:1] in {"{", "["} and not is_prose(key)


def opened(value: Any, key: str = "", depth: int = 0) -> Any:
    """The same arguments, with what such texts hold in their place; beside them where they can be a command, too.

    Of a key given twice both values count. Raises TooMuch where it is nested too deeply.
    """
    if depth > _DEEPEST:
        raise TooMuch(f"it is nested more than {_DEEPEST} deep")
    if isinstance(value, dict):
        return {name: opened(inner, str(name).casefold(), depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [opened(inner, key, depth + 1) for inner in value]
    if not isinstance(value, str) or not may_hold_json(key, value):
        return value
    inner = _read(value)
    if inner is None:
        return value
    inner = opened(inner, key, depth + 1)
    return [value, inner] if is_text(key) else inner


# ── inside ──


def _read(text: str) -> Any:
    """What it holds; None where that is no object and no list with one."""
    if "{" not in text:
        return None
    try:
        reading = light_json.Reading(object_pairs_hook=_every, parse_int=_number, parse_float=_number)
        reading.strict = False  # some readers take a line break within a text
        return reading.loads(text)
    except RecursionError:
        raise TooMuch(f"it is nested more than {_DEEPEST} deep") from None
    except ValueError:
        return None


def _number(text: str) -> int:
    return len(text)  # none is too long, and what it says is no path


def _every(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = [found[key], value] if key in found else value
    return found
