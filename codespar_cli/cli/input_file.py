"""A file that was named on the command line, or stdin: its bytes, and who else can read it."""

from __future__ import annotations

import os
import shlex
import stat
from typing import NamedTuple

from codespar_cli.cli.io import Terminal
from codespar_cli.errors import NotFoundError, UsageError

MOST_BYTES = 16 << 20


class InputFile(NamedTuple):
    """`exposed` is the mode of a regular file that others than its owner have access to, else None."""

    name: str
    data: bytes
    exposed: int | None = None

    def __repr__(self) -> str:
        return f"<InputFile {self.name}>"


def read_input(terminal: Terminal, path: str) -> InputFile:
    """`-` is stdin. Raises NotFoundError, UsageError."""
    if path == "-":
        return InputFile("stdin", _bounded("stdin", terminal.read_bytes(MOST_BYTES)))
    try:
        with open(path, "rb") as stream:  # noqa: PTH123  a path with a NUL raises the same for both
            facts = os.fstat(stream.fileno())
            data = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        folder = os.path.dirname(path) or "."  # noqa: PTH120  as text: what was typed may be no path
        raise NotFoundError(f"no such file: `{path}`", hint=f"ls -l {shlex.quote(folder)}") from None
    except (OSError, ValueError) as error:
        words = (getattr(error, "strerror", None) or "not a path").lower()
        raise UsageError(f"cannot be read: {words}", file=path, hint=f"ls -ld {shlex.quote(path)}") from None
    mode = stat.S_IMODE(facts.st_mode)
    exposed = mode if stat.S_ISREG(facts.st_mode) and mode & 0o077 else None
    return InputFile(path, _bounded(path, data), exposed)


def _bounded(name: str, data: bytes) -> bytes:
    if len(data) > MOST_BYTES:
        raise UsageError(
            f"longer than {MOST_BYTES} bytes",
            file=name,
            hint="split it: split --line-bytes=8M FILE, or name another file",
        )
    return data
