"""One line from the client, read so strictly that no server can read another call into it.

Ordinary traffic is read and passes. What two parsers could read differently does not: a key given twice, a key or method
that is spelled like the protocol's but for case or invisible characters (Go's decoder takes `Method` for `method`), a line
within a line (a bare carriage return ends one for Python's and Node's readers), bytes that are not one JSON document.
What is not about a call may be sloppy inside; a call may not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, NamedTuple

from codespar_cli.mcp import spans
from codespar_cli.mcp.answers import INVALID_PARAMS, INVALID_REQUEST, NO_ID, PARSE_ERROR

CALL = "tools/call"
MAX_DEPTH = 64
"""How deep the parameters of a call may nest."""
PROTOCOL_KEY = "io.modelcontextprotocol/protocolVersion"
CLIENT_KEY = "io.modelcontextprotocol/clientInfo"
FIRST_STATELESS = "2026-07-28"

_ENVELOPE = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
_PARAMS = frozenset({"name", "arguments", "_meta"})
_NOTHING: Mapping[str, Any] = {}


class Message(NamedTuple):
    """What passes. `method` is empty for a response, a batch or an empty line; `params` for whatever has none."""

    method: str = ""
    id: Any = None
    params: Mapping[str, Any] = _NOTHING
    text: str = ""

    @property
    def meta(self) -> Mapping[str, Any]:
        found = self.params.get("_meta")
        return found if isinstance(found, dict) else _NOTHING

    @property
    def is_modern(self) -> bool:
        """Whether the client speaks a protocol without `initialize`, and says so with every request."""
        version = self.meta.get(PROTOCOL_KEY)
        return isinstance(version, str) and version >= FIRST_STATELESS


class Call(Message):
    """A `tools/call` that can be asked about: one name, arguments, an id."""

    __slots__ = ()

    @property
    def tool(self) -> str:
        return str(self.params["name"])

    @property
    def arguments(self) -> Mapping[str, Any]:
        return self.params.get("arguments") or _NOTHING

    @property
    def id_text(self) -> str:
        """The id as it was written."""
        span = spans.only(self.text, "id")
        return NO_ID if span is None else self.text[span.start : span.end]


class Refused(NamedTuple):
    """What does not pass, and why. `ids` are those to answer, as they were written; `batch` says to answer with a list."""

    code: int
    reason: str
    ids: tuple[str, ...] = (NO_ID,)
    batch: bool = False


class _Repeated(dict[str, Any]):
    """An object that gave a key twice."""


class _NoNumber:
    """NaN or an infinity, which are no JSON."""


def read_message(line: bytes) -> Message | Call | Refused:
    """One line, with or without its end. Never raises."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return Refused(PARSE_ERROR, "it is not UTF-8")
    body = text.removesuffix("\n").removesuffix("\r")
    if not body.strip(" \t"):
        return Message()
    if "\r" in body:
        return Refused(PARSE_ERROR, "there is a carriage return within the line")
    try:
        value = _decoder.decode(body)
    except RecursionError:
        return Refused(PARSE_ERROR, "it is nested too deeply to be read")
    except ValueError as error:  # also a whole number of thousands of digits
        return Refused(PARSE_ERROR, f"it is not one JSON document: {_words(error, body)}")
    if isinstance(value, dict):
        problem = _problem_with(value)
        if problem is not None:
            return Refused(problem[0], problem[1], (_id_text(body),))
        return _message(value, body)
    if isinstance(value, list):
        return _batch(value, body)
    return Refused(INVALID_REQUEST, "it is not an object")


