"""What an approver is shown of a call's arguments: JSON as text, written here so that it cannot lie.

No two keys look like one, no character turns the line around, a word that mixes alphabets is spelled out, and whatever
is left out is counted. The digest (binding.py) covers all of it, shown or not. That secrets are masked is a courtesy:
a name or a look gives them away, or nothing does.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from functools import cache

from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.core.text import visible
from codespar_cli.plugins.policy.decision.approval_state import Preview

if TYPE_CHECKING:
    from typing import Any

_LONGEST_TEXT = 400
_LONGEST = 4096
# A value under a key that sounds like one of these is not shown, whatever stands between the words.
_SECRET_WORDS = (
    "secret", "password", "passwd", "passphrase", "pwd", "token", "credential", "authorization", "bearer", "cookie",
    "apikey", "accesskey", "private", "passcode", "sshkey", "sessionid",
)  # fmt: skip
# These hide in harmless words (`keyboard`, `author`, `compass`, `spin`), so they count only as a word of the name.
_SECRET_PARTS = frozenset({"pass", "pw", "key", "keys", "auth", "pin", "pat", "session", "jwt", "otp", "cvv", "cvc"})
_PARTS = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+"
# What gives a value away. Each alternative starts at a text of its own and never looks at a character twice, so that a
# long text is read in linear time.
_GIVEN_AWAY = r"""
    -----BEGIN\ [A-Z0-9 ]{0,40}PRIVATE\ KEY.*?(?:-----END\ [A-Z0-9 ]{0,40}PRIVATE\ KEY(?:\ BLOCK)?-----|\Z)
  | (?P<header>\b(?i:authorization)["']?\s*[:=]\s*["']?(?i:(?:bearer|basic|digest|token)\s+)?)[^\s"']+
  | (?P<scheme>\A\s*(?i:bearer)\s+)\S+(?=\s*\Z)
  | (?P<inside>\b(?i:bearer|basic)\s+)(?=[a-z]*[A-Z0-9._~+/=-])[A-Za-z0-9._~+/=-]{8,}
  | (?P<user>://[^\s/?\#:@]*:)[^\s/?\#]+(?=@)
  | (?<![A-Za-z0-9])(?:
        (?:gh[oprsu]_|github_pat_|glpat-|[prs]k_(?:live|test)_|whsec_|xox[abeoprs]-|npm_)[A-Za-z0-9_+/=-]+
      | (?:AKIA|ASIA)[A-Z0-9]{8,}
      | eyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9_.-]*
      | (?:sk-|AIza)[A-Za-z0-9_-]{16,}
    )
"""
_MASK = "(not shown)"
_ALPHABETS = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"})


def preview_of(args: Mapping[str, Any], directory: str | None = None) -> Preview:
    """`directory` is where a host makes the call, which is part of what is approved."""
    writer = _Writer()
    if directory is not None:  # in front, where no long argument cuts it off
        writer.put_place(directory)
    writer.put(args)
    return Preview("".join(writer.parts) + ("" if writer.left >= 0 else " …"), writer.hidden, writer.complete)


def mixes_alphabets(text: str) -> bool:
    """Whether letters of alphabets that look alike stand side by side: a Cyrillic `а` in a Latin word."""
    if text.isascii():
        return False
    return len({unicodedata.name(sign, "").partition(" ")[0] for sign in text} & _ALPHABETS) > 1


class _Writer:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self.left = _LONGEST
        self.hidden = 0
        self.complete = True

    def put(self, value: Any) -> None:
        if self.left < 0:
            return
        if isinstance(value, Mapping):
            self._put_mapping(value)
        elif isinstance(value, list | tuple):
            self._write("[")
            for number, item in enumerate(value):
                if self.left < 0:
                    return
                self._write(", " if number else "")
                self.put(item)
            self._write("]")
        elif isinstance(value, str):
            masked = _secrets().sub(_mask, value)
            self.hidden += masked != value
            self._put_text(masked)
        else:
            self._write(str(value) if isinstance(value, Decimal) else json.dumps(value))

    def put_place(self, directory: str) -> None:
        self._write("in ")
        self._put_text(directory)
        self._write(": ")

    def _put_mapping(self, value: Mapping[str, Any]) -> None:
        self._write("{")
        for number, (key, item) in enumerate(value.items()):
            if self.left < 0:
                return
            self._write(", " if number else "")
            self._put_text(key)
            self._write(": ")
            if _sounds_secret(key):
                self.hidden += 1
                self._write(f'"{_MASK}"')
            else:
                self.put(item)
        self._write("}")

    def _put_text(self, text: str) -> None:
        self._write(_spelled(text[:_LONGEST_TEXT]))
        if len(text) > _LONGEST_TEXT:
            self.complete = False
            self._write(f"…(+{len(text) - _LONGEST_TEXT} characters)")

    def _write(self, piece: str) -> None:
        if self.left < 0:
            return
        self.left -= len(piece)
        if self.left < 0:
            self.complete = False
            piece = piece[: self.left]
        self.parts.append(piece)


def _spelled(text: str) -> str:
    """A JSON string in which nothing is harmful, and only letters of one alphabet are left as they are."""
    plain = visible(text) == text and unicodedata.normalize("NFKC", text) == text and not mixes_alphabets(text)
    return json.dumps(text, ensure_ascii=not plain)


def _sounds_secret(key: str) -> bool:
    plain = unicodedata.normalize("NFKC", key)
    bare = "".join(sign for sign in plain.lower() if sign.isalnum())
    parts = {part.lower() for part in re.findall(_PARTS, plain)}
    return any(word in bare for word in _SECRET_WORDS) or not parts.isdisjoint(_SECRET_PARTS)


@cache
def _secrets() -> re.Pattern[str]:
    """Compiled when the first text is shown: who only decides need not wait for it."""
    return re.compile(_GIVEN_AWAY, re.VERBOSE | re.DOTALL)


def _mask(found: re.Match[str]) -> str:
    """Who or what it is for stays, the secret goes."""
    return (found[found.lastgroup] if found.lastgroup else "") + _MASK
