"""Replaces known byte strings in a stream, wherever the stream is cut.

Every byte of every occurrence is replaced, also where two overlap; what touches becomes one mask, which tells neither
length nor number. What may be the beginning of an occurrence is held back until it is known. The work per byte is one
look-up for eight: see `Sieve`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import TypeAlias

from codespar_cli.core.masking.sieve import Sieve, sieves

MASK = b"********"
GLIMPSE = 3
"""Bytes of a possible beginning that may be shown to someone who waits."""
_NEAR = 256
_HEAD = 4
_TELLING = 8
_LINE_ENDS = b"\r\n"
_LINE_END = re.compile(rb"[\r\n]")

Span: TypeAlias = tuple[int, int]


class Masker:
    """One stream. `feed` answers what can be shown of what came so far, `finish` the rest."""

    def __init__(self, needles: Collection[bytes], broken: Collection[bytes] = ()) -> None:
        """`needles` are not empty, and longer than GLIMPSE. `broken` are those that may be broken into lines anywhere."""
        self._whole = _Finder(needles)
        self._broken = _Finder(broken)
        self._needles = bool(needles)
        self._buffer = b""
        self._out = 0
        """Where in the buffer the part begins that has not been shown."""
        self._masked_to = -1
        """Where in the buffer the last mask ends; equal to `_out` while a mask was the last thing shown."""

    def feed(self, data: bytes) -> bytes:
        """What can be shown now."""
        if not self._needles:
            return data
        self._buffer += data
        unbroken = self._unbroken()
        whole, broken = self._whole.beginning(self._buffer), self._broken.beginning(unbroken.text)
        held, kept = min(whole, unbroken.waited_for(broken)), min(whole, unbroken.place(broken))
        shown = self._show(self._occurrences(unbroken), held)
        self._buffer = self._buffer[kept:]
        self._out -= kept
        self._masked_to -= kept
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
        unbroken = self._unbroken()
        end = len(self._buffer)
        cut_off = min(self._whole.telling_end(self._buffer), unbroken.place(self._broken.telling_end(unbroken.text)))
        spans = [*self._occurrences(unbroken), *([(cut_off, end)] if cut_off < end else [])]
        shown = self._show(spans, end)
        self._buffer, self._out, self._masked_to = b"", 0, -1
        return shown

    def _unbroken(self) -> _Unbroken:
        return _Unbroken(self._buffer if self._broken.needles else b"", len(self._buffer))

    def _occurrences(self, unbroken: _Unbroken) -> list[Span]:
        found = [
            (unbroken.place(start), unbroken.place(end - 1) + 1) for start, end in self._broken.spans(unbroken.text)
        ]
        return [*self._whole.spans(self._buffer), *found]

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


class _Unbroken:
    """A text without its line ends, and where its bytes were."""

    def __init__(self, text: bytes, size: int) -> None:
        self.text = text.translate(None, _LINE_ENDS)
        self._size = size
        self._original = text
        self._shifts: list[int] | None = None

    def waited_for(self, index: int) -> int:
        """From which place of the original on to wait for more, where what may be a needle begins at `index`.

        Not for a few characters at the end of a line: a line is shown when it is over, and one in twenty ends with what
        some encoding begins with.
        """
        place = self.place(index)
        few = len(self.text) - index < _TELLING
        return self._size if few and _LINE_END.search(self._original, place) else place

    def place(self, index: int) -> int:
        """Where the byte at `index` stands in the original; its end for what is past the last."""
        if index >= len(self.text):
            return self._size
        if self._shifts is None:  # needed when something was found: seldom
            ends = (match.start() for match in _LINE_END.finditer(self._original))
            self._shifts = [place - number for number, place in enumerate(ends)]
        return index + bisect_right(self._shifts, index)


class _Finder:
    """Some needles, looked for in a text."""

    def __init__(self, needles: Collection[bytes]) -> None:
        self.needles = bool(needles)
        self._sieves: list[Sieve] = sieves(needles)
        self._heads = _heads(needles)
        self._long = [needle for needle in needles if len(needle) > _NEAR]
        self._longest = max(map(len, needles), default=0)

    def spans(self, text: bytes) -> list[Span]:
        """Every occurrence; where one needle overlaps itself again and again, all of it as one."""
        return [span for sieve in self._sieves for needle in sieve.candidates(text) for span in _places(needle, text)]

    def beginning(self, text: bytes) -> int:
        """The first place from which on the text is the beginning of a needle; its end when there is none."""
        size = len(text)
        near = max(0, size - _NEAR)
        found = min((place for needle in self._long for place in _begun(needle, text, near)), default=size)
        if found < near:
            return found
        for place in range(max(near, size - self._longest + 1), size):
            started = self._heads.get(text[place : place + _HEAD])
            if started is not None and any(
                len(each) > size - place and each.startswith(text[place:]) for each in started
            ):
                return place
        return size

    def telling_end(self, text: bytes) -> int:
        """Where most of a needle begins that the end of the text cuts off; its end when there is none."""
        for start in range(max(0, len(text) - self._longest), len(text) - _TELLING + 1):
            end = text[start:]
            started = self._heads.get(end[:_HEAD], ())
            if any(len(end) * 2 > len(needle) and needle.startswith(end) for needle in started):
                return start
        return len(text)


def mask(data: bytes, needles: Collection[bytes], broken: Collection[bytes] = ()) -> bytes:
    """The whole at once."""
    masker = Masker(needles, broken)
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
    size = len(needle)
    place = text.find(needle)
    while place >= 0:
        end = place + size
        if text.find(needle, place + 1, end + size - 1) >= 0:
            # What overlaps itself repeats with its period: nothing of what was compared need be compared again.
            step = _period(needle)
            while text.startswith(needle[size - step :], end):
                end += step
        yield place, end
        place = text.find(needle, max(place + 1, end - size + 1))


@lru_cache(maxsize=256)
def _period(needle: bytes) -> int:
    """By how much a text can be shifted at the least to meet itself: its length less its longest border."""
    borders = [0] * len(needle)
    border = 0
    for index in range(1, len(needle)):
        while border and needle[index] != needle[border]:
            border = borders[border - 1]
        border += needle[index] == needle[border]
        borders[index] = border
    return len(needle) - border


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
