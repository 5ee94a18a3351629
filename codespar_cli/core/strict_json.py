"""JSON from outside, without what JSON parsers forgive: repeated keys, NaN, numbers no float can hold, bottomless nesting.

RFC 8259 leaves repeated keys to the parser; two parsers that disagree are how a call is smuggled past a policy.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from codespar_cli.core.nesting import depth
from codespar_cli.core.text import visible

MAX_DEPTH = 64
_MAX_DIGITS = 400
_SHOWN = 60  # characters of a key in a message


class _Refused(ValueError):
    pass


def loads(text: str | bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Parse one document. Bytes are UTF-8, with or without a byte order mark.

    Raises ValueError with a short, harmless, one-line reason, whatever the text holds; never RecursionError.
    """
    try:
        # `json` would also guess UTF-16 and let lone surrogates through, which other parsers do not.
        decoded = text if isinstance(text, str) else text.decode("utf-8-sig")
        value = _decoder().decode(decoded)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except _Refused:
        raise
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg.lower()} at line {error.lineno} column {error.colno}") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    if _may_nest(decoded) > max_depth and depth(value, max_depth) > max_depth:
        raise ValueError(f"nested deeper than {max_depth} levels")
    return value


def _may_nest(text: str) -> int:
    """No less than how deeply a document nests, found without walking it.

    Wherever it is deepest, that many containers were opened before and are closed after: in the first half no more than
    open there, in the second no more than close there. What stands in texts only makes it more.
    """
    half = len(text) // 2
    return max(text.count("{", 0, half) + text.count("[", 0, half), text.count("}", half) + text.count("]", half))


@cache
def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_int)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Refused(f"key {_named(key)} is given twice")
            seen.add(key)
    return found


def _named(key: str) -> str:
    """A key as a message may show it: JSON's quotes keep its ends visible, its length is the sender's to choose."""
    return visible(json.dumps(key[:_SHOWN])) + ("…" if len(key) > _SHOWN else "")


def _no_constant(name: str) -> Any:
    raise _Refused(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise _Refused("a number is too large")
    return number


def _int(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise _Refused("a number is too large")
    return int(text)
