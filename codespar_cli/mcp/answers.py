"""What the proxy says itself, in place of the server: one line of JSON-RPC each.

The id goes back exactly as the client spelled it: `1e0`, an escaped letter and 40 digits come back as they came.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
INVALID_PARAMS = -32602
NO_ID = "null"


def denial(id_text: str, reason: str, *, modern: bool) -> bytes:
    """A tool's result that says no: a model reads it and adapts, where a JSON-RPC error would end the turn.

    `modern` is protocol 2026-07-28 and later, where a result names its type (schema `CallToolResult.resultType`).
    """
    result: dict[str, object] = {"content": [{"type": "text", "text": reason}], "isError": True}
    if modern:
        result["resultType"] = "complete"
    return _line(f'{{"jsonrpc":"2.0","id":{id_text},"result":{_json(result)}}}')


def error(id_text: str, code: int, message: str) -> bytes:
    """A JSON-RPC error, for what is no call that could be asked about."""
    return _line(_error(id_text, code, message))


def errors(id_texts: Iterable[str], code: int, message: str) -> bytes:
    """The answer to a batch: one error for each of its requests."""
    return _line("[" + ",".join(_error(id_text, code, message) for id_text in id_texts) + "]")


def _error(id_text: str, code: int, message: str) -> str:
    return f'{{"jsonrpc":"2.0","id":{id_text},"error":{_json({"code": code, "message": message})}}}'


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _line(text: str) -> bytes:
    return text.encode() + b"\n"
