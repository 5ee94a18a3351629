"""Characters that a model reads and a person does not see: control, bidi, zero width, tags, variation selectors.

Two are what they seem in ordinary text and pass: one variation selector after a sign it selects the form of (the heart
in colour), and one joiner between two pictographs (a family of emoji).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

from codespar_cli.core.text import find_harmful

Path = tuple[str | int, ...]

_LAYOUT = frozenset("\n\r\t")
_SELECTORS = frozenset("\ufe0e\ufe0f")
_KEYCAPS = frozenset("#*0123456789")
_SKIN = range(0x1F3FB, 0x1F400)
_JOINER = "\u200d"


def may_hide(text: str) -> bool:
    """Whether a canonical text is worth a closer look: most definitions are plain ASCII."""
    return not text.isascii() or "\\u00" in text or "\x7f" in text


def hidden_places(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text with such a character, and where it is: a value, or the name of a key."""
    if isinstance(value, str):
        if _hides(value):
            yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if _hides(key):
                yield (*path, key), key
            yield from hidden_places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from hidden_places(inner, (*path, index))


def _hides(text: str) -> bool:
    if text.isascii() and text.isprintable():
        return False
    return any(match[0] not in _LAYOUT and not _belongs(text, match.start(), match[0]) for match in find_harmful(text))


def _belongs(text: str, at: int, sign: str) -> bool:
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if sign in _SELECTORS:
        # On a digit only as part of a keycap: digits are everywhere, and each could carry a bit.
        return _is_pictograph(before) or (before in _KEYCAPS and before != "" and after == "\u20e3")
    if sign == _JOINER:
        return _is_pictograph(after) and (_is_pictograph(before) or _selects(text, at - 1))
    return False


def _selects(text: str, at: int) -> bool:
    return at > 0 and text[at] in _SELECTORS and _is_pictograph(text[at - 1])


def _is_pictograph(sign: str) -> bool:
    return sign != "" and (unicodedata.category(sign) in {"So", "Sm"} or ord(sign) in _SKIN)
