"""A stream of bytes, cut at line feeds and nowhere else: what MCP on stdio calls a message.

A line is held until it is whole. One that is longer than `MOST_BYTES` is not held any more: it comes in pieces.
"""

from __future__ import annotations

from typing import NamedTuple

MOST_BYTES = 64 << 20
"""The longest line that is held whole. Twice as much is the most that the bytes of one direction take."""
MOST_READ = 32 << 20
"""The longest line that is read as a message; half of it where it is not ASCII, since a text may take four bytes for each."""
MOST_SIGNS = 1_000_000
"""Of commas and opening brackets in a line that is read: each may be a value of a hundred bytes."""


def is_readable(line: bytes) -> bool:
    """Whether what a line says may be made into values."""
    if len(line) <= MOST_SIGNS:
        return True
    return (
        len(line) <= (MOST_READ if line.isascii() else MOST_READ // 2)
        and sum(map(line.count, (b",", b"[", b"{"))) <= MOST_SIGNS
    )


class Line(NamedTuple):
    """`data` with its line feed, if it had one. Pieces of an overlong line have `whole=False`, the last one `ends=True`."""

    data: bytes
    whole: bool = True
    ends: bool = True


class LineCutter:
    """Not safe to share between threads. Nothing is added, dropped or changed: joined, the lines are what was fed."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._held: list[bytes] = []
        self._size = 0
        self._overlong = False

    def feed(self, data: bytes) -> list[Line]:
        """The lines that end in `data`, and pieces of one that has become too long."""
        first_end = data.find(b"\n") + 1
        if not self._held and not self._overlong and first_end == len(data) <= self._most and first_end:
            return [Line(data)]  # nearly always: one read, one message
        lines: list[Line] = []
        start = 0
        while end := data.find(b"\n", start) + 1:
            self._close(data[start:end], lines)
            start = end
        if start < len(data):
            self._hold(data[start:], lines)
        return lines

    def rest(self) -> list[Line]:
        """What is left at the end of the stream: a last line without a line feed."""
        held, self._held, self._size = b"".join(self._held), [], 0
        return [Line(held, whole=not self._overlong)] if held or self._overlong else []

    def _close(self, last: bytes, lines: list[Line]) -> None:
        held = b"".join([*self._held, last]) if self._held else last
        whole = not self._overlong and len(held) <= self._most
        self._held, self._size, self._overlong = [], 0, False
        lines.append(Line(held, whole=whole))

    def _hold(self, data: bytes, lines: list[Line]) -> None:
        self._held.append(data)
        self._size += len(data)
        if self._overlong or self._size > self._most:
            self._overlong = True
            lines.append(Line(b"".join(self._held), whole=False, ends=False))
            self._held, self._size = [], 0
