"""Lines for the operator, at a pace: who can be made to write a line by every stranger would fill a disk for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable


class PacedLog:
    """At most `lines` lines in `within_s` seconds reach `write`; the next one that does tells how many did not."""

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        lines: int = 20,
        within_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._lines = lines
        self._within_s = within_s
        self._clock = clock
        self._began = clock()
        self._written = 0
        self._untold = 0

    def __call__(self, line: str) -> None:
        now = self._clock()
        if now - self._began >= self._within_s:
            self.flush()
            self._began, self._written = now, 0
        if self._written >= self._lines:
            self._untold += 1
            return
        self._written += 1
        self._write(line)

    def flush(self) -> None:
        """Tell how many lines were left out."""
        if self._untold:
            untold, self._untold = self._untold, 0
            self._write(f"{untold} more line{'' if untold == 1 else 's'} like these in {self._within_s:g} s")


class ServersWords(logging.Handler):
    """uvicorn's warnings as lines of ours. Only the first line: a traceback holds what came in."""

    def __init__(self, log: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._told = log

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage().partition("\n")[0]
        if record.exc_info and record.exc_info[0] is not None:
            line += f": {record.exc_info[0].__name__}"
        self._told(line)
