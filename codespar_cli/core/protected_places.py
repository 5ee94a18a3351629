"""Files that decide what agents may do: codespar's own, the hosts' hook settings, what a shell reads when it starts."""

from __future__ import annotations

import os
import sys

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
    ".mcp.json",
    ".claude.json",
    ".cursor/mcp.json",
    ".copilot/mcp-config.json",
    "hooks/hooks.json",  # a plugin's
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
    ".zlogout",
]
_MANAGED = (
    "/etc/claude-code/managed-settings.json",
    "/etc/codex/requirements.toml",
    "/etc/profile",
    "/etc/bash.bashrc",
)
_LONGEST = 4096  # PATH_MAX of Linux: what is longer opens nothing, unless a tool shortens it first
_MOST_LINKS = 32
_LIBRARIES = {"site-packages", "dist-packages"}
_VARIABLES = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "CODESPAR_STATE_DIR", "CODESPAR_CONFIG", "CODEX_HOME", "PWD")
_CONFIG = "plugins.toml"
_NO_LINES = str.maketrans("", "", "\t\r\n")


class ProtectedPlaces:
    """Seen from the directory `cwd`, where relative paths start: the process's own when it is None."""

    def __init__(
        self, files: Iterable[str], directories: Iterable[str], *, cwd: str | None, environ: Mapping[str, str]
    ) -> None:
        self._environ = environ
        self._home = environ.get("HOME") or "/"
        self._cwd = cwd if cwd is not None and os.path.isabs(cwd) else os.getcwd()  # noqa: PTH109, PTH117
        self._more = files, directories
        self._files: list[str] = []
        self._trees: list[str] = []
        self._programs: list[str] = []
        self._real = _Links()
        self._exact: set[str] | None = None
        self._within: tuple[str, ...] = ()
        self._programs_within: tuple[str, ...] = ()
        self._standing: list[str] | None = None

    def protecting(self, text: str, *, anywhere: bool = True, programs: bool = True, whole: bool = False) -> str | None:
        """The path as it was written, if it leads to something protected.

        `anywhere`: also to a host's settings in any directory. `programs`: also to what codespar runs on, its
        interpreter and libraries. `whole`: also if something protected lies below it.
        """
        path = self._expanded(text)
        if len(path) > _LONGEST:
            path = os.path.normpath(path)
        if not path or len(path) > _LONGEST:
            return None
        self._look_once()
        for spelled in {os.path.normpath(path), _real(path)}:
            # A line break that is gone now: a link of that name was followed, or an address drops it.
            tails = anywhere or ("\n" in text.strip() and "\n" not in spelled)
            if self._is_protected(spelled, anywhere=tails, programs=programs) or (whole and self._is_above(spelled)):
                return text
        return text if self._is_another_name(path) else None

    @property
    def cwd(self) -> str:
        return self._cwd

    @property
    def is_known(self) -> bool:
        """Whether links were followed, which is most of the work: a path was asked about."""
        return self._exact is not None

    def again(self) -> ProtectedPlaces:
        """The same places for another call, with the links as they were followed; what is there is looked at anew."""
        places: ProtectedPlaces = object.__new__(type(self))
        places.__dict__.update(self.__dict__)
        places._standing, places._real = None, _Links()
        return places

    # ── inside ──

    def _expanded(self, text: str) -> str:
        text = _address(text.partition("\0")[0].strip())
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
        rest = text[max(text.rfind(sign) for sign in "*?[]}") + 1 :].casefold()
        start = os.path.normpath(os.path.join(self._cwd, text[:star] + "x"))[:-1].casefold()  # noqa: PTH118
        for path in sorted(self._exact or ()):
            if path.startswith(start) and "/" not in path[len(start) :] and path.endswith(rest):
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
        self._list()
        exact: set[str] = set()
        for path in map(os.path.normpath, self._files):
            exact.update((path.casefold(), self._real(path).casefold()))
        above = self._cwd
        while True:  # a file put nearer than the one in use would be the one in use
            exact.add(os.path.join(above, _CONFIG).casefold())  # noqa: PTH118
            if above == os.path.dirname(above):  # noqa: PTH120
                break
            above = os.path.dirname(above)  # noqa: PTH120
        self._within, self._programs_within = self._folded(self._trees), self._folded(self._programs)
        self._exact = exact

    def _list(self) -> None:
        """Name what is protected. Only once a path is asked about: most calls of tools name none."""
        environ, (files, directories) = self._environ, self._more
        config = environ.get("XDG_CONFIG_HOME") or os.path.join(self._home, ".config")  # noqa: PTH118
        state = environ.get("XDG_STATE_HOME") or os.path.join(self._home, ".local", "state")  # noqa: PTH118
        codex, claude, zsh = environ.get("CODEX_HOME"), environ.get("CLAUDE_CONFIG_DIR"), environ.get("ZDOTDIR")
        self._trees = [
            *directories,
            _PACKAGE,
            _ADMINISTRATORS,
            os.path.join(config, "codespar"),  # noqa: PTH118
            environ.get("CODESPAR_STATE_DIR") or os.path.join(state, "codespar"),  # noqa: PTH118
            os.path.join(config, "fish"),  # noqa: PTH118
            *([codex] if codex else []),
        ]
        self._programs = _libraries(self._home, self._real)
        self._files = [
            *files,
            *_MANAGED,
            *(os.path.join(self._home, name) for name in _SHELL_FILES),  # noqa: PTH118
            *([os.path.join(claude, "settings.json")] if claude else []),  # noqa: PTH118
            *([os.path.join(zsh, name) for name in _SHELL_FILES if name.startswith(".z")] if zsh else []),  # noqa: PTH118
        ]

    def _folded(self, trees: Iterable[str]) -> tuple[str, ...]:
        spelled = {one for path in trees for one in (os.path.normpath(path), self._real(path))}
        return tuple(f"{tree.casefold().rstrip('/')}/" for tree in spelled)

    def _is_protected(self, path: str, *, anywhere: bool, programs: bool) -> bool:
        # One case for all: most file systems of desktops do not tell `.Claude` from `.claude`.
        folded = "/" + path.casefold().strip("/")
        if folded in (self._exact or ()) or f"{folded}/".startswith(self._within):
            return True
        if programs and f"{folded}/".startswith(self._programs_within):
            return True
        return anywhere and any(
            (f"/{tail}" in f"{folded}/") if tail.endswith("/") else folded.endswith(f"/{tail}") for tail in _TAILS
        )

    def _is_above(self, path: str) -> bool:
        """Whether something protected that is there lies below it."""
        if self._standing is None:
            here = [self._cwd]
            while here[-1] != os.path.dirname(here[-1]):  # noqa: PTH120
                here.append(os.path.dirname(here[-1]))  # noqa: PTH120
            tails = (_CONFIG, *_TAILS)
            near = [os.path.join(above, tail) for above in (*here, self._home) for tail in tails]  # noqa: PTH118
            there = [one for one in (*self._files, *near, *self._trees, *self._programs) if os.path.lexists(one)]
            self._standing = list(self._folded(there))
        folded = f"/{path.casefold().strip('/')}/".replace("//", "/")
        if any(one.startswith(folded) for one in self._standing):
            return True
        above, _, name = path.rstrip("/").rpartition("/")
        own = [tail for tail in _TAILS if tail.startswith(f"{name.casefold()}/")]
        return any(os.path.lexists(os.path.join(path, tail)) for tail in _TAILS) or any(  # noqa: PTH118
            os.path.lexists(f"{above}/{tail}") for tail in own
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


class _Links:
    """Follows links as `_real` does. The directories that many of the paths lie in are followed once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, path: str, links: int = 0) -> str:
        above, slash, name = path.rpartition("/")
        if not slash or name in {"", ".", ".."}:
            return _real(path)
        if above not in self._known:
            self._known[above] = self(above, links).rstrip("/") if above else ""
        followed = f"{self._known[above]}/{name}"
        if not os.path.islink(followed):  # noqa: PTH114
            return followed
        if links == _MOST_LINKS:
            return _real(path)
        try:
            return self(os.path.join(self._known[above] or "/", os.readlink(followed)), links + 1)  # noqa: PTH115, PTH118
        except OSError:  # gone since
            return _real(path)


def _libraries(home: str, real: _Links) -> list[str]:
    """What the interpreter of this process runs: changed, it is a codespar that allows everything."""
    trees = [path for path in sys.path if os.path.basename(path) in _LIBRARIES]  # noqa: PTH119
    trees.append(os.path.dirname(os.__file__))  # noqa: PTH120
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if sys.prefix == sys.base_prefix:
        trees.append(f"{home}/.local/lib/{version}/site-packages")
    for directory in {os.path.dirname(sys.executable), os.path.dirname(real(sys.executable))}:  # noqa: PTH120
        trees += [f"{directory}/{name}" for name in ("codespar", "python", "python3", version)]
    return [*trees, f"{sys.prefix}/pyvenv.cfg"]


def _address(text: str) -> str:
    """The path of a `file:` address, read as browsers and Node.js read one (url.spec.whatwg.org); others as they are."""
    if text[:5].casefold() != "file:":
        return text
    from urllib.parse import unquote

    path = text[5:].translate(_NO_LINES).replace("\\", "/").partition("#")[0].partition("?")[0]
    if path.startswith("//"):
        host, slash, rest = path[2:].partition("/")
        path = path[2:] if host.startswith(("~", "$", ".")) else slash + rest
    return unquote(path)


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
