"""Files that decide what agents may do: codespar's own, the hosts' hook settings, what a shell reads when it starts."""

from __future__ import annotations

import os

from codespar_cli.core.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
_ADMINISTRATORS = "/etc/codespar"
# In any directory: a host reads its settings from the project it is started in. A name that ends with `/` is a tree.
_TAILS = (
    ".claude/settings.json",
    ".claude/settings.local.json",
    ".claude/hooks/",
    ".codex/",
    ".cursor/hooks.json",
    ".cursor/hooks/",
    ".gemini/settings.json",
    ".gemini/hooks/",
    ".copilot/config.json",
    ".copilot/hooks/",
    ".github/hooks/",
)
_SHELL_FILES = [
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".bash_aliases",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".kshrc",
    ".cshrc",
    ".tcshrc",
    ".config/fish/config.fish",
]
_MANAGED = (
    "/etc/claude-code/managed-settings.json",
    "/etc/codex/requirements.toml",
    "/etc/profile",
    "/etc/bash.bashrc",
)
_VARIABLES = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "CODESPAR_STATE_DIR", "CODESPAR_CONFIG", "CODEX_HOME", "PWD")
_CONFIG = "plugins.toml"


class ProtectedPlaces:
    """Seen from the directory `cwd`, where relative paths start: the process's own when it is None."""

    def __init__(
        self, files: Iterable[str], directories: Iterable[str], *, cwd: str | None, environ: Mapping[str, str]
    ) -> None:
        self._environ = environ
        self._home = environ.get("HOME") or "/"
        self._cwd = cwd if cwd is not None and os.path.isabs(cwd) else os.getcwd()  # noqa: PTH109, PTH117
        config = environ.get("XDG_CONFIG_HOME") or os.path.join(self._home, ".config")  # noqa: PTH118
        state = environ.get("XDG_STATE_HOME") or os.path.join(self._home, ".local", "state")  # noqa: PTH118
        codex, claude = environ.get("CODEX_HOME"), environ.get("CLAUDE_CONFIG_DIR")
        self._trees = [
            *directories,
            _PACKAGE,
            _ADMINISTRATORS,
            os.path.join(config, "codespar"),  # noqa: PTH118
            environ.get("CODESPAR_STATE_DIR") or os.path.join(state, "codespar"),  # noqa: PTH118
            *([codex] if codex else []),
        ]
        self._files = [
            *files,
            *_MANAGED,
            *(os.path.join(self._home, name) for name in _SHELL_FILES),  # noqa: PTH118
            *([os.path.join(claude, "settings.json")] if claude else []),  # noqa: PTH118
        ]
        self._exact: set[str] | None = None
        self._within: tuple[str, ...] = ()

    def protecting(self, text: str) -> str | None:
        """The path as it was written, if it leads to something protected."""
        path = self._expanded(text)
        if not path:
            return None
        self._look_once()
        for spelled in {os.path.normpath(path), _real(path)}:
            if self._is_protected(spelled):
                return text
        return text if self._is_another_name(path) else None

    # ── inside ──

    def _expanded(self, text: str) -> str:
        text = text.partition("\0")[0].removeprefix("file://").strip()
        for name in _VARIABLES:
            value = self._environ.get(name) or (self._cwd if name == "PWD" else self._home if name == "HOME" else "")
            if value and text.startswith(f"${name}"):
                text = value + text[len(name) + 1 :]
        if text.startswith("~"):
            user, slash, rest = text[1:].partition("/")
            text = self._home + slash + rest if user == "" else os.path.expanduser(text)  # noqa: PTH111
        star = min((place for sign in "*?[" if (place := text.find(sign)) >= 0), default=-1)
        if star >= 0:
            return self._globbed(text, star)
        return os.path.join(self._cwd, text) if text else ""  # noqa: PTH118

    def _globbed(self, text: str, star: int) -> str:
        """The first protected file that begins as a pattern does; else the pattern's own directory."""
        self._look_once()
        start = os.path.normpath(os.path.join(self._cwd, text[:star] + "x"))[:-1].casefold()  # noqa: PTH118
        for path in sorted(self._exact or ()):
            if path.startswith(start) and "/" not in path[len(start) :]:
                return path
        tail = start.rpartition("/")[2]
        above = start[: len(start) - len(tail)]
        for name in _TAILS:
            directory, _, file = name.rpartition("/")
            if above.endswith(f"/{directory}/") and file.startswith(tail):
                return above + name
        return above

    def _look_once(self) -> None:
        if self._exact is not None:
            return
        exact: set[str] = set()
        real: dict[str, str] = {}  # most of them lie in a few directories
        for path in map(os.path.normpath, self._files):
            above, _, name = path.rpartition("/")
            if above not in real:
                real[above] = _real(above or "/").rstrip("/")
            followed = _real(path) if os.path.islink(path) else f"{real[above]}/{name}"  # noqa: PTH114
            exact.update((path.casefold(), followed.casefold()))
        above = self._cwd
        while True:  # a file put nearer than the one in use would be the one in use
            exact.add(os.path.join(above, _CONFIG).casefold())  # noqa: PTH118
            if above == os.path.dirname(above):  # noqa: PTH120
                break
            above = os.path.dirname(above)  # noqa: PTH120
        self._exact = exact
        trees = {spelled for path in self._trees for spelled in (os.path.normpath(path), _real(path))}
        self._within = tuple(f"{tree.casefold().rstrip('/')}/" for tree in trees)

    def _is_protected(self, path: str) -> bool:
        # One case for all: most file systems of desktops do not tell `.Claude` from `.claude`.
        folded = "/" + path.casefold().strip("/")
        if folded in (self._exact or ()) or f"{folded}/".startswith(self._within):
            return True
        return any(
            (f"/{tail}" in f"{folded}/") if tail.endswith("/") else folded.endswith(f"/{tail}") for tail in _TAILS
        )

    def _is_another_name(self, path: str) -> bool:
        """Whether it is a hard link to a protected file."""
        try:
            facts = os.stat(path)  # noqa: PTH116
        except (OSError, ValueError):
            return False
        if facts.st_nlink < 2 or not facts.st_mode & 0o100000:
            return False
        here = [os.path.join(self._cwd, tail) for tail in _TAILS if not tail.endswith("/")]  # noqa: PTH118
        home = [os.path.join(self._home, tail) for tail in _TAILS if not tail.endswith("/")]  # noqa: PTH118
        return any(_same(other, facts) for other in (*self._files, *here, *home))


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return path


def _same(path: str, facts: os.stat_result) -> bool:
    try:
        other = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return False
    return (other.st_dev, other.st_ino) == (facts.st_dev, facts.st_ino)
