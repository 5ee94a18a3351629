"""What of a call's arguments may be a path, and what is a command, a patch or prose: told by keys and by how texts look."""

from __future__ import annotations

import os

from codespar_cli.core.light_typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
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
    "query", "queries", "pattern", "replacement", "title", "subject", "comment", "new_source", "old_source",
    "plan", "reason", "label", "labels", "header", "observation", "observations", "needle", "snippet",
    "snippets", "thought", "repl",
}  # fmt: skip
_PROSE_ENDS = ("content", "contents", "body", "message", "description", "prompt", "question")
# `old_string` is prose and `path_string` a path, `file_text` a file's text.
_TEXT_ENDS = ("text", "string", "str")
_SURELY_PATHS = ("path", "filename", "folder", "directory", "uri")
_RESULTS = ("dst", "dest", "output", "save")  # where even a tool that reads puts something
# What a move or a deletion leaves there.
_STAYING = ("dst", "dest", "output", "new", "root", "base", "cwd", "work", "project")
_SOURCES = ("src", "source", "from", "archive", "old", "zip", "input", "url")
_AROUND = ("root", "base", "cwd", "work", "project", "repo")  # no destination, but where relative paths start
_STARTS = (*_AROUND, "dir", "folder", "path")
_SIGNS = ("/", "~", "$", ".", "file:")
_READING = {
    "read", "get", "list", "search", "grep", "glob", "find", "view", "ls", "stat", "cat", "head", "tail", "lsp",
    "navigate", "goto",
}  # fmt: skip
# A name may say more, as `read_text_file` does. Any other word, as in `search_replace`, and the tool may write.
_READ = {
    *_READING,
    "file", "files", "text", "media", "multiple", "many", "directory", "directories", "dir", "folder", "tree",
    "info", "content", "contents", "code", "base", "codebase", "with", "sizes", "allowed", "path", "paths",
    "by", "name", "image", "pdf", "notebook", "lines", "range", "regex", "in", "symbol", "symbols",
    "references", "resource", "resources", "to", "url", "page", "back", "forward",
}  # fmt: skip
_GIT_READS = {"log", "diff", "show", "blame", "status", "history"}
_BROWSERS = {"browser", "puppeteer", "playwright"}
# Given one of these, or told to do something else, a tool writes, whatever its name says.
_WRITTEN = {"content", "contents", "file_text", "edits", "replacement"}
_WRITTEN_STARTS = ("new_", "insert_")
_LOOKING = {*_READING, "show"}
_ORDERS = {"operation", "action"}
_ACTING = {
    "create", "write", "insert", "replace", "edit", "append", "delete", "remove", "move", "rename", "undo",
    "apply", "format", "save", "set", "update", "copy", "put", "overwrite", "patch", "execute", "run",
}  # fmt: skip
_REMOVING = {
    "move", "mv", "rename", "delete", "remove", "rm", "rmdir", "unlink", "trash", "erase", "destroy", "purge",
    "cut", "swap", "exchange",
}  # fmt: skip
_FILLING = {"copy", "cp", "move", "mv", "rename", "swap", "duplicate"}
_UNPACKING = {"extract", "unzip", "untar", "unpack", "unarchive", "decompress", "uncompress"}
# What a removal named `remove_label` is about is no directory, whatever its `path` says.
_PLACES = {
    *_REMOVING, *_READ,
    "item", "items", "entry", "entries", "object", "objects", "node", "everything", "all", "recursive",
    "recursively", "batch", "bulk", "force", "or", "and", "safe", "root", "disk", "drive", "workspace",
    "project", "repo", "repository", "up", "clean", "create",
}  # fmt: skip
_PLAIN_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-+=:,./@%")
TITLES = {"title", "subject"}  # prose, and the name of a note where a folder is given
LONGEST = 4096
_MOST_TEXTS = 1 << 20
_MOST_PATHS = 1 << 16
_DEEPEST = 64


class TooMuch(ValueError):
    """More than is looked at. The message says what and how much, and holds nothing of it."""


