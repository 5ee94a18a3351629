"""What of a call's arguments may be a path, and what is a command, a patch or prose: told by keys and by how texts look."""

from __future__ import annotations

import os

from codespar_cli.core.light_typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

TEXT_KEYS = {"command", "commands", "cmd", "script", "patch", "input", "diff", "code", "chars", "argv", "args"}
_PATH_PARTS = (
    "path",
    "file",
    "dir",
    "target",
    "dest",
    "uri",
    "notebook",
    "location",
    "source",
    "folder",
    "dst",
    "output",
)
_PROSE = {
    "query",
    "pattern",
    "replacement",
    "title",
    "subject",
    "comment",
    "new_source",
    "old_source",
    "plan",
    "reason",
}
_PROSE_ENDS = ("content", "contents", "text", "string", "str", "body", "message", "description", "prompt", "question")
_RESULTS = ("dst", "dest", "output", "save")  # where even a tool that reads puts something
_STAYING = (
    "dst",
    "dest",
    "output",
    "new",
    "root",
    "base",
    "cwd",
    "work",
    "project",
)  # what a move or a deletion leaves there
_SIGNS = ("/", "~", "$", ".", "file:")
_READING = {"read", "get", "list", "search", "grep", "glob", "find", "view", "ls", "stat", "cat", "head", "tail"}
# A name may say more, as `read_text_file` does. Any other word, as in `search_replace`, and the tool may write.
_READ = _READING | {
    *(
        "file",
        "files",
        "text",
        "media",
        "multiple",
        "many",
        "directory",
        "directories",
        "dir",
        "folder",
        "tree",
        "info",
    ),
    *(
        "content",
        "contents",
        "code",
        "base",
        "codebase",
        "with",
        "sizes",
        "allowed",
        "path",
        "paths",
        "by",
        "name",
        "image",
    ),
    *("pdf", "notebook", "lines", "range", "regex", "in", "symbol", "symbols", "references", "resource", "resources"),
}
_REMOVING = {
    "move",
    "mv",
    "rename",
    "delete",
    "remove",
    "rm",
    "rmdir",
    "unlink",
    "trash",
    "erase",
    "destroy",
    "purge",
    "cut",
}
_DEEPEST = 64
_MOST_PAIRS = 4096
_LONGEST = 4096


class Manner(NamedTuple):
    """What a tool does with paths, as its name says."""

    reads: bool
    removes: bool
    patches: bool


class Named(NamedTuple):
    """A text that may be a path. `anywhere`: also a host's settings in any directory. `goes`: it may be taken away."""

    text: str
    anywhere: bool
    goes: bool


def manner_of(tool: str) -> Manner:
    """Of `fs/read`, `mcp__files__read_text_file`, `SearchReplace`."""
    last = tool.replace("__", "/").rpartition("/")[2].rpartition(":")[2].rpartition(".")[2]
    parted = "".join(
        f" {sign}" if sign.isupper() and place and last[place - 1].islower() else sign
        for place, sign in enumerate(last)
    )
    words = parted.replace("_", " ").replace("-", " ").lower().split()
    reads = bool(words) and words[0] in _READING and _READ.issuperset(words)
    return Manner(reads, not _REMOVING.isdisjoint(words), "patch" in last.lower())


def texts_of(args: Any) -> Iterator[tuple[str, str]]:
    """What is a command or a patch, with its key; of a list of words the whole, as a command is given.

    Raises ValueError where it is nested too deeply.
    """
    for key, value in _leaves(args, "", 0):
        if _is_text(key):
            yield key, value


def paths_of(args: Any, manner: Manner) -> Iterator[Named]:
    """What may be a path, and what two arguments of one object make together: a folder and a name.

    Raises ValueError where it is nested too deeply, or too many.
    """
    for key, value in _leaves(args, "", 0):
        sure = any(part in key for part in _PATH_PARTS)
        if _is_text(key) or _is_prose(key) or not (sure or _like_a_path(value)):
            continue
        if not manner.reads or any(part in key for part in _RESULTS):
            yield Named(
                value, _is_plain(value, sure=sure), manner.removes and not any(part in key for part in _STAYING)
            )
    if not manner.reads:
        for text in _pairs(args):
            yield Named(text, _is_plain(text, sure=False), manner.removes)


# ── inside ──


def _leaves(value: Any, key: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(name, str):
                yield "", name
            yield from _leaves(inner, str(name).casefold(), depth + 1)
    elif isinstance(value, list | tuple):
        if _is_text(key) and all(isinstance(word, str) for word in value):
            yield key, " ".join(value)
        else:
            for inner in value:
                yield from _leaves(inner, key, depth + 1)


def _pairs(value: Any) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _pairs(inner)
    elif isinstance(value, dict):
        texts = {
            str(key).casefold(): text
            for key, text in value.items()
            if isinstance(text, str) and 0 < len(text) <= _LONGEST
        }
        texts = {key: text for key, text in texts.items() if not _is_text(key) and not _is_prose(key)}
        above = [key for key, text in texts.items() if any(part in key for part in _PATH_PARTS) or _like_a_path(text)]
        below = [key for key, text in texts.items() if not text.startswith(("/", "~", "$", "file:"))]
        if len(above) * len(below) > _MOST_PAIRS:
            raise ValueError("too many paths")
        yield from (f"{texts[one]}/{texts[other]}" for one in above for other in below if one != other)
        for inner in value.values():
            yield from _pairs(inner)


def _is_text(key: str) -> bool:
    return key in TEXT_KEYS or "command" in key


def _is_prose(key: str) -> bool:
    return key in _PROSE or key.endswith(_PROSE_ENDS)


def _like_a_path(text: str) -> bool:
    return "/" in text or "." in text or text.lstrip().startswith(_SIGNS)


def _is_plain(text: str, *, sure: bool) -> bool:
    """Whether it reads as a path and not as prose or an address that speaks of one."""
    plain = os.path.normpath(text.strip())
    if sure:
        return "\n" not in plain
    return not plain.startswith(("http:/", "https:/")) and (plain.startswith(_SIGNS) or len(plain.split()) == 1)
