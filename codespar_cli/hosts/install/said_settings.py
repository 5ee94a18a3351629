r"""What stands in a settings file beside ours, read as generously as the most generous of the hosts reads it.

A file that we refuse and a host reads would hide a switch. So bytes that are no UTF-8 are replaced, as Node.js does;
brackets may nest as deep and numbers be as long as V8 takes them; comments and commas before a closing bracket pass, as in
Gemini CLI (strip-json-comments). Only values are read: for places in a text there is settings_text.py.
"""

from __future__ import annotations

import codecs
import json
import re
import tomllib
from pathlib import Path
from typing import Any

from codespar_cli.core.regular_file import read_regular
from codespar_cli.errors import ConfigError
from codespar_cli.hosts.install.settings_file import MOST_BYTES

_MOST_SIGNS = 1_000_000
_SIGN = re.compile(
    r"""[\s\ufeff]*+(?: (?P<note>//[^\r\n]*+|/\*(?s:.*?)\*/) | (?P<text>"(?:[^"\\]++|\\(?s:.))*+")
    | (?P<plain>[\w.+-]++) | (?P<mark>[{}\[\],:]) )""",
    re.VERBOSE,
)
_WORDS = {"true": True, "false": False, "null": None}
_CLOSES: dict[str, type] = {"}": dict, "]": list}


class _Unread(ValueError):
    pass


def json_settings(path: Path) -> dict[str, Any]:
    """What the file says; nothing where there is none. Raises ConfigError where one is there and cannot be read."""
    try:
        value = _Values().of(text_settings(path))
    except _Unread as error:
        raise _hiding(path, str(error)) from None
    return value if isinstance(value, dict) else {}


def toml_settings(path: Path) -> dict[str, Any]:
    """As `json_settings`. Raises ConfigError."""
    try:
        return tomllib.loads(text_settings(path))
    except RecursionError:
        raise _hiding(path, "brackets within too many brackets") from None
    except ValueError:  # its words may quote what is there
        raise _hiding(path, "it is not TOML") from None


def text_settings(path: Path) -> str:
    """All of its text, none where there is no file. Raises ConfigError."""
    try:
        data = read_regular(path, MOST_BYTES).data
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise _hiding(path, (error.strerror or str(error)).lower()) from None
    coding = "utf-16" if data.startswith(codecs.BOM_UTF16_LE) else "utf-8-sig"
    return data.decode(coding, errors="replace")


def _hiding(path: Path, why: str) -> ConfigError:
    words = f"{path}: cannot be read, so what it switches off or leads elsewhere is not known: {why}"
    return ConfigError(words, hint=f"mend {path} by hand: ls -ld {path}")


class _Values:
    """Without recursion, which other people's brackets could exhaust. Commas and colons add nothing to the order."""

    def __init__(self) -> None:
        self._top: list[Any] = []
        self._open: list[dict[str, Any] | list[Any]] = [self._top]
        self._keys: list[str | None] = [None]

    def of(self, text: str) -> Any:
        """The one value in `text`, None where there is none. Raises _Unread."""
        at, end, signs = 0, len(text.rstrip(" \t\r\n\ufeff")), 0
        while at < end:
            found = _SIGN.match(text, at)
            signs += 1
            if found is None:
                raise _Unread("it is not JSON")
            if signs > _MOST_SIGNS:
                raise _Unread("it holds too many values")
            at = found.end()
            self._take(found)
        if len(self._open) != 1 or len(self._top) > 1:
            raise _Unread("it is not JSON")
        return self._top[0] if self._top else None

    def _take(self, found: re.Match[str]) -> None:
        kind, sign = found.lastgroup, found.group(found.lastgroup or 0)
        if kind == "text":
            self._add(_unescaped(sign))
        elif kind == "plain":
            self._add(_WORDS.get(sign, 0))  # a number switches nothing
        elif sign in {"{", "["}:
            inner: dict[str, Any] | list[Any] = {} if sign == "{" else []
            self._add(inner)
            self._open.append(inner)
            self._keys.append(None)
        elif kind == "mark" and sign in _CLOSES:
            if len(self._open) == 1 or not isinstance(self._open[-1], _CLOSES[sign]) or self._keys[-1] is not None:
                raise _Unread("it is not JSON")
            self._open.pop()
            self._keys.pop()

    def _add(self, value: Any) -> None:
        holder = self._open[-1]
        if isinstance(holder, list):
            holder.append(value)
        elif self._keys[-1] is not None:
            holder[self._keys[-1]] = value  # of a key given twice the last counts
            self._keys[-1] = None
        elif isinstance(value, str):
            self._keys[-1] = value
        else:
            raise _Unread("it is not JSON")


def _unescaped(sign: str) -> str:
    if "\\" not in sign:
        return sign[1:-1]
    try:
        value: str = json.loads(sign, strict=False)
    except ValueError:
        raise _Unread("it is not JSON") from None
    return value