class Manner(NamedTuple):
    """What a tool does with paths, as its name and its arguments' names say.

    `fills`: it puts what it was given into a directory, `unpacks`: more than it names. `single`: it says that this is
    one file. `of_files`: a removal that can be about a directory.
    """

    reads: bool
    removes: bool
    patches: bool
    fills: bool = False
    unpacks: bool = False
    single: bool = False
    of_files: bool = True


class Named(NamedTuple):
    """A text that may be a path. `anywhere`: also a host's settings in any directory. `goes`: it may be taken away.

    `fills`: files may come to lie below it.
    """

    text: str
    anywhere: bool
    goes: bool
    fills: bool = False


def manner_of(tool: str, leaves: Iterable[tuple[str, str]] = ()) -> Manner:
    """Of `fs/read`, `mcp__files__read_text_file`, `SearchReplace`; of a tool named `view` that is told to `create`."""
    words = _words(tool.replace("__", "/").rpartition("/")[2].rpartition(":")[2].rpartition(".")[2])
    if len(words) > 1 and words[0] in _BROWSERS:
        words = words[1:]
    reads = bool(words) and words[0] in _READING and _READ.issuperset(words)
    reads = reads or (words[:1] == ["git"] and len(words) == 2 and words[1] in _GIT_READS)
    said = set(words)
    return Manner(
        reads and not any(_is_writing(key, text) for key, text in leaves),
        not _REMOVING.isdisjoint(said),
        any("patch" in word and word != "dispatch" for word in words),
        not _FILLING.isdisjoint(said),
        not _UNPACKING.isdisjoint(said),
        "file" in said,
        _PLACES.issuperset(said),
    )


def leaves_of(args: Any) -> list[tuple[str, str]]:
    """Every text with its key; of a list of a command's words the whole. The keys of tables have none themselves.

    Raises TooMuch where it is nested too deeply, or too many.
    """
    leaves: list[tuple[str, str]] = []
    _gather(args, "", 0, leaves)
    return leaves


def paths_of(leaves: Iterable[tuple[str, str]], manner: Manner) -> Iterator[Named]:
    """What may be a path, each text once. Raises TooMuch."""
    seen: set[Named] = set()
    for key, value in dict.fromkeys(leaves):
        if manner.reads and not any(part in key for part in _RESULTS):
            continue
        sure = any(part in key for part in _PATH_PARTS)
        if is_text(key) or is_prose(key) or not (sure or _like_a_path(value)):
            continue
        goes = manner.removes and not any(part in key for part in _STAYING) and _may_go(value, manner)
        fills = (manner.fills or manner.unpacks) and not any(part in key for part in (*_SOURCES, *_AROUND))
        named = Named(value, is_plain(value, sure=sure), goes, fills)
        if named not in seen:
            seen.add(named)
            if len(seen) > _MOST_PATHS:
                raise TooMuch(f"it names more than {_MOST_PATHS:,} paths")
            yield named


def may_join(leaves: list[tuple[str, str]]) -> bool:
    """Whether there are two texts that could be parts of one path (argument_joins.py)."""
    parts = sum(
        bool(key) and not is_text(key) and (key in TITLES or not is_prose(key)) and 0 < len(text) <= LONGEST
        for key, text in leaves
    )
    # The keys of a table can be names, too.
    return parts > 1 or (parts == 1 and any(not key and "." in text for key, text in leaves)) or _is_tree(leaves)


def sources_of(leaves: Iterable[tuple[str, str]]) -> list[str]:
    """What is copied or moved."""
    return [text for key, text in leaves if any(part in key for part in _SOURCES) and not is_prose(key)]


def starts_of(leaves: Iterable[tuple[str, str]]) -> list[str]:
    """Directories that a command or a patch may be run in, by their keys: each once."""
    named = [
        text for key, text in leaves if any(part in key for part in _STARTS) and not (is_text(key) or is_prose(key))
    ]
    return list(dict.fromkeys(text for text in named if 0 < len(text) <= LONGEST))


