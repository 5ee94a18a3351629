"""Characters that a model reads and a person does not see: control, bidi, zero width, tags, variation selectors.

Two are what they seem in ordinary text and pass: one variation selector after a sign it selects the form of (the heart
in colour), and one joiner between two pictographs (a family of emoji).

Text far behind a long blank is out of sight as well: a person sees where the text seems to end, a model reads on.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from codespar_cli.core.text import find_harmful

Path = tuple[str | int, ...]

_LAYOUT = frozenset("\n\r\t")
_PLAIN_BLANK = frozenset(" \t\n\r")
_SELECTORS = frozenset("\ufe0e\ufe0f")
_KEYCAPS = frozenset("#*0123456789")
_SKIN = range(0x1F3FB, 0x1F400)
_JOINER = "\u200d"
_BLANK_SIGNS = frozenset("\u2800\U00013441\U00013442\U00016fe4\U0001d159")
"""The empty braille pattern, Egyptian blanks, a Khitan filler, the empty note head: no white space to any rule, and drawn
as nothing. Hangul fillers are among the harmful ones."""
LINES_IN_A_ROW = 8
"""So many line breaks with nothing but blanks between are ordinary before more text."""
SPACES_IN_A_ROW = 40
"""So many spaces and tabs in one line are ordinary before more text: deep code, columns of a table."""
ODD_SPACES_IN_A_ROW = 19
"""The same where one of them is no plain space, tab or line break: nobody indents with no-break spaces."""
_BLANK_RUN = re.compile(r"\s{9,}")
_MAY_BLANK = re.compile(r"(?:\\[nrtf]| ){9}")
"""As above, in a canonical text, where breaks and tabs are spelled."""
_BREAK = re.compile(r"\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")


def may_hide(text: str) -> bool:
    """Whether a canonical text is worth a closer look: most definitions are plain ASCII."""
    return not text.isascii() or "\\u00" in text or "\x7f" in text or _MAY_BLANK.search(text) is not None


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
    if _pushes_out_of_sight(text):
        return True
    if text.isascii() and text.isprintable():
        return False
    if not _BLANK_SIGNS.isdisjoint(text):
        return True
    return any(match[0] not in _LAYOUT and not _belongs(text, match.start(), match[0]) for match in find_harmful(text))


def _pushes_out_of_sight(text: str) -> bool:
    """Whether more text comes after a longer blank than ordinary text has. A blank at the end hides nothing."""
    return any(match.end() < len(text) and _is_far(match[0]) for match in _BLANK_RUN.finditer(text))


def _is_far(blank: str) -> bool:
    lines = _BREAK.split(blank)
    if len(lines) - 1 > LINES_IN_A_ROW or max(map(len, lines)) > SPACES_IN_A_ROW:
        return True
    return len(blank) > ODD_SPACES_IN_A_ROW and not set(blank) <= _PLAIN_BLANK


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
