"""Classes of characters in ECMA-262 expressions: ranges of code points and Unicode categories."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

_LAST = 0x10FFFF


@dataclass(slots=True, frozen=True)
class CharacterClass:
    """A character is in it when a range, a category or a part has it; with `negated`, when none has."""

    ranges: tuple[tuple[int, int], ...] = ()
    categories: tuple[str, ...] = ()
    parts: tuple[CharacterClass, ...] = ()
    negated: bool = False

    def has(self, character: str) -> bool:
        return self._within(character) is not self.negated

    def _within(self, character: str) -> bool:
        point = ord(character)
        for low, high in self.ranges:
            if low <= point <= high:
                return True
        if self.categories and unicodedata.category(character).startswith(self.categories):
            return True
        return any(part.has(character) for part in self.parts)

    def inverted(self) -> CharacterClass:
        return CharacterClass(parts=(self,), negated=True)


def one(character: str) -> CharacterClass:
    return CharacterClass(((ord(character), ord(character)),))


def _of(*pairs: tuple[str, str]) -> CharacterClass:
    return CharacterClass(tuple((ord(low), ord(high)) for low, high in pairs))


_TERMINATORS = _of(("\n", "\n"), ("\r", "\r"), ("\u2028", "\u2029"))
_SPACES = _of(
    ("\t", "\r"),
    (" ", " "),
    ("\u00a0", "\u00a0"),
    ("\u1680", "\u1680"),
    ("\u2000", "\u200a"),
    ("\u2028", "\u2029"),
    ("\u202f", "\u202f"),
    ("\u205f", "\u205f"),
    ("\u3000", "\u3000"),
    ("\ufeff", "\ufeff"),
)
ANY_CHARACTER = CharacterClass(((0, _LAST),))
DOT = _TERMINATORS.inverted()
DIGITS = _of(("0", "9"))
WORD = _of(("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z"))
SHORTHANDS = {
    "d": DIGITS,
    "D": DIGITS.inverted(),
    "w": WORD,
    "W": WORD.inverted(),
    "s": _SPACES,
    "S": _SPACES.inverted(),
}
CONTROLS = {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "0": "\0"}
_LONG_NAMES = {
    "Letter": "L",
    "Uppercase_Letter": "Lu",
    "Lowercase_Letter": "Ll",
    "Mark": "M",
    "Number": "N",
    "Decimal_Number": "Nd",
    "Punctuation": "P",
    "Symbol": "S",
    "Separator": "Z",
    "Space_Separator": "Zs",
    "Other": "C",
    "Control": "Cc",
}
_MAJOR = frozenset("LMNPSZC")


def property_class(name: str) -> CharacterClass | None:
    r"""`\p{Lu}`, `\p{Letter}`, `\p{General_Category=L}`; None for scripts and other properties."""
    value = name.removeprefix("General_Category=").removeprefix("gc=")
    value = _LONG_NAMES.get(value, value)
    if 1 <= len(value) <= 2 and value[0] in _MAJOR and (len(value) == 1 or value[1].islower()):
        return CharacterClass(categories=(value,))
    return None
