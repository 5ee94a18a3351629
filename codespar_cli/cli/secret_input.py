"""Where a new value comes from: a prompt without echo, stdin, a file, a generator. Never from the command line."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

from codespar_cli.cli.io import Terminal
from codespar_cli.core.administration.secrets import MAX_VALUE_BYTES
from codespar_cli.core.hidden import Hidden
from codespar_cli.errors import NotFoundError, UsageError

SHORTEST_GENERATED = 8
_GENERATED = 32
"""How many characters an example has."""


_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=.")
_TAKE_A_VALUE = frozenset({"set", "rotate"})


def refuse_value_in_argv(command: str, key: str | None, extra: list[str]) -> None:
    """What follows the key, or an equals sign in it, is most likely the value, already in the shell's history: it is not
    repeated. Raises UsageError; of a command that takes no value, for anything that follows the key."""
    name = command.rpartition(" ")[2]
    if name not in _TAKE_A_VALUE:
        if extra:
            found = "one argument" if len(extra) == 1 else f"{len(extra)} arguments"
            raise UsageError(f"`{command}` takes no more than one KEY, found {found} more", hint=f"{command} --help")
        return
    assignment = _ASSIGNMENT.match(key or "")
    given = assignment[1] if assignment else key
    if extra or assignment:
        raise UsageError(
            "a secret's value is never taken from the command line, where other users and the shell's history see it",
            code="value_in_argv",
            hint=f"run `{command} {given or 'KEY'}` and type it, or pipe it in; replace the value if it was real",
        )


def asks(terminal: Terminal, *, from_file: str | None, generate: int | None) -> bool:
    """Whether the value is typed: then what can be refused is refused before."""
    return terminal.stdin.isatty() and from_file is None and generate is None


def read_value(terminal: Terminal, *, from_file: str | None, generate: int | None, command: str) -> Hidden[str]:
    """The new value, exactly; `command` is what to run again after an error.

    Raises UsageError, NotFoundError; neither an error nor a frame of it shows any of the value.
    """
    if from_file is not None and generate is not None:
        raise UsageError("--from-file and --generate exclude each other", hint=f"{command} --generate {_GENERATED}")
    if generate is not None:
        return Hidden(generated(generate, command))
    if from_file is not None and from_file != "-":
        return _decoded(Hidden(_file_bytes(from_file, command)))
    if asks(terminal, from_file=from_file, generate=generate):
        return _asked(terminal, command)
    return _decoded(Hidden(terminal.read_bytes(MAX_VALUE_BYTES)))


def generated(length: int, command: str) -> str:
    """`length` characters of A-Z a-z 0-9 - _, six random bits each."""
    if not SHORTEST_GENERATED <= length <= MAX_VALUE_BYTES:
        raise UsageError(
            f"--generate: expected {SHORTEST_GENERATED} to {MAX_VALUE_BYTES} characters, found {length}",
            hint=f"{command} --generate {_GENERATED}",
        )
    return base64.urlsafe_b64encode(os.urandom(length)).decode()[:length]


def _asked(terminal: Terminal, command: str) -> Hidden[str]:
    try:
        first = Hidden(terminal.ask_hidden("value: "))
        second = Hidden(terminal.ask_hidden("again: "))
    except EOFError:
        raise UsageError("no value was typed", hint=command) from None
    if first != second:
        raise UsageError("the two values differ, nothing was stored", code="values_differ", hint=f"again: {command}")
    if not first.reveal():
        raise UsageError("no value was typed", hint=f"an empty value comes from an empty stdin: {command} < /dev/null")
    return first


def _file_bytes(path: str, command: str) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            return stream.read(MAX_VALUE_BYTES + 1)
    except (OSError, ValueError) as error:
        # The path may be a value in the wrong place, so it is not repeated.
        hint = f"name a file that can be read, or type the value: {command}"
        if isinstance(error, FileNotFoundError):
            raise NotFoundError("--from-file: no such file", hint=hint) from None
        words = (getattr(error, "strerror", None) or "not a path").lower()
        raise UsageError(f"--from-file: cannot be read: {words}", hint=hint) from None


def _decoded(data: Hidden[bytes]) -> Hidden[str]:
    if len(data.reveal()) > MAX_VALUE_BYTES:
        raise UsageError(
            f"the value is longer than {MAX_VALUE_BYTES} bytes",
            code="value_too_long",
            hint="keep large material in a file, and the key that encrypts the file here",
        )
    try:
        return Hidden(data.reveal().decode())
    except UnicodeDecodeError:
        pass  # raised from here, an error would bring this one along, and the value with it
    raise UsageError(
        "the value is not valid UTF-8", code="invalid_utf8", hint="encode binary material first: base64 < FILE"
    )
