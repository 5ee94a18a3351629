"""What a shell command names, as far as its text tells: quotes and backslashes are taken away, nothing is run or expanded."""

from __future__ import annotations

_READERS = {"cat", "less", "more", "head", "tail", "ls", "stat", "wc", "file", "grep", "rg", "diff", "cmp", "realpath"}
_ACTING = (";", "&", "|", ">", "<", "`", "$(", "\n")
_DROPPED = str.maketrans("", "", "\"'\\")
_SPLIT = str.maketrans({**dict.fromkeys("{}=,\t", " "), **dict.fromkeys(";&|()`\r", "\n"), "<": " < ", ">": " > "})
_REMOVERS = {"rm", "mv", "rmdir", "unlink", "shred", "trash", "trash-put"}
_WRITERS = {
    "cp",
    "tee",
    "sed",
    "dd",
    "install",
    "patch",
    "touch",
    "ln",
    "rsync",
    "truncate",
    "chmod",
    "chown",
    "ed",
    "ex",
}
_PROGRAMS = {"codespar", "codespar_cli", "codespar-cli"}
_VALUED = {"--config", "--tenant"}
# What is said in the user's place: the command, and which of its sub-commands; of `approvals` and `pins` all but looking.
_VOICE = {
    "trust": None,
    "policy": {"record", "release"},
    "plugins": {"enable", "disable"},
    "hosts": {"uninstall"},
    "secrets": {"export", "grant"},
}
_LOOKING = {"list", "show"}


def commands_of(text: str) -> list[list[str]]:
    """The words of each of the commands in it; `<` and `>` are words."""
    lines = text.replace("\\\n", "").replace("${", "$").translate(_SPLIT).translate(_DROPPED).split("\n")
    return [words for line in lines if (words := line.split())]


def only_reads(text: str, words: list[str]) -> bool:
    """Whether it is one command that looks and does nothing else."""
    return bool(words) and _name(words[0]) in _READERS and not any(sign in text for sign in _ACTING)


def named_paths(words: list[str]) -> list[str]:
    """Those of the words that could be paths, each once."""
    found = []
    for word in words:
        plain = word.removeprefix("file://")
        if "/" in plain or plain.startswith(("~", ".", "$")) or "." in plain:
            found.append(plain)
    return list(dict.fromkeys(found))


def removed_paths(words: list[str]) -> list[str]:
    """What one command deletes or moves away, as far as its words tell."""
    start = next((place for place, word in enumerate(words) if _name(word) in _REMOVERS), len(words))
    named = [word for word in words[start + 1 :] if not word.startswith("-")]
    into = any(word.startswith(("-t", "--target-directory")) for word in words[start + 1 :])
    moves = start < len(words) and _name(words[start]) == "mv"
    return named[:-1] if moves and not into else named


def written_paths(words: list[str]) -> list[str]:
    """What one command may write: all its paths if it is one that writes, else where its output goes."""
    if any(_name(word) in _WRITERS | _REMOVERS for word in words):
        return named_paths(words)
    return named_paths([words[place] for place in range(1, len(words)) if words[place - 1] == ">"])


def speaks_for_the_user(words: list[str]) -> bool:
    """Whether one command is a codespar command that only its user may give."""
    return any(_name(word) in _PROGRAMS and _is_the_users(words[place + 1 :]) for place, word in enumerate(words))


# ── inside ──


def _name(word: str) -> str:
    return word.rpartition("/")[2]


def _is_the_users(words: list[str]) -> bool:
    said: list[str] = []
    place = 0
    while place < len(words):
        if words[place] in _VALUED and not said:
            place += 1
        elif not words[place].startswith("-"):
            said.append(words[place])
        place += 1
    command, sub, subsub = [*said, "", "", ""][:3]
    if command == "approvals":
        return sub not in _LOOKING and bool(sub)
    if (command, sub) == ("mcp", "pins"):
        return subsub not in _LOOKING and bool(subsub)
    if command == "secrets" and "--reveal" in words:
        return True
    return command in _VOICE and ((subs := _VOICE[command]) is None or sub in subs)
