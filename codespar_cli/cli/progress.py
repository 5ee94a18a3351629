"""How far something long has come: one line on a terminal, which is gone when it is done."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from codespar_cli.cli.io import Terminal

_PATIENCE_S = 0.3
_BETWEEN_S = 0.1


class ProgressLine:
    """Called with how much is done, of how much where that is known. Says nothing at first, and nothing at all where nobody sits."""

    def __init__(self, terminal: Terminal, what: str) -> None:
        self._stream = terminal.stderr if terminal.interactive else None
        self._what = what
        self._next = time.monotonic() + _PATIENCE_S
        self._shown = False

    def __call__(self, done: int, of: int | None = None) -> None:
        if self._stream is None or time.monotonic() < self._next:
            return
        self._stream.write(f"\r{self._what}: {done}" + ("" if of is None else f" of {of}"))
        self._stream.flush()
        self._shown = True
        self._next = time.monotonic() + _BETWEEN_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None and self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
