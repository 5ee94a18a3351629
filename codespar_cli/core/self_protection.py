"""No agent changes what governs it: the rules that no policy can take away.

    file tools   writing to codespar's own files, the hosts' hook settings, this package, a shell's start-up files: denied,
                 however the path is spelled (`..`, links, case, `~`, `$HOME`, another name of the same file)
    shells       a command that names such a path, or that speaks with its user's voice (`codespar trust`): denied

What a shell will do cannot be told from its text. The second is a tripwire, and no wall: docs/threat-model.md.
"""

from __future__ import annotations

import os

from codespar_cli.core.calls import PolicyDecision, ToolCall
from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.core.protected_places import ProtectedPlaces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

CODE = "self_protection"
RULE = "codespar-self-protection"
STAGE = "protection"

_DEEPEST = 12
_LONGEST_PATH = 4096
_LONGEST_TEXT = 1 << 18
_TEXT_KEYS = {"command", "commands", "cmd", "script", "patch", "input", "diff", "code", "chars", "argv", "args"}
_PATH_PARTS = ("path", "file", "dir", "target", "dest", "uri", "notebook", "location", "source")
_READING = {"read", "get", "list", "search", "grep", "glob", "find", "view", "ls", "stat", "cat", "head", "tail"}
_PATCH_LINES = (
    "*** Add File: ",
    "*** Update File: ",
    "*** Delete File: ",
    "*** Move to: ",
    "+++ ",
    "--- ",
    "rename to ",
)
_HOSTS_DIRECTORIES = {".claude", ".codex", ".cursor", ".gemini", ".copilot"}
_CHANGING = {"rm", "mv", "rmdir", "unlink", "chmod", "chown", "chattr", "ln", "rsync", "shred", "truncate"}
_SETTINGS = ("settings", "hooks", "config.toml", "config.json")
_VOICE = {"trust", "approvals", "uninstall"}


class SelfProtection:
    """Callable with a call: the refusal, or None. `files` and `directories` are those beside what is always protected."""

    def __init__(
        self,
        files: Iterable[str] = (),
        directories: Iterable[str] = (),
        *,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._files = tuple(files)
        self._directories = tuple(directories)
        self._environ = environ

    def __call__(self, call: ToolCall) -> PolicyDecision | None:
        try:
            found = self._found(call)
        except Exception as error:  # a call that cannot be looked at is none that may pass
            found = f"the call cannot be looked at: {type(error).__name__}"
        if found is None:
            return None
        return PolicyDecision(allowed=False, reason=found, code=CODE, rule_id=RULE, stage=STAGE, never=True)

    def _found(self, call: ToolCall) -> str | None:
        args = call.context.args
        if not args or not isinstance(call.tool_name, str):
            return None
        cwd = call.context.attributes.get("cwd")
        places = ProtectedPlaces(
            self._files, self._directories, cwd=cwd if isinstance(cwd, str) else None, environ=self._environ
        )
        reads = _first_word(call.tool_name) in _READING
        for key, text in _strings(args, "", 0):
            if key in _TEXT_KEYS:
                found = self._in_text(text, places)
            elif not reads and any(part in key for part in _PATH_PARTS):
                found = places.protecting(text) if len(text) <= _LONGEST_PATH and "\n" not in text else None
            else:
                continue
            if found is not None:
                return f"{found} is not an agent's to change"
        return None

    def _in_text(self, text: str, places: ProtectedPlaces) -> str | None:
        text = text[:_LONGEST_TEXT]
        patched = _patched(text)
        if patched is not None:
            return next(filter(None, map(places.protecting, patched)), None)
        from codespar_cli.core.shell_text import named_paths, only_reads, words_of

        words = words_of(text)
        if _speaks_for_the_user(words):
            return "a command that speaks with the user's voice"
        if only_reads(text, words):
            return None
        changes = any(word.rpartition("/")[2] in _CHANGING for word in words)
        for path in named_paths(words):
            found = places.protecting(path)
            if found is None and os.path.basename(os.path.normpath(path)) in _HOSTS_DIRECTORIES:  # noqa: PTH119
                # `rm -r ~/.claude`; `cd ~/.claude && echo {} > settings.json`
                found = path if changes or any(name in text for name in _SETTINGS) else None
            if found is not None:
                return found
        return None


def _strings(value: Any, key: str, depth: int) -> Iterator[tuple[str, str]]:
    """Every text of the arguments with the key it stands under; of a list of words the whole, as a command is given."""
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(inner, str(name).casefold(), depth + 1)
    elif isinstance(value, list | tuple):
        if key in _TEXT_KEYS and all(isinstance(word, str) for word in value):
            yield key, " ".join(value)
        else:
            for inner in value:
                yield from _strings(inner, key, depth + 1)


def _first_word(tool: str) -> str:
    """`read` of `fs/read`, `mcp__files__read_text_file`, `ReadFile`."""
    last = tool.replace("__", "/").rpartition("/")[2].rpartition(":")[2]
    word = last.partition("_")[0]
    turns = (place for place in range(1, len(word)) if word[place].isupper() and word[place - 1].islower())
    return word[: next(turns, len(word))].lower()


def _patched(text: str) -> list[str] | None:
    """The files that a patch is about; None where the text is no patch."""
    if not text.lstrip().startswith(("*** Begin Patch", "--- ", "diff --git")):
        return None
    found = []
    for line in text.splitlines():
        for start in _PATCH_LINES:
            if line.startswith(start):
                name = line[len(start) :].partition("\t")[0].strip()
                found += [name, name[2:]] if name.startswith(("a/", "b/")) else [name]
    return found


def _speaks_for_the_user(words: list[str]) -> bool:
    for place, word in enumerate(words):
        if word.rpartition("/")[2] in {"codespar", "codespar_cli"}:
            following = [other for other in words[place + 1 : place + 8] if not other.startswith("-")]
            if _VOICE & set(following[:3]) and not {"list", "show"} & set(following[:3]):
                return True
    return False
