"""What the answer to a call says: did it work, what did it cost, how much was read and written.

Cost is what the server says in the result's `_meta`: `codespar/cost`, else `cost`, else LiteLLM's `response_cost`; a number
or a decimal text, in the policy's currency, not negative. Tokens are in `_meta` as `codespar/usage`, else `usage`, by the
names of Anthropic, OpenAI or MCP sampling. Where there are none they are told from the length of the text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

COST_KEYS = ("codespar/cost", "cost", "response_cost")
USAGE_KEYS = ("codespar/usage", "usage")
_INPUT = ("input_tokens", "prompt_tokens", "inputTokens")
_OUTPUT = ("output_tokens", "completion_tokens", "outputTokens")
_CHARACTERS_PER_TOKEN = 4
_ERRORS = {
    -32700: "parse_error",
    -32600: "invalid_request",
    -32601: "method_not_found",
    -32602: "invalid_params",
    -32603: "internal_error",
}
_NOT_TAKEN = frozenset(("parse_error", "invalid_request", "method_not_found", "invalid_params"))
_SERVER_ERRORS = range(-32099, -31999)
_MOST_DIGITS = 64


class Answer(NamedTuple):
    """`estimated` says that at least one number of tokens was told from the length of a text. `text` is what a model reads."""

    success: bool
    error_type: str | None = None
    cost: int | float | str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    estimated: bool = False
    text: str = ""
    size: int | None = None
    """How many bytes the result takes as JSON; None where there is none."""
    is_taken: bool = True
    """Whether a tool may have run: not where the server says that the request was none that it takes."""
    waits: bool = False
    """Whether the server asks for more before it answers (`resultType: "input_required"`, protocol 2026-07-28)."""


def read_answer(message: Mapping[str, Any], arguments: Any) -> Answer:
    """From a JSON-RPC response to a call with these arguments."""
    asked_characters = len(json.dumps(arguments, ensure_ascii=False, separators=(",", ":")))
    failure = message.get("error")
    result = message.get("result")
    if failure is not None or not isinstance(result, dict):
        kind = _error_type(failure)
        return Answer(
            False, kind, input_tokens=tokens_of(asked_characters), estimated=True, is_taken=kind not in _NOT_TAKEN
        )
    meta = _meta_of(result)
    text = _text_of(result)
    said_in, said_out = _usage(meta)
    failed = result.get("isError") is True
    return Answer(
        success=not failed,
        error_type="tool_error" if failed else None,
        cost=_cost(meta),
        input_tokens=tokens_of(asked_characters) if said_in is None else said_in,
        output_tokens=tokens_of(len(text)) if said_out is None else said_out,
        estimated=said_in is None or said_out is None,
        text=text,
        size=size_of(result),
        waits=result.get("resultType") == "input_required",
    )


def tokens_of(characters: int) -> int:
    """A guess: four characters are a token in English text, and fewer in most other."""
    return -(-characters // _CHARACTERS_PER_TOKEN)


def size_of(result: Mapping[str, Any]) -> int | None:
    """Bytes of JSON without white space between its parts; None where it is too deep to be written."""
    try:
        text = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return None
    return len(text.encode("utf-8", "surrogatepass"))


def cost_of(message: Mapping[str, Any]) -> int | float | str | None:
    """The cost alone, or None."""
    result = message.get("result")
    return _cost(_meta_of(result)) if isinstance(result, dict) else None


def _meta_of(result: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = result.get("_meta")
    return meta if isinstance(meta, dict) else {}


def _error_type(failure: Any) -> str:
    code = failure.get("code") if isinstance(failure, dict) else None
    if type(code) is not int:
        return "rpc_error"
    return _ERRORS.get(code, "server_error" if code in _SERVER_ERRORS else "rpc_error")


def _text_of(result: Mapping[str, Any]) -> str:
    content = result.get("content")
    if not isinstance(content, list):
        return ""
    texts = [block.get("text") for block in content if isinstance(block, dict) and block.get("type") == "text"]
    return "\n".join([text for text in texts if isinstance(text, str)])


def _cost(meta: Mapping[str, Any]) -> int | float | str | None:
    """The first that is an amount. What is none is not taken for zero: then the cost is not known."""
    for key in COST_KEYS:
        value = meta.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float, str)) or len(str(value)) > _MOST_DIGITS:
            continue
        try:
            amount = float(value)
        except (ValueError, OverflowError):
            continue
        if 0 <= amount < float("inf"):  # false for NaN
            return value
    return None


def _usage(meta: Mapping[str, Any]) -> tuple[int | None, int | None]:
    for key in USAGE_KEYS:
        usage = meta.get(key)
        if isinstance(usage, dict):
            return _count(usage, _INPUT), _count(usage, _OUTPUT)
    return None, None


def _count(usage: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = usage.get(name)
        if type(value) is int and 0 <= value < 1 << 40:
            return value
    return None
