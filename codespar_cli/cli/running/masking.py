"""Replaces known byte strings in a stream, wherever the stream is cut.

Every byte of every occurrence is replaced, also where two overlap; what touches becomes one mask, which tells neither
length nor number. What may be the beginning of an occurrence is held back until it is known. The work per byte is one
look-up for eight: see `Sieve`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TypeAlias

from codespar_cli.cli.running.sieve import Sieve, sieves

MASK = b"********"
GLIMPSE = 3
"""Bytes of a possible beginning that may be shown to someone who waits."""
_NEAR = 256
_HEAD = 4
_TELLING = 8

Span: TypeAlias = tuple[int, int]


class Masker:
    """One stream. `feed` answers what can be shown of what came so far, `finish` the rest."""

    def __init__(self, needles: Collection[bytes]) -> None:
        """`needles` are not empty, and longer than GLIMPSE."""
        self._sieves: list[Sieve] = sieves(needles)
        self._heads = _heads(needles)
        self._long = [needle for needle in needles if len(needle) > _NEAR]
        self._longest = max(map(len, needles), default=0)
        self._buffer = b""
        self._out = 0
        """Where in the buffer the part begins that has not been shown."""
        self._masked_to = -1
        """Where in the buffer the last mask ends; equal to `_out` while a mask was the last thing shown."""

    def feed(self, data: bytes) -> bytes:
        """What can be shown now."""
        if not self._sieves:
            return data
        self._buffer += data
        held = self._beginning()
        shown = self._show(self._occurrences(), held)
        self._buffer = self._buffer[held:]
        self._out -= held
        self._masked_to -= held
        return shown

    @property
    def hides_little(self) -> bool:
        """Whether there is something for `glimpse` to show."""
        return self._out < len(self._buffer) <= GLIMPSE

    def glimpse(self) -> bytes:
        """Show a held end of at most GLIMPSE bytes, for a person who waits for it; the rest of it would be masked."""
        if not self.hides_little:
            return b""
        shown, self._out = self._buffer[self._out :], len(self._buffer)
        return shown

    def finish(self) -> bytes:
        """The rest. Most of a value at the very end is masked as the whole of it would be: it was cut off."""
        spans = self._occurrences()
        for start in range(len(self._buffer)):
            if self._is_telling(self._buffer[start:]):
                spans.append((start, len(self._buffer)))
                break
        shown = self._show(spans, len(self._buffer))
        self._buffer, self._out, self._masked_to = b"", 0, -1
        return shown

    def _show(self, spans: list[Span], held: int) -> bytes:
        parts = []
        for start, end in _merged(spans):
            if start > held:
                break
            if end <= self._out:
                continue
            if start > self._out:
                parts.append(self._buffer[self._out : start])
            if max(start, self._out) != self._masked_to:
                parts.append(MASK)
            self._out = self._masked_to = end
        if self._out < held:
            parts.append(self._buffer[self._out : held])
            self._out = held
        return b"".join(parts)

    def _occurrences(self) -> list[Span]:
        return [
            span
            for sieve in self._sieves
            for needle in sieve.candidates(self._buffer)
            for span in _places(needle, self._buffer)
        ]

    def _beginning(self) -> int:
        """The first place from which on the buffer is the beginning of a needle; its end when there is none."""
        buffer = self._buffer
        size = len(buffer)
        near = max(0, size - _NEAR)
        found = min((place for needle in self._long for place in _begun(needle, buffer, near)), default=size)
        if found < near:
            return found
        heads = self._heads
        for place in range(max(near, size - self._longest + 1), size):
            started = heads.get(buffer[place : place + _HEAD])
            if started is not None and any(
                len(each) > size - place and each.startswith(buffer[place:]) for each in started
            ):
                return place
        return size

    def _is_telling(self, end: bytes) -> bool:
        if len(end) < _TELLING:
            return False
        started = self._heads.get(end[:_HEAD], ())
        return any(len(end) * 2 > len(needle) and needle.startswith(end) for needle in started)


def mask(data: bytes, needles: Collection[bytes]) -> bytes:
    """The whole at once."""
    masker = Masker(needles)
    return masker.feed(data) + masker.finish()


def _heads(needles: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    """Needles by each of their beginnings of up to four bytes; for the shorter ones one needle is as good as all."""
    found: dict[bytes, list[bytes]] = {}
    for needle in needles:
        found.setdefault(needle[:_HEAD], []).append(needle)
        for length in range(1, _HEAD):
            found.setdefault(needle[:length], [needle])
    return found


def _places(needle: bytes, text: bytes) -> Iterator[Span]:
    place = text.find(needle)
    while place >= 0:
        yield place, place + len(needle)
        place = text.find(needle, place + 1)


def _begun(needle: bytes, text: bytes, near: int) -> Iterator[int]:
    """The first place before `near` from which on the text is the beginning of a long needle."""
    head = needle[:_TELLING]
    place = text.find(head, max(0, len(text) - len(needle) + 1))
    while 0 <= place < near:
        if needle.startswith(text[place:]):
            yield place
            return
        place = text.find(head, place + 1)


def _merged(spans: list[Span]) -> Iterator[Span]:
    """Overlapping and touching spans as one, in order."""
    start, end = -1, -1
    for first, last in sorted(spans):
        if first > end:
            if end >= 0:
                yield start, end
            start, end = first, last
        else:
            end = max(end, last)
    if end >= 0:
        yield start, end
