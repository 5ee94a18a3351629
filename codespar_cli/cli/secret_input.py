"""Where a new value comes from: a prompt without echo, stdin, a file, a generator. Never from the command line."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from codespar_cli.cli.io import Terminal
from codespar_cli.core.administration.secrets import MAX_VALUE_BYTES
from codespar_cli.errors import UsageError

SHORTEST_GENERATED = 8


def refuse_value_in_argv(key: str | None, extra: list[str]) -> None:
    """What follows the key is most likely the value, already in the shell's history: it is not repeated."""
    if extra:
        raise UsageError(
            "a secret's value is never taken from the command line, where other users and the shell's history see it",
            code="value_in_argv",
            hint=f"run `codespar secrets set {key or 'KEY'}` and type it, or pipe it in; replace the value if it was real",
        )


def read_value(terminal: Terminal, *, from_file: str | None, generate: int | None) -> str:
    """The new value, exactly. Raises UsageError; no error shows any of it."""
    if from_file is not None and generate is not None:
        raise UsageError("--from-file and --generate exclude each other")
    if generate is not None:
        return generated(generate)
    if from_file is not None and from_file != "-":
        return _decoded(_file_bytes(from_file))
    if terminal.stdin.isatty() and from_file is None:
        return _asked(terminal)
    return _decoded(terminal.read_bytes(MAX_VALUE_BYTES))


def generated(length: int) -> str:
    """`length` characters of A-Z a-z 0-9 - _, six random bits each."""
    if not SHORTEST_GENERATED <= length <= MAX_VALUE_BYTES:
        raise UsageError(f"--generate: expected {SHORTEST_GENERATED} to {MAX_VALUE_BYTES} characters, found {length}")
    return base64.urlsafe_b64encode(os.urandom(length)).decode()[:length]


def _asked(terminal: Terminal) -> str:
    try:
        first = terminal.ask_hidden("value: ")
        second = terminal.ask_hidden("again: ")
    except EOFError:
        raise UsageError("no value was typed") from None
    if first != second:
        raise UsageError("the two values differ, nothing was stored", code="values_differ")
    if not first:
        raise UsageError("no value was typed", hint="an empty value is stored from an empty stdin: < /dev/null")
    return first


def _file_bytes(path: str) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            return stream.read(MAX_VALUE_BYTES + 1)
    except (OSError, ValueError) as error:
        words = (getattr(error, "strerror", None) or "not a path").lower()
        raise UsageError(f"--from-file: cannot be read: {words}") from None  # may be a value, so it is not repeated


def _decoded(data: bytes) -> str:
    if len(data) > MAX_VALUE_BYTES:
        raise UsageError(
            f"the value is longer than {MAX_VALUE_BYTES} bytes",
            code="value_too_long",
            hint="keep large material in a file, and the key that encrypts the file here",
        )
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise UsageError(
            "the value is not valid UTF-8", code="invalid_utf8", hint="encode binary material first: base64 < FILE"
        ) from None