def id_key(value: Any) -> Any:
    """What the id of a request and of its answer have in common, however each side spells it: 1, 1.0 and 1e0 are one."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return (type(value) is bool, value)
    return repr(value)


# ── inside ──


def _message(value: dict[str, Any], body: str) -> Message | Call:
    params = value.get("params")
    known = params if isinstance(params, dict) else _NOTHING
    method = value.get("method", "")
    return (Call if method == CALL else Message)(method, value.get("id"), known, body)


def _problem_with(value: dict[str, Any]) -> tuple[int, str] | None:
    """Why an object is none that passes, or None."""
    if type(value) is _Repeated:
        return INVALID_REQUEST, "a key is given twice"
    if disguised := _disguised(value, _ENVELOPE):
        return INVALID_REQUEST, f"the key {_shown(disguised)} is not as the protocol spells it"
    if "method" not in value:
        return None
    method = value["method"]
    if type(method) is not str:
        return INVALID_REQUEST, "the method is not a text"
    if method == CALL:
        return _problem_with_call(value)
    if _letters(method) == CALL:
        return INVALID_REQUEST, f"the method {_shown(method)} is not as the protocol spells it"
    return None


def _problem_with_call(value: dict[str, Any]) -> tuple[int, str] | None:
    if "id" not in value:
        return INVALID_REQUEST, "a call without an id cannot be answered"
    params = value.get("params")
    if type(params) is _Repeated:
        return INVALID_PARAMS, "a key is given twice in the call"
    if type(params) is not dict:
        return INVALID_PARAMS, "the parameters of a call are an object"
    if disguised := _disguised(params, _PARAMS):
        return INVALID_PARAMS, f"the key {_shown(disguised)} is not as the protocol spells it"
    if type(params.get("name")) is not str:
        return INVALID_PARAMS, "the name of a tool is a text"
    if params.get("arguments") is not None and not isinstance(params["arguments"], dict):
        return INVALID_PARAMS, "the arguments of a call are an object"
    flaw = _flaw_in(params)
    return None if flaw is None else (INVALID_PARAMS, flaw)


def _flaw_in(params: dict[str, Any]) -> str | None:
    """What in the parameters of a call another parser would read otherwise."""
    depth = 0
    level: list[Any] = [params]
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            return f"the call is nested deeper than {MAX_DEPTH} levels"
        inner: list[Any] = []
        for container in level:
            if isinstance(container, _Repeated):
                return "a key is given twice in the call"
            for item in container if isinstance(container, list) else container.values():
                if isinstance(item, (dict, list)):
                    inner.append(item)
                elif isinstance(item, _NoNumber) or (type(item) is float and not isfinite(item)):
                    return "a number in the call is none that JSON has"
        level = inner
    return None


def _batch(value: list[Any], body: str) -> Message | Refused:
    """A batch without a call passes: protocol 2025-03-26 has them. One with a call has more than one answer to give."""
    refused: tuple[int, str] | None = None
    for item in value:
        if not isinstance(item, dict):
            refused = INVALID_REQUEST, "a batch holds what is not an object"
        elif item.get("method") == CALL:
            refused = INVALID_REQUEST, "a call cannot be made in a batch: send it by itself"
        else:
            refused = _problem_with(item) or refused
    if refused is None:
        return Message(text=body)
    ids = [_id_text(body, span.start) for span in spans.elements(body) if body[span.start] == "{"]
    return Refused(*refused, tuple(text for text in ids if text != NO_ID) or (NO_ID,), batch=True)


def _id_text(body: str, start: int = 0) -> str:
    span = spans.only(body, "id", start)
    return NO_ID if span is None else body[span.start : span.end]


def _disguised(keys: Iterable[str], known: frozenset[str]) -> str | None:
    """A key that some reader takes for one of these, though it is not written so."""
    return next((key for key in keys if key not in known and _letters(key) in known), None)


def _letters(text: str) -> str:
    """What is left of a name for a reader that forgives case, width, white space and what cannot be seen."""
    text = text.partition("\0")[0]  # where a C string ends
    if not text.isascii():
        import unicodedata

        text = unicodedata.normalize("NFKC", text)
    return "".join([letter for letter in text.casefold() if letter.isprintable() and letter != " "])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Repeated(found)


def _constant(_: str) -> _NoNumber:
    return _NoNumber()


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def _words(error: ValueError, body: str) -> str:
    if body.startswith("\ufeff"):
        return "it begins with a byte order mark"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.lower()} at column {error.colno}"
    return "a number is too long"


def _shown(text: str) -> str:
    return json.dumps(text[:60])
