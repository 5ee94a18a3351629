"""The one place that reads and writes the terminal: stdout is data, stderr is talk.

Everything a user sees passes through here, so that text from outside is made harmless once, colour is decided once,
and a closed pipe is met once. Tests build a `Terminal` over three buffers.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO, TextIOWrapper
from typing import Any, BinaryIO, TextIO, cast

from codespar_cli.core.text import visible

_LEAST_LAST_COLUMN = 16
_LEAST_WIDTH = 40
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Terminal:
    """Input, data output and talk, with what is known about each."""

    def __init__(self, stdin: TextIO, stdout: TextIO, stderr: TextIO, *, color: bool, width: int = 100) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.color = color
        self.width = width
        self.reader_gone = False

    @classmethod
    def of_process(cls, environ: Mapping[str, str], *, no_color: bool = False) -> Terminal:
        """The process's own streams. `--no-color`, `NO_COLOR` and `FORCE_COLOR` are obeyed, in this order."""
        stdout, stderr = sys.stdout, sys.stderr
        for stream in (stdout, stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        if no_color or environ.get("NO_COLOR"):
            color = False
        else:
            color = bool(environ.get("FORCE_COLOR")) or (_is_tty(stdout) and environ.get("TERM") != "dumb")
        width = int(columns) if (columns := environ.get("COLUMNS", "")).isdecimal() else _terminal_width(stdout)
        return cls(sys.stdin, stdout, stderr, color=color, width=max(width, _LEAST_WIDTH))

    # ── data ──

    def line(self, text: str = "", *, style: str = "") -> None:
        """One line of data. Harmful characters are spelled out."""
        self._put(self._styled(visible(text), style) + "\n")

    def json(self, value: Any) -> None:
        """One JSON document. ASCII only, so that no terminal, locale or lone surrogate can break it."""
        self._put(json.dumps(value, indent=2, default=_plain) + "\n")

    def json_items(self, values: Iterable[Any]) -> None:
        """One JSON array, each element written as it comes; closed in any case, so that what was written can be read."""
        waiting, begun = iter(values), False
        try:
            for value in waiting:
                text = json.dumps(value, indent=2, default=_plain).replace("\n", "\n  ")
                self._put(f"{',' if begun else '['}\n  {text}")
                begun = True
        except BaseException:
            if begun:
                self._put("\n]\n")
            raise
        self._put("\n]\n" if begun else "[]\n")

    def json_line(self, value: Any) -> None:
        """One record of a stream, on a line of its own, out at once. Raises BrokenPipeError when nobody reads."""
        self.stdout.write(json.dumps(value, separators=(",", ":"), default=_plain) + "\n")
        self.stdout.flush()

    def raw(self, data: bytes) -> None:
        """Exactly these bytes."""
        self.stdout.flush()
        buffer = getattr(self.stdout, "buffer", None)
        if buffer is None:
            self.stdout.write(data.decode("utf-8", "surrogateescape"))
        else:
            buffer.write(data)
            buffer.flush()

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "") -> None:
        """Aligned columns: a drawn table for people, plain text for everything else. `empty` is said on stderr."""
        cells = [[visible("" if cell is None else str(cell)) for cell in row] for row in rows]
        if not cells:
            if empty:
                self.note(empty)
            return
        if self.color:
            self._draw(headers, cells)
            return
        widths = [max(len(row[i]) for row in [list(headers), *cells]) for i in range(len(headers))]
        for row in [[header.upper() for header in headers], *cells]:
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self._put("  ".join(padded).rstrip() + "\n")

    # ── talk ──

    def note(self, text: str, *, style: str = "") -> None:
        """One line for the person, on stderr, after the data it follows."""
        self.flush()
        self.stderr.write(self._styled(visible(text), style) + "\n")
        self.stderr.flush()

    def error(self, message: str, hint: str | None = None) -> None:
        self.stderr.write(f"{self._styled('error:', 'red')} {visible(message)}\n")
        if hint:
            self.stderr.write(f"{self._styled('hint:', 'cyan')} {visible(hint)}\n")
        self.stderr.flush()

    # ── input ──

    @property
    def interactive(self) -> bool:
        """Whether a person sits there to be asked."""
        return _is_tty(self.stdin) and _is_tty(self.stderr)

    def read_bytes(self, limit: int) -> bytes:
        """Everything on stdin, exactly, but never more than `limit + 1` bytes."""
        buffer = cast("BinaryIO | None", getattr(self.stdin, "buffer", None))
        if buffer is None:
            return self.stdin.read(limit + 1).encode("utf-8", "surrogateescape")
        return buffer.read(limit + 1)

    def ask_hidden(self, prompt: str) -> str:
        """Ask without echo."""
        import getpass

        return getpass.getpass(prompt, stream=self.stderr)

    def confirm(self, question: str) -> bool:
        self.stderr.write(f"{visible(question)} [y/N] ")
        self.stderr.flush()
        return self.stdin.readline().strip().lower() in {"y", "yes"}

    # ── inside ──

    def flush(self) -> None:
        """Out with the data. A reader that has gone is remembered, so that a command can still come to its answer."""
        try:
            self.stdout.flush()
        except BrokenPipeError:
            self.reader_gone = True

    def _put(self, text: str) -> None:
        if not self.reader_gone:
            try:
                self.stdout.write(text)
            except BrokenPipeError:
                self.reader_gone = True

    def _styled(self, text: str, style: str) -> str:
        if not (style and self.color):
            return text
        codes = ";".join(_STYLES[name] for name in style.split())
        return f"\x1b[{codes}m{text}\x1b[0m"

    def _draw(self, headers: Sequence[str], cells: list[list[str]]) -> None:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        # Only the last column gives way to a narrow terminal: a name broken in two cannot be copied.
        *fixed, _ = (max(len(row[i]) for row in [list(headers), *cells]) for i in range(len(headers)))
        width = max(self.width, sum(fixed) + 2 * len(fixed) + _LEAST_LAST_COLUMN)
        table = Table(box=None, header_style="bold", pad_edge=False)
        for number, header in enumerate(headers):
            table.add_column(header.upper(), overflow="fold", no_wrap=number < len(fixed))
        for row in cells:
            table.add_row(*(Text(cell) for cell in row))
        drawn = StringIO()
        console = Console(file=drawn, width=width, force_terminal=True, markup=False, highlight=False)
        console.print(table)
        self._put(drawn.getvalue())


def _plain(value: object) -> str:
    return str(value)


def _is_tty(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False


def _terminal_width(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 100
    except (OSError, ValueError, AttributeError):
        return 100
