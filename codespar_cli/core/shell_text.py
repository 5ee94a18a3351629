"""What a shell command names, as far as its text tells: quotes and backslashes are taken away, nothing is run or expanded."""

from __future__ import annotations

_READERS = {"cat", "less", "more", "head", "tail", "ls", "stat", "wc", "file", "grep", "rg", "diff", "cmp", "realpath"}
_ACTING = (";", "&", "|", ">", "<", "`", "$(", "\n")
_DROPPED = str.maketrans("", "", "\"'\\")
_SPLIT = str.maketrans(dict.fromkeys(";&|<>(){}=,`\n\r\t", " "))
_MOST = 2048


def words_of(text: str) -> list[str]:
    """The words of all the commands in it, at most 2,048."""
    return text.replace("\\\n", "").replace("${", "$").translate(_SPLIT).translate(_DROPPED).split()[:_MOST]


def only_reads(text: str, words: list[str]) -> bool:
    """Whether it is one command that looks and does nothing else."""
    return bool(words) and words[0].rpartition("/")[2] in _READERS and not any(sign in text for sign in _ACTING)


def named_paths(words: list[str]) -> list[str]:
    """Those of the words that could be paths; of a pattern the part that is plain."""
    found = []
    for word in words:
        plain = word.removeprefix("file://")
        if "/" in plain or plain.startswith(("~", ".", "$")) or "." in plain:
            found.append(plain)
    return found
