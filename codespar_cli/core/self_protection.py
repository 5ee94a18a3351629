"""No agent changes what governs it: the rules that no policy can take away.

    file tools   writing to codespar's own files, the hosts' hook settings, this package, a shell's start-up files: denied,
                 however the path is spelled (`..`, links, case, `~`, `$HOME`, another name of the same file)
    shells       a command that names such a path, or that speaks with its user's voice (`codespar trust`): denied

What a shell will do cannot be told from its text. The second is a tripwire, and no wall: docs/threat-model.md.
"""

from __future__ import annotations

import os
from time import monotonic

from codespar_cli.core.argument_paths import manner_of, paths_of, texts_of
from codespar_cli.core.calls import PolicyDecision, ToolCall
from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.core.protected_places import ProtectedPlaces

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

CODE = "self_protection"
RULE = "codespar-self-protection"
STAGE = "protection"

_LONGEST_TEXT = 1 << 22
_KEPT_S = 1.0
_MOST_PATHS = 16384
_PATCH_STARTS = ("*** Begin Patch", "--- ", "+++ ", "diff --git", "Index: ", "rename ", "*** ")
_PATCH_LINES = (
    "*** Add File:",
    "*** Update File:",
    "*** Delete File:",
    "*** Move to:",
    "+++ ",
    "--- ",
    "rename to ",
    "rename from ",
    "Index: ",
)
_HOSTS_DIRECTORIES = {".claude", ".codex", ".cursor", ".gemini", ".copilot"}
_CHANGING = {"rm", "mv", "rmdir", "unlink", "chmod", "chown", "chattr", "ln", "rsync", "shred", "truncate"}
_SETTINGS = ("settings", "hooks", "config.toml", "config.json")


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
        self._kept: tuple[float, ProtectedPlaces] | None = None

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
        began = monotonic()
        cwd = call.context.attributes.get("cwd")
        places = self._places(cwd if isinstance(cwd, str) and os.path.isabs(cwd) else os.getcwd())  # noqa: PTH109, PTH117
        found = self._named(places, call.tool_name, args)
        if self._kept is None and places.is_known:
            self._kept = began, places
        return found

    def _places(self, cwd: str) -> ProtectedPlaces:
        """Seen from there. Where links lead is known for a while: whoever turns one could have written before."""
        kept = self._kept
        if kept is not None:
            since, places = kept
            if places.cwd == cwd and monotonic() - since < _KEPT_S:
                return places.again()
            self._kept = None
        return ProtectedPlaces(self._files, self._directories, cwd=cwd, environ=self._environ)

    def _named(self, places: ProtectedPlaces, tool: str, args: Mapping[str, Any]) -> str | None:
        manner = manner_of(tool)
        for key, text in texts_of(args):
            # Only a tool that applies patches reads one: a shell runs what looks like one.
            patched = _patched(text) if manner.patches or key in {"patch", "diff"} else None
            found = _first(places, patched) if patched is not None else _in_command(text, places)
            if found is not None:
                return f"{found} is not an agent's to change"
        for named in paths_of(args, manner):
            found = places.protecting(named.text, anywhere=named.anywhere, whole=named.goes)
            if found is not None:
                return f"{_shortened(found)} is not an agent's to change"
        return None


def _first(places: ProtectedPlaces, paths: list[str]) -> str | None:
    return next(filter(None, map(places.protecting, paths)), None)


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:80]}…{text[-80:]}"


def _in_command(text: str, places: ProtectedPlaces) -> str | None:
    if len(text) > _LONGEST_TEXT:
        raise ValueError("too long")
    from codespar_cli.core import shell_text

    commands = shell_text.commands_of(text)
    words = [word for command in commands for word in command]
    if any(map(shell_text.speaks_for_the_user, commands)):
        return "a command that speaks with the user's voice"
    if shell_text.only_reads(text, words):
        return None
    paths = shell_text.named_paths(words)
    if len(paths) > _MOST_PATHS:
        raise ValueError("too many paths")
    changes = any(word.rpartition("/")[2] in _CHANGING for word in words)
    for path in paths:
        found = places.protecting(path, programs=False)
        if found is None and os.path.basename(os.path.normpath(path)) in _HOSTS_DIRECTORIES:  # noqa: PTH119
            # `rm -r ~/.claude`; `cd ~/.claude && echo {} > settings.json`
            found = path if changes or any(name in text for name in _SETTINGS) else None
        if found is not None:
            return found
    for command in commands:
        for path in shell_text.removed_paths(command):
            if places.protecting(path, whole=True) is not None:
                return path
        if (found := _first(places, shell_text.written_paths(command))) is not None:
            return found
    return None


def _patched(text: str) -> list[str] | None:
    """The files that a patch is about; None where the text is no patch."""
    if not text.lstrip().startswith(_PATCH_STARTS):
        return None
    found = []
    for line in text.splitlines():
        header = line.lstrip()  # those who apply it take an indented one
        if header.startswith("diff --git "):
            names = header.split()[2:]
        else:
            start = next((start for start in _PATCH_LINES if header.startswith(start)), None)
            names = [] if start is None else [header[len(start) :].partition("\t")[0]]
        for name in (name.strip().strip('"') for name in names):
            found += [name, name[2:]] if name.startswith(("a/", "b/")) else [name]
    return found
