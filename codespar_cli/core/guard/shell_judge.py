"""A shell's text is split into its simple commands, and each is judged by itself.

One that is known to look only may name what it likes, one that is not may not. What cannot be split is judged as a whole,
word by word.
"""

from __future__ import annotations

import os

from codespar_cli.core.guard import shell_programs as programs
from codespar_cli.core.guard.argument_paths import TooMuch
from codespar_cli.core.guard.shell_commands import Script, UnsplittableError
from codespar_cli.core.guard.shell_naming import commands_of, named_paths, removed_paths, written_paths
from codespar_cli.core.guard.shell_programs import name_of, runs_its_input, takes_script
from codespar_cli.core.guard.shell_text import REMOVERS
from codespar_cli.core.guard.shell_words import Variables
from codespar_cli.core.guard.users_voice import speaks_for_the_user
from codespar_cli.core.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codespar_cli.core.guard.protected_places import ProtectedPlaces
    from codespar_cli.core.guard.shell_commands import Command

VOICE = "a command that speaks with the user's voice"

_MOST_PATHS = 1 << 12
_MOST_PATTERNS = 256
_MOST_MOVES = 64
_MOST_LISTED = 1000
_LONGEST_DIRECTORY = 1024
_DEEPEST = 5
_STRINGS = frozenset(" \t\n;&|()<>`\"'")
_HOSTS_DIRECTORIES = {".claude", ".codex", ".cursor", ".gemini", ".copilot"}
_SETTINGS = ("settings", "hooks", "config.toml", "config.json")
_PATTERN_SIGNS = frozenset("*?[")
_MOVING = (["cd"], ["pushd"])
_SHORT = 12
_NOTHING = (False, False)
_ABSOLUTE = ("/", "~", "$", "file:")


def judged(text: str, places: ProtectedPlaces) -> str | None:
    """What is found in it: see `shell_text.found_in`. Raises TooMuch."""
    return _Judge(places).script(_of_list(text), 0)


# ── inside ──


