"""Where a new value comes from: a prompt without echo, stdin, a file, a generator. Never from the command line."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

from codespar_cli.cli.io import Terminal
from codespar_cli.core.administration.secrets import MAX_VALUE_BYTES
from codespar_cli.core.hidden import Hidden
from codespar_cli.errors import UsageError

SHORTEST_GENERATED = 8


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


def read_value(terminal: Terminal, *, from_file: str | None, generate: int | None) -> Hidden[str]:
    """The new value, exactly. Raises UsageError; neither an error nor a frame of it shows any of it."""
    if from_file is not None and generate is not None:
        raise UsageError("--from-file and --generate exclude each other")
    if generate is not None:
        return Hidden(generated(generate))
    if from_file is not None and from_file != "-":
        return _decoded(Hidden(_file_bytes(from_file)))
    if terminal.stdin.isatty() and from_file is None:
        return _asked(terminal)
    return _decoded(Hidden(terminal.read_bytes(MAX_VALUE_BYTES)))


def generated(length: int) -> str:
    """`length` characters of A-Z a-z 0-9 - _, six random bits each."""
    if not SHORTEST_GENERATED <= length <= MAX_VALUE_BYTES:
        raise UsageError(f"--generate: expected {SHORTEST_GENERATED} to {MAX_VALUE_BYTES} characters, found {length}")
    return base64.urlsafe_b64encode(os.urandom(length)).decode()[:length]


def _asked(terminal: Terminal) -> Hidden[str]:
    try:
        first = Hidden(terminal.ask_hidden("value: "))
        second = Hidden(terminal.ask_hidden("again: "))
    except EOFError:
        raise UsageError("no value was typed") from None
    if first != second:
        raise UsageError("the two values differ, nothing was stored", code="values_differ")
    if not first.reveal():
        raise UsageError("no value was typed", hint="an empty value is stored from an empty stdin: < /dev/null")
    return first


def _file_bytes(path: str) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            return stream.read(MAX_VALUE_BYTES + 1)
    except (OSError, ValueError) as error:
        words = (getattr(error, "strerror", None) or "not a path").lower()
        raise UsageError(f"--from-file: cannot be read: {words}") from None  # may be a value, so it is not repeated


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
