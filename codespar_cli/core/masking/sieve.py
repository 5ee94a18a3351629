"""Which of many byte strings may be in a text, at one look-up for every eight bytes of it.

Whatever its place, an occurrence of 15 bytes holds one whole aligned word of 8. So a text is looked at as its aligned
words, and only needles with a word in common are searched for. Set intersection over a cast memoryview does that
without a Python step per byte: several hundred times the speed of an automaton in Python.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal, TypeAlias

Word: TypeAlias = Literal["Q", "I"]

_STRIDES: tuple[tuple[int, Word, int], ...] = ((15, "Q", 8), (7, "I", 4), (4, "I", 1))
"""The shortest needle, the word's format, and how far apart words are looked at: word size + stride - 1 is shortest."""
_SIZES = {"Q": 8, "I": 4}
_FEW = 12
"""This many needles are searched for one by one as fast."""


class Sieve:
    """Needles of similar length."""

    def __init__(self, needles: Collection[bytes], word: Word, stride: int) -> None:
        self._needles = needles
        self._word = word
        self._size = _SIZES[word]
        self._stride = stride
        self._by_word: dict[int, list[bytes]] = {}
        for needle in needles if len(needles) > _FEW else ():
            for start in range(stride):
                found = self._by_word.setdefault(self._number(needle[start : start + self._size]), [])
                if not found or found[-1] is not needle:
                    found.append(needle)
        self._words = frozenset(self._by_word)

    def candidates(self, text: bytes) -> Iterable[bytes]:
        """The needles that may be in the text: never fewer than are."""
        if len(self._needles) <= _FEW:
            return self._needles
        hits: set[int] = set()
        for phase in range(0, self._size, self._stride):
            whole = (len(text) - phase) // self._size * self._size
            if whole > 0:
                hits.update(self._words.intersection(memoryview(text)[phase : phase + whole].cast(self._word)))
        return {needle for hit in hits for needle in self._by_word[hit]} if hits else ()

    def _number(self, word: bytes) -> int:
        number: int = memoryview(word).cast(self._word)[0]
        return number


def sieves(needles: Collection[bytes]) -> list[Sieve]:
    """One for each length class that has needles. Raises ValueError for a needle of fewer than four bytes."""
    classes: dict[tuple[int, Word, int], list[bytes]] = {}
    for needle in sorted(set(needles)):
        kind = next((each for each in _STRIDES if len(needle) >= each[0]), None)
        if kind is None:
            raise ValueError(f"a needle has {len(needle)} bytes, fewer than {_STRIDES[-1][0]}")
        classes.setdefault(kind, []).append(needle)
    return [Sieve(found, word, stride) for (_, word, stride), found in classes.items()]
