"""What words name, whatever stands between them: for what is no command of a shell, or none that can be split."""

from __future__ import annotations

from codespar_cli.core.guard.shell_programs import MAKERS, name_of
from codespar_cli.core.guard.shell_text import REMOVERS
from codespar_cli.core.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_DROPPED = str.maketrans("", "", "\"'\\")
_SPLIT = str.maketrans({**dict.fromkeys("{}=,\t", " "), **dict.fromkeys(";&|()`\r", "\n"), "<": " < ", ">": " > "})


def commands_of(text: str) -> list[list[str]]:
    """The words between all signs of any shell, whatever is quoted, of each command once; `<` and `>` are words."""
    lines = text.replace("\\\n", "").replace("${", "$").translate(_SPLIT).translate(_DROPPED).split("\n")
    return [words for line in dict.fromkeys(lines) if (words := line.split())]


def named_paths(words: Iterable[str]) -> list[str]:
    """Those of the words that could be paths, and what stands between commas, behind `=` or an option's letter, each once."""
    found = []
    for word in words:
        plain = word.removeprefix("file://")
        if "/" in plain or "." in plain or plain.startswith(("~", "$")):
            found.append(plain)
            if "," in plain:
                found += plain.split(",")
            if "=" in plain:
                found.append(plain.rpartition("=")[2])
            if plain[:1] == "-" and plain[2:3] in {"/", "~", ".", "$"}:
                found.append(plain[2:])
    return list(dict.fromkeys(found))


def removed_paths(words: list[str]) -> list[str]:
    """What one command deletes or moves away, as far as its words tell."""
    start = next((place for place, word in enumerate(words) if name_of(word) in REMOVERS), len(words))
    named = [word for word in words[start + 1 :] if not word.startswith("-")]
    into = any(word.startswith(("-t", "--target-directory")) for word in words[start + 1 :])
    moves = start < len(words) and name_of(words[start]) == "mv"
    return named[:-1] if moves and not into else named


def written_paths(words: list[str]) -> list[str]:
    """What one command may write: all its paths if it is one that writes, else where its output goes."""
    if any(name_of(word) in MAKERS for word in words):
        return [
            *named_paths(words),
            *(word for word in words[1:] if word[:1] != "-" and "." not in word and "/" not in word),
        ]
    return named_paths([words[place] for place in range(1, len(words)) if words[place - 1] == ">"])