def landing_of(named: Iterable[Named], leaves: list[tuple[str, str]]) -> Iterator[Named]:
    """What is copied or moved into a directory has there the name that it had; a new name stays where the old one was."""
    named, sources = list(named), sources_of(leaves)
    new = [text for key, text in leaves if key.endswith("name") and "/" not in text]
    names = [name for text in sources if (name := text.rstrip("/").rpartition("/")[2]) not in {"", ".", ".."}]
    filled = [one for one in named if one.fills]
    if len(names) * len(filled) + len(new) * len(named) > _MOST_PATHS:
        raise TooMuch(f"it names more than {_MOST_PATHS:,} paths")
    for one in filled:
        yield from (one._replace(text=f"{one.text}/{name}", goes=False) for name in names)
    for one in named:
        above = one.text.rstrip("/").rpartition("/")[0]
        yield from (one._replace(text=f"{above}/{name}" if above else name, goes=False, fills=False) for name in new)


def is_text(key: str) -> bool:
    """Whether a command, a patch or a program is given under this key."""
    return key in TEXT_KEYS or "command" in key


def is_prose(key: str) -> bool:
    """Whether what is given under this key is what somebody reads, or what a file holds."""
    if key in _PROSE or key.endswith(_PROSE_ENDS):
        return True
    return key.endswith(_TEXT_ENDS) and not any(part in key for part in _SURELY_PATHS)


def is_folder(key: str, text: str) -> bool:
    """Whether something may lie below it, as far as its key tells or its first sign."""
    return any(part in key for part in (*_PATH_PARTS, "root", "cwd")) or text.startswith(_SIGNS)


def is_plain(text: str, *, sure: bool) -> bool:
    """Whether it reads as a path and not as prose or an address that speaks of one."""
    plain = os.path.normpath(text.strip())
    if sure:
        return "\n" not in plain
    return not plain.startswith(("http:/", "https:/")) and (plain.startswith(_SIGNS) or len(plain.split()) == 1)


def quoted(word: str) -> str:
    """As a shell reads it: one word, and nothing in it means anything."""
    return "'" + word.replace("'", "'\"'\"'") + "'"


# ── inside ──


def _gather(value: Any, key: str, depth: int, leaves: list[tuple[str, str]]) -> None:
    if depth > _DEEPEST:
        raise TooMuch(f"it is nested more than {_DEEPEST} deep")
    if isinstance(value, str):
        leaves.append((key, value))
        if len(leaves) > _MOST_TEXTS:
            raise TooMuch(f"it holds more than {_MOST_TEXTS:,} texts")
    elif isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(name, str):
                leaves.append(("", name))
            _gather(inner, str(name).casefold(), depth + 1, leaves)
    elif isinstance(value, list | tuple):
        if is_text(key) and all(isinstance(word, str) for word in value):
            leaves.extend((key, text) for text in _told(key, value))
        else:
            for inner in value:
                _gather(inner, key, depth + 1, leaves)


def _is_tree(leaves: list[tuple[str, str]]) -> bool:
    """Whether two keys read as parts of a path: a directory's content, given as a table."""
    return sum(not key and ("." in text or "/" in text) for key, text in leaves) > 1


def _told(key: str, words: list[str] | tuple[str, ...]) -> Iterator[str]:
    """A command that is given as its words: as they are run without a shell, and as one reads them put together."""
    plain = " ".join(words)
    if key == "commands":  # each of them one, perhaps
        yield "\n".join(words)
    elif not _PLAIN_SIGNS.issuperset(plain):
        yield " ".join(
            word if word and _PLAIN_SIGNS.issuperset(word) and " " not in word else quoted(word) for word in words
        )
    yield plain


def _words(name: str) -> list[str]:
    parted = "".join(
        f" {sign}" if sign.isupper() and place and name[place - 1].islower() else sign
        for place, sign in enumerate(name)
    )
    return parted.replace("_", " ").replace("-", " ").lower().split()


def _is_writing(key: str, text: str) -> bool:
    if key == "command":
        return _LOOKING.isdisjoint(_words(text[:64])[:1])
    if key in _ORDERS:
        return not _ACTING.isdisjoint(_words(text[:64]))
    name = key or text.casefold()  # a key has none itself
    return name in _WRITTEN or name.startswith(_WRITTEN_STARTS)


def _may_go(text: str, manner: Manner) -> bool:
    return manner.of_files or text.strip() != "/"


def _like_a_path(text: str) -> bool:
    return "/" in text or "." in text or text.lstrip().startswith(_SIGNS)
