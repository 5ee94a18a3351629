"""The ways a command's output takes to ours: a pipe or a pty each, masked on the way."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
from typing import NamedTuple

from codespar_cli.cli.running.terminal import open_output_pty
from codespar_cli.core.masking.masker import Masker
from codespar_cli.core.masking.spellings import Spellings

CHUNK = 65_536
_PIPE_BYTES = 1 << 20


class Channel:
    """One stream of the command: read at `source`, masked, written to `target`."""

    def __init__(self, source: int, target: int, masker: Masker) -> None:
        self.source = source
        self.target = target
        self.masker = masker
        self.watched = os.isatty(target)
        """Whether a person looks at it, who is not to wait for the last three characters of a prompt."""
        self.reader_gone = False

    def pump(self) -> bool:
        """Move what is there. False at the end, which is also when nobody reads any more."""
        try:
            data = os.read(self.source, CHUNK)
        except BlockingIOError:
            return True
        except OSError:  # a pty whose other end is closed
            data = b""
        if not data:
            return False
        self._write(self.masker.feed(data))
        return not self.reader_gone

    @property
    def is_waited_for(self) -> bool:
        """Whether a person may be waiting for a few characters that are held back."""
        return self.watched and self.masker.hides_little

    def glimpse(self) -> None:
        if self.watched:
            self._write(self.masker.glimpse())

    def end(self) -> None:
        """Write what is left."""
        self._write(self.masker.finish())

    def _write(self, data: bytes) -> None:
        try:
            write_all(self.target, data)
        except OSError:
            self.reader_gone = True

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.source)


class Outputs(NamedTuple):
    """Where the command writes, by its descriptor, and the channels that carry it on."""

    ends: dict[int, int]
    channels: list[Channel]

    def close_ends(self) -> None:
        for end in set(self.ends.values()):
            os.close(end)


def open_outputs(needles: Spellings, streams: tuple[int, ...] = (1, 2)) -> Outputs:
    """A channel for each stream; one for both where they lead to the same place, so that their order is kept."""
    ends: dict[int, int] = {}
    channels: list[Channel] = []
    for stream in streams:
        if stream == 2 and 1 in ends and _same(1, 2):
            ends[2] = ends[1]
            continue
        ours, theirs = open_output_pty(stream) if os.isatty(stream) else _pipe()
        ends[stream] = theirs
        channels.append(Channel(ours, stream, Masker(*needles)))
    return Outputs(ends, channels)


def write_all(target: int, data: bytes) -> None:
    """All of it, also to a descriptor that someone made non-blocking. Raises OSError."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(target, view) :]
        except BlockingIOError:
            select.select([], [target], [])


def _pipe() -> tuple[int, int]:
    ours, theirs = os.pipe()
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return ours, theirs


def _same(one: int, other: int) -> bool:
    first, second = os.fstat(one), os.fstat(other)
    return (first.st_dev, first.st_ino, first.st_rdev) == (second.st_dev, second.st_ino, second.st_rdev)
