"""Whether a new argument asks for what a tool has no business with: the talk, credentials, what other tools said.

A list of words, looked for in the argument's name and in its texts; docs/tool-drift.md prints it. It is a reason to
look, not proof: such names are how descriptions make a model hand over what it holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from codespar_cli.plugins.observability.drift.notation import SUBSCHEMA, SUBSCHEMA_MAPS, SUBSCHEMA_SETS

CONTEXT = (
    "context", "conversation", "conversations", "history", "transcript", "chat log", "chat message", "chat messages",
    "messages", "system prompt", "user prompt", "full prompt", "original prompt", "memories", "scratchpad",
    "chain of thought", "reasoning", "thinking", "thought", "thoughts", "model name", "side note", "sidenote",
    "user message", "user messages", "system message", "system instructions", "user has told", "user has said", "user said",
)  # fmt: skip
CREDENTIALS = (
    "password", "passwords", "passwd", "passphrase", "passcode", "secret", "secrets", "credential", "credentials",
    "api key", "api keys", "apikey", "access key", "private key", "private keys", "secret key", "ssh", "ssh key",
    "id rsa", "token", "tokens", "jwt", "bearer", "authorization", "auth header", "cookie", "cookies", "otp",
    "mfa code", "auth", "creds", "pwd", "signing key", "session id", "login", "cvv", "card number", "ssn", "env", "dotenv", "environment variable", "environment variables",
    "env vars", "etc passwd", "aws credentials", "mcp json", "keychain", "keyring", "seed phrase", "mnemonic",
)  # fmt: skip
OTHER_TOOLS = (
    "other tool", "other tools", "another tool", "previous tool", "tool call", "tool calls", "tool result",
    "tool results", "tool output", "tool outputs", "tool response", "tools list", "list of tools", "available tools",
    "other server", "other servers", "other files", "all files",
)  # fmt: skip
HARMLESS = (
    "max token", "max tokens", "maximum tokens", "min tokens", "token count", "token limit", "token budget",
    "number of tokens", "page token", "next token", "next page token", "continuation token", "cursor token",
    "sync token", "token address", "token id", "token symbol", "context lines", "lines of context",
)  # fmt: skip
"""Phrases that hold one of the words and mean something else."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_WORDS = re.compile("|".join(rf"(?<= ){word}(?= )" for word in sorted({*CONTEXT, *CREDENTIALS, *OTHER_TOOLS})))
_HARMLESS = re.compile("|".join(rf"(?<= ){word}(?= )" for word in sorted(HARMLESS, key=len, reverse=True)))
_MUTE = frozenset({"boolean", "integer", "null", "number"})
_TOLD = ("title", "description", "$comment", "default")


def asks_for_more(name: str, schema: Any) -> bool:
    """Whether an argument of this name and schema solicits. One that can carry no text of its own does not."""
    if not _carries_text(schema):
        return False
    return any(_WORDS.search(_HARMLESS.sub("-", f" {' '.join(_words(text))} ")) for text in _texts(name, schema))


def _words(text: str) -> list[str]:
    """`apiKey`, `api_key` and `API key` are the same two words, also in full-width or other compatibility forms."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return [word.lower() for word in _WORD.findall(text)]


def _texts(name: str, schema: Any) -> Iterator[str]:
    """The name, and every name and text within."""
    waiting: list[tuple[str, Any]] = [(name, schema)]
    while waiting:
        called, inner = waiting.pop()
        yield called
        if not isinstance(inner, dict):
            continue
        for key, value in inner.items():
            if key in _TOLD and isinstance(value, str):
                yield value
            elif key == "examples" and isinstance(value, list):
                yield from (item for item in value if isinstance(item, str))
            elif key in SUBSCHEMA_MAPS and isinstance(value, dict):
                waiting.extend(value.items())
            elif key in SUBSCHEMA_SETS | {"prefixItems", "items"} and isinstance(value, list):
                waiting.extend(("", item) for item in value)
            elif key in SUBSCHEMA:
                waiting.append(("", value))


def _carries_text(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return schema is not False
    if "enum" in schema or "const" in schema:
        return False
    types = schema.get("type")
    named = [types] if isinstance(types, str) else types
    if not isinstance(named, list) or not named:
        return True
    return any(not isinstance(name, str) or name not in _MUTE for name in named)
