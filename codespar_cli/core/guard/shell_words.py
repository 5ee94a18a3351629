"""What a word of a command becomes: `{a,b}` both, a variable what the same text said it is. Marks as in `shell_commands`."""

from __future__ import annotations

from codespar_cli.core.guard.shell_commands import UnsplittableError
from codespar_cli.core.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MARKS = frozenset("\ue000\ue001\ue002\ue003{")
_PLAIN = str.maketrans({"\ue000": "{", "\ue001": "$"})
_KNOWN = ("HOME", "PWD", "XDG_", "CODESPAR_", "CODEX_HOME", "CLAUDE_CONFIG_DIR", "COPILOT_HOME")  # the places know them
_MOST = 256
_MOST_SIGNS = 1 << 18
_DEEPEST = 8


class Variables:
    """What the text itself gives names to. Raises UnsplittableError where it grows beyond what is looked at."""

    def __init__(self) -> None:
        self._values: dict[str, list[str]] = {}
        self._left = _MOST_SIGNS

    def keep(self, name: str, words: list[str]) -> None:
        self._values[name] = words

    def words_of(self, raws: Iterable[str]) -> list[str]:
        """As the command gets them."""
        found: list[str] = []
        for raw in raws:
            if _MARKS.isdisjoint(raw):
                found.append(raw)
            else:
                texts = self._filled(raw)
                for text in texts:
                    found += [one.translate(_PLAIN) for one in (_braced(text) if "{" in text else [text])]
        return found

    def _filled(self, raw: str) -> list[str]:
        first, *parts = raw.split("\ue002")
        texts = [first]
        for part in parts:
            name, _, rest = part.partition("\ue003")
            name, default, otherwise = name.partition(":")
            values = self._values.get(name)
            if values is None:
                # One that nobody set is empty, within a word: `~/.bash${x}rc`.
                values = [f"${name}"] if name.startswith(_KNOWN) else [otherwise] if default else [""]
                if values == [""] and name and texts == [""]:
                    values = [f"${name}"]
            texts = [f"{text}{value}{rest}" for text in texts for value in values]
            self._left -= sum(map(len, texts))
            if len(texts) > _MOST or self._left < 0:
                raise UnsplittableError("more words than can be looked at")
        whole = not first and len(parts) == 1 and parts[0].endswith("\ue003")
        return [word for text in texts for word in text.split()] if whole else texts


# ── inside ──


def _braced(text: str) -> list[str]:
    found, _ = _choices(text, 0, 0)
    return found


def _choices(text: str, at: int, depth: int) -> tuple[list[str], int]:
    """What the text from there may be, up to the brace that closes it; and where that is, or the text's end."""
    done: list[str] = []
    texts, start, commas = [""], at, 0
    while at < len(text):
        sign = text[at]
        if sign == "{" and depth < _DEEPEST:
            inner, end = _choices(text, at + 1, depth + 1)
            before = text[start:at]
            texts = [f"{one}{before}{other}" for one in texts for other in inner]
            at = start = end
        elif sign == "," and depth:
            done += [one + text[start:at] for one in texts]
            texts, commas, start = [""], commas + 1, at + 1
            at += 1
        elif sign == "}" and depth:
            done += [one + text[start:at] for one in texts]
            return (done if commas else [f"{{{one}}}" for one in done]), at + 1
        else:
            at += 1
        if len(texts) + len(done) > _MOST:
            raise UnsplittableError("more words than can be looked at")
    done += [one + text[start:] for one in texts]
    if depth:  # it was never closed, and is no brace
        done = ["{" + ",".join(done)] if commas else [f"{{{one}" for one in done]
    return done, at
