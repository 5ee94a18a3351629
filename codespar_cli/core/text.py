"""Making text from outside harmless: no control, bidi or invisible character reaches a terminal or a log.

`clean_line` removes them, for text that becomes data (an event's title); `visible` spells them out, for text that is
shown as it came (a tool's name in a table).
"""

from __future__ import annotations

from codespar_cli.core.light_cache import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator

# C0, DEL, C1; line and paragraph separators; interlinear annotations; surrogates; and what Unicode calls
# Default_Ignorable_Code_Point (DerivedCoreProperties.txt), all of it drawn as nothing: soft hyphen, joiners, fillers,
# zero width and bidi marks, embeddings, overrides and isolates, variation selectors, byte order mark, tags.
_HARMFUL = (
    "\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_HARMFUL_RUN = f"[{_HARMFUL}]"
_WHITE = r"[\t\n\v\f\r\u0085\u2028\u2029]+"
# Blank without being white space: the empty braille pattern and the empty note head. Among other signs they have their use.
_SEEN = r"[^\s\u2800\U0001d159]"
_HARMFUL_BUT_LINES = f"(?![\\n\\t])[{_HARMFUL}]"


@lru_cache(maxsize=None)
def _expression(text: str) -> re.Pattern[str]:
    """Compiled when it is first needed: most text is plain, and importing `re` costs as much as judging a call."""
    import re

    return re.compile(text)


def clean_line(text: str, limit: int = 300) -> str:
    """One line, trimmed, without harmful characters, at most `limit` characters; a cut is marked with `…`.

    Empty when nothing is left that anybody can see.
    """
    if len(text) <= limit and text.isascii() and text.isprintable():  # most text is: nothing to look for
        return text.strip()
    line = _expression(_HARMFUL_RUN).sub("", _expression(_WHITE).sub(" ", text[: limit * 8])).strip()
    if _expression(_SEEN).search(line) is None:
        return ""
    whole = len(line) <= limit and len(text) <= limit * 8
    return line if whole else line[: limit - 1].rstrip() + "…"


def clean_block(text: str, limit: int = 65_536) -> str:
    """Several lines; newlines and tabs stay, everything harmful goes; empty when nothing can be seen."""
    block = _expression(_HARMFUL_BUT_LINES).sub("", text[:limit].replace("\r\n", "\n"))
    return block.strip() if _expression(_SEEN).search(block) else ""


def visible(text: str) -> str:
    r"""The same text with every harmful character spelled as `\x1b` or `\u202e`."""
    if text.isascii() and text.isprintable():  # most text is: nothing to look for
        return text
    return _expression(_HARMFUL_RUN).sub(_spell, text)


def find_harmful(text: str) -> Iterator[re.Match[str]]:
    """Where the harmful characters are, one by one; line breaks and tabs are among them."""
    return _expression(_HARMFUL_RUN).finditer(text)


def _spell(match: re.Match[str]) -> str:
    point = ord(match[0])
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def is_unicode(text: str) -> bool:
    """Whether a text can be told in UTF-8: not when it holds half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name a person most likely meant, or None."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else None