class _Judge:
    """Judges one text, and what shells within it are told to run."""

    def __init__(self, places: ProtectedPlaces) -> None:
        self._places = places
        self._known: dict[tuple[str, bool, bool], str | None] = {}
        self._patterns = 0
        self._moves = 0
        self._variables = Variables()
        self._directories: dict[int, str] = {}
        self._directory = ""
        self._judged: set[tuple[str, ...]] = set()

    def script(self, text: str, depth: int) -> str | None:
        """What it is as commands; as words if it is not to be split."""
        kept = self._directories, self._directory
        try:
            script = Script(text)
            self._directories = {0: self._directory}
            return self._run(script, depth)
        except UnsplittableError:
            self._directories, self._directory = kept
            return self._strictly(commands_of(text), text)
        finally:
            self._directories, self._directory = kept

    def _run(self, script: Script, depth: int) -> str | None:
        fed = self._fed(script.commands)
        for place, command in enumerate(script.commands):
            scope = command.scope
            while scope not in self._directories:
                scope = script.above[scope]
            self._directory = self._directories[scope]
            words = _without_keywords(self._variables.words_of(command.words))
            key = (self._directory, str(len(words)), *words, *command.outputs)
            if key in self._judged and words[:1] not in _MOVING and place >= fed.get(command.line, 0):
                continue
            if len(key) < _SHORT and not command.texts:
                self._judged.add(key)
            for target in self._variables.words_of(command.outputs):
                if found := self._named(target, libraries=True):
                    return found
            if found := self._fed_one(command, words) if place < fed.get(command.line, 0) else None:
                return found
            if found := self._simple(words, command, depth):
                return found
            self._directories[command.scope] = self._directory
        return None

    def _fed(self, commands: list[Command]) -> dict[int, int]:
        """For each pipeline the last command that runs what it is given: what stands before it is no mere text."""
        return {
            command.line: place
            for place, command in enumerate(commands)
            if command.words and runs_its_input(_without_keywords(command.words))
        }

    def _fed_one(self, command: Command, words: list[str]) -> str | None:
        lists = [words, *(one for text in (*words, *command.texts) for one in commands_of(text))]
        return self._strictly(lists, " ".join(words), whole=True)

    # ── one command ──

    def _simple(self, words: list[str], command: Command | None, depth: int) -> str | None:
        words = self._unwrapped(words)
        texts = command.texts if command is not None else []
        if not words:
            return None
        name = name_of(words[0])
        if name in {"cd", "pushd"}:
            self._move(words[1:])
            return None
        if programs.only_looks(name, words):
            if texts and name in programs.SOURCING:
                return self._shell("eval", ["eval"], texts, depth)
            return self._first(programs.outputs_of(name, words), libraries=True)
        if name == "git":
            return self._git(words)
        if name == "find":
            return self._find(words, depth)
        if name in programs.SHELLS or name == "eval":
            return self._shell(name, words, texts, depth)
        if name in programs.TELLING:
            words = programs.without_prose(words)
        return self._other(name, words, texts)

    def _unwrapped(self, words: list[str]) -> list[str]:
        """Without assignments, which are kept, and without what only runs the rest."""
        at = 0
        while at < len(words):
            word = words[at]
            name = name_of(word)
            if "=" in word and word.partition("=")[0].removesuffix("+").isidentifier():
                self._assign(word)
                at += 1
            elif name in programs.ASSIGNING:
                for each in words[at + 1 :]:
                    self._assign(each)
                return []
            elif name == "for" and words[at + 2 : at + 3] == ["in"]:
                self._variables.keep(words[at + 1], words[at + 3 :])
                return []
            elif name in programs.WRAPPERS:
                at = self._past_options(words, at, name)
            else:
                break
        return words[at:]

    def _past_options(self, words: list[str], at: int, name: str) -> int:
        valued = programs.WRAPPERS[name]
        if name == "command" and words[at + 1 : at + 2] in (["-v"], ["-V"]):
            return len(words)
        at += 1
        while at < len(words) and words[at].startswith("-"):
            option = words[at]
            at += 1
            if option in valued and at < len(words):
                if name in {"env", "sudo"} and option in {"-C", "-D", "--chdir"}:
                    self._move([words[at]])
                if option in {"-S", "--split-string"}:
                    words[at : at + 1] = words[at].split()
                else:
                    at += 1
            elif option.startswith("--chdir="):
                self._move([option.partition("=")[2]])
            elif option == "--":
                break
        return at + 1 if name == "timeout" else at

    def _assign(self, word: str) -> None:
        name, equals, value = word.partition("=")
        if equals:
            self._variables.keep(name.removesuffix("+"), [value])

    def _move(self, words: list[str]) -> None:
        to = next((word for word in words if word == "-" or not word.startswith("-")), "~")
        self._moves += 1
        if self._moves > _MOST_MOVES:
            raise UnsplittableError("more directories than can be looked at")
        self._directory = "" if to == "-" else self._from_here(to)
        if len(self._directory) > _LONGEST_DIRECTORY:
            raise UnsplittableError("more directories than can be looked at")

    def _git(self, words: list[str]) -> str | None:
        here = self._directory
        at = 1
        while at < len(words) and words[at].startswith("-"):
            if words[at] == "-C" and at + 1 < len(words):
                self._move([words[at + 1]])
            said = " ".join(words[at + 1 : at + 2]).replace("!", " ") if words[at] == "-c" else ""
            if said and (found := self._strictly(commands_of(said), "")):
                return found
            at += 2 if words[at] in {"-C", "-c", "--git-dir", "--work-tree"} else 1
        sub = words[at] if at < len(words) else ""
        if sub in programs.GIT_READS:
            found = self._first(programs.outputs_of("git", words), libraries=True)
        else:
            rest = programs.without_prose(words[at:]) if sub in programs.GIT_TELLS else words[at:]
            found = self._other("git", ["git", *rest], []) or (self._hosts(".") if self._directory else None)
        self._directory = here
        return found

    def _find(self, words: list[str], depth: int) -> str | None:
        from codespar_cli.core.guard.shell_find import Find

        find = Find(words)
        if found := self._first(find.outputs, libraries=True):
            return found
        for inner in find.commands:
            plain = self._unwrapped(inner)
            if plain and programs.only_looks(name_of(plain[0]), plain):
                continue
            if found := self._simple(inner, None, depth + 1):
                return found
            find.acts = True
            find.removes = find.removes or (bool(plain) and name_of(plain[0]) in REMOVERS | programs.SHELLS)
        if not (find.acts or find.removes):
            return None
        for start in find.starts:
            if found := self._hosts(start) or self._named(start):
                return found
            below = find.names or ([""] if find.removes or start.startswith(("~", "/", "$")) else [])
            for pattern in below:
                if found := self._below(start, pattern):
                    return found
        return None

    def _below(self, start: str, pattern: str) -> str | None:
        """What is protected and lies there, under such a name; any if it is empty."""
        if not pattern:
            return self._named(start, whole=True)
        from codespar_cli.core.guard.path_patterns import fits

        above = os.path.normpath(self._places.at(self._from_here(start))).casefold().rstrip("/") + "/"
        for one in self._places.standing():
            if one.startswith(above) and any(
                fits(pattern.casefold(), part) for part in one[len(above) :].split("/") if part
            ):
                return pattern
        return None

    def _shell(self, name: str, words: list[str], texts: list[str], depth: int) -> str | None:
        if depth >= _DEEPEST:
            raise TooMuch("shells within shells")
        scripts = [*texts, " ".join(words[1:])] if name == "eval" else list(texts)
        for place, word in enumerate(words):
            if place and takes_script(word):
                scripts += words[place + 1 : place + 2]
                if len(words) > place + 2:  # a list of words that lost its quotes looks like this, too
                    scripts.append(" ".join(words[place + 1 :]))
                break
        else:
            if name != "eval" and (found := self._other(name, words, [])):
                return found
        for script in scripts:
            if found := self.script(script, depth + 1):
                return found
        return None

    # ── what programs do that are not known to look only ──

    def _other(self, name: str, words: list[str], texts: list[str]) -> str | None:
        if name in programs.INTO and (found := self._into(name, words)):
            return found
        if name in programs.COPYING and (found := self._copied(name, words)):
            return found
        named = [words[0], *words[-1:]] if name == "cp" else words
        lists = [named, *(one for word in named if not _STRINGS.isdisjoint(word) for one in commands_of(word))]
        for text in texts:
            lists += commands_of(text)
        return self._strictly(lists, " ".join(words) if len(words) < 64 else "")

    def _into(self, name: str, words: list[str]) -> str | None:
        into = list(programs.values_of(words, programs.INTO[name]))
        for directory in into:
            if found := self._hosts(directory) or self._named(directory):
                return found
            for word in words[1:]:
                if name in programs.FETCHING and (found := self._named(f"{directory}/{name_of(word)}")):
                    return found
        if not into and name in programs.UNPACKING and self._directory:
            return self._hosts(".")
        return None

    def _copied(self, name: str, words: list[str]) -> str | None:
        plain = [word for word in words[1:] if not word.startswith("-")]
        into = list(programs.values_of(words, programs.INTO.get(name, ())))
        if not into and len(plain) < 2:
            return None
        target = into[0] if into else plain.pop()
        if found := self._hosts(target) or self._named(target, libraries=True):
            return found
        for source in plain:
            base = name_of(source.rstrip("/"))
            if base and base != "." and (found := self._hosts(f"{target}/{base}") or self._named(f"{target}/{base}")):
                return found
        return None

    def _strictly(self, commands: list[list[str]], text: str, *, whole: bool = False) -> str | None:
        """Whether one of them names what is protected, or takes it away, or speaks for the user."""
        words = [word for command in commands for word in command]
        different = set(words)
        ours = any("codespar" in word or "hook_main" in word for word in different)
        if ours and any(map(speaks_for_the_user, commands)):
            return VOICE
        names = set(map(name_of, different))
        changes = whole or not names.isdisjoint(programs.CHANGING)
        asked = dict.fromkeys(named_paths(words), (False, False))
        if ">" in names or not names.isdisjoint(programs.MAKERS):
            for command in commands:
                asked.update((path, (True, asked.get(path, _NOTHING)[1])) for path in written_paths(command))
                asked.update((path, (True, True)) for path in removed_paths(command))
        changes = changes or any(name in text for name in _SETTINGS)
        for path, (libraries, gone) in asked.items():
            found = self._named(path, libraries=libraries, whole=gone)
            if found is not None or (changes and (found := self._hosts(path)) is not None):
                return found
        return None

    # ── paths ──

    def _first(self, paths: Iterable[str], *, libraries: bool = False, whole: bool = False) -> str | None:
        return next((found for path in paths if (found := self._named(path, libraries=libraries, whole=whole))), None)

    def _from_here(self, path: str) -> str:
        return path if not self._directory or path.startswith(_ABSOLUTE) else f"{self._directory}/{path}"

    def _hosts(self, path: str) -> str | None:
        """It, if it is the directory where a host keeps its settings."""
        base = os.path.basename(os.path.normpath(self._from_here(path)))  # noqa: PTH119
        return path if base.casefold() in _HOSTS_DIRECTORIES else None

    def _named(self, path: str, *, libraries: bool = False, whole: bool = False) -> str | None:
        """It, if it is protected: `libraries`, also what codespar runs on; `whole`, also what lies below it."""
        meant = self._from_here(path)
        key = meant, libraries, whole
        if key not in self._known:
            pattern = not _PATTERN_SIGNS.isdisjoint(meant)
            self._patterns += pattern
            if len(self._known) > _MOST_PATHS or self._patterns > _MOST_PATTERNS:
                raise TooMuch(f"a command that names more than {_MOST_PATHS:,} paths or {_MOST_PATTERNS} patterns")
            found = self._places.protecting(meant, programs=libraries, whole=whole)
            if found is not None and pattern and not self._is_there(meant, libraries, whole):
                found = None
            self._known[key] = found
        return path if self._known[key] is not None else None

    def _is_there(self, pattern: str, libraries: bool, whole: bool) -> bool:
        """Whether what a pattern stands for is there, where one directory tells. A shell makes a path of nothing else."""
        above, _, last = self._places.at(pattern).rpartition("/")
        if not _PATTERN_SIGNS.isdisjoint(above):
            return True
        from codespar_cli.core.guard.path_patterns import fits

        try:
            names = [name for name in os.listdir(above or "/") if fits(last.casefold(), name.casefold())]  # noqa: PTH208
        except OSError:
            return False
        if len(names) > _MOST_LISTED:
            return True
        return any(self._places.protecting(f"{above}/{name}", programs=libraries, whole=whole) for name in names)


def _without_keywords(words: list[str]) -> list[str]:
    at = 0
    while at < len(words) and words[at] in programs.KEYWORDS:
        at += 1
    return words[at:] if at else words


def _of_list(text: str) -> str:
    """What a shell is to run, of a list of words that was put together without quotes: `bash -lc rm x && rm y`."""
    head = text.split(None, 2)
    if len(head) < 3 or name_of(head[0]) not in programs.SHELLS or not takes_script(head[1]):
        return text
    return text if head[2][0] in "'\"$" else head[2]
