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
    ".gemini/.env",
    ".gemini/hooks/",
    ".copilot/config.json",
    ".copilot/hooks/",
    ".github/hooks/",
    ".mcp.json",
    ".claude.json",
    ".cursor/mcp.json",
    ".copilot/mcp-config.json",
)
_FILE_TAILS = tuple(f"/{tail}" for tail in _TAILS if not tail.endswith("/"))
_TREE_TAILS = tuple(f"/{tail}" for tail in _TAILS if tail.endswith("/"))
_HOSTS_DIRECTORIES = {".claude", ".codex", ".cursor", ".gemini", ".copilot"}
# Where hosts keep the plugins that they load, and what in a plugin is or names a hook.
_PLUGINS = ("/.claude/plugins/", "/.cursor/plugins/", "/.copilot/", "/.gemini/extensions/")
_PLUGIN_FILES = ("/hooks.json", "/plugin.json")
_CODEX = "/.codex/"
_CODEX_NOTES = ("skills/", "prompts/")
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
_CLAUDES = ("settings.json", "settings.local.json", ".claude.json")
_COPILOTS = ("config.json", "mcp-config.json")
_LONGEST = 4096  # PATH_MAX of Linux: what is longer opens nothing, unless a tool shortens it first
_MOST_LINKS = 32
_MOST_PARTS = 64  # each is a call within a call
_LIBRARIES = {"site-packages", "dist-packages"}
_VARIABLES = (
    *("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "CODESPAR_STATE_DIR", "CODESPAR_CONFIG"),
    *("CODEX_HOME", "CLAUDE_CONFIG_DIR", "COPILOT_HOME", "PWD"),
)
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
        self._codex: tuple[str, ...] = ()
        self._plugins: tuple[str, ...] = ()
        self._governed: tuple[str, ...] = ()
        self._standing: list[str] | None = None

    def protecting(
        self, text: str, *, anywhere: bool = True, programs: bool = True, whole: bool = False, filled: bool = False
    ) -> str | None:
        """The path as it was written, if it leads to something protected, also if a shell read it as a pattern.

        `anywhere`: also to a host's settings in any directory. `programs`: also to what codespar runs on, its
        interpreter and libraries. `whole`: also if something protected lies below it. `filled`: also if it could.
        """
        path = self.at(text)
        if not path:
            return None
        self._look_once()
        for spelled in {os.path.normpath(path), self._real(path)}:
            # A line break that is gone now: a link of that name was followed, or an address drops it.
            tails = anywhere or ("\n" in text.strip() and "\n" not in spelled)
            if self._is_protected(spelled, anywhere=tails, programs=programs):
                return text
            if (whole or filled) and (self._is_above(spelled) or (filled and self._could_hold(spelled))):
                return text
        if ("*" in path or "?" in path or "[" in path) and self._is_pattern(path, anywhere, programs, whole):
            return text
        return text if self._is_another_name(path) else None

    def at(self, text: str) -> str:
        """The path that a text means, absolute; empty where it opens nothing."""
        path = self._expanded(text)
        most = _LONGEST + len(self._cwd)  # of a relative path, what stands before it does not count
        if len(path) > most:
            path = os.path.normpath(path)
        return "" if len(path) > most else path

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

    def standing(self) -> list[str]:
        """What is protected and is there, folded to one case, each with a slash at its end."""
        self._look_once()
        return self._stood()

    # ── inside ──

    def _expanded(self, text: str) -> str:
        text = _address(text.partition("\0")[0].strip())
        if text.startswith("$"):
            text = self._with_value(text)
        if text.startswith("~"):
            user, slash, rest = text[1:].partition("/")
            text = self._home + slash + rest if user == "" else os.path.expanduser(text)  # noqa: PTH111
        return os.path.join(self._cwd, text) if text else ""  # noqa: PTH118

    def _with_value(self, text: str) -> str:
        for name in _VARIABLES:
            value = self._environ.get(name) or (self._cwd if name == "PWD" else self._home if name == "HOME" else "")
            sign = next((sign for sign in (f"${name}", f"${{{name}}}") if text.startswith(sign)), None)
            if value and sign is not None:
                return value + text[len(sign) :]
        return text

    def _is_pattern(self, path: str, anywhere: bool, programs: bool, whole: bool) -> bool:
        from codespar_cli.core.guard import path_patterns

        trees = (*self._within, *self._codex, *(self._programs_within if programs else ()))
        tails = _TAILS if anywhere else ()
        return any(
            path_patterns.could_be(spelled, self._exact or (), tails, trees)
            or (whole and path_patterns.could_hold(spelled, self._stood()))
            for spelled in path_patterns.spellings(path)
        )

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
        # One put below the project that governs would be the one in use there.
        governing = [path[: -len(_CONFIG) - 1] for path in self._files if path.endswith(f"/{_CONFIG}")]
        self._governed = self._folded((self._cwd, *governing))
        codex, claude = self._environ.get("CODEX_HOME"), self._environ.get("CLAUDE_CONFIG_DIR")
        self._codex = self._folded((codex,)) if codex else ()
        self._plugins = self._folded((os.path.join(claude, "plugins"),)) if claude else ()  # noqa: PTH118
        self._exact = exact

    def _list(self) -> None:
        """Name what is protected. Only once a path is asked about: most calls of tools name none."""
        environ, (files, directories) = self._environ, self._more
        config = environ.get("XDG_CONFIG_HOME") or os.path.join(self._home, ".config")  # noqa: PTH118
        state = environ.get("XDG_STATE_HOME") or os.path.join(self._home, ".local", "state")  # noqa: PTH118
        claude, copilot, zsh = (environ.get(name) for name in ("CLAUDE_CONFIG_DIR", "COPILOT_HOME", "ZDOTDIR"))
        self._trees = [
            *directories,
            _PACKAGE,
            _ADMINISTRATORS,
            os.path.join(config, "codespar"),  # noqa: PTH118
            environ.get("CODESPAR_STATE_DIR") or os.path.join(state, "codespar"),  # noqa: PTH118
            os.path.join(config, "fish"),  # noqa: PTH118
            *([os.path.join(claude, "hooks")] if claude else []),  # noqa: PTH118
            *([os.path.join(copilot, "hooks")] if copilot else []),  # noqa: PTH118
        ]
        self._programs = _libraries(self._home, self._real)
        self._files = [
            *files,
            *_MANAGED,
            *(os.path.join(self._home, name) for name in _SHELL_FILES),  # noqa: PTH118
            *(os.path.join(claude, name) for name in _CLAUDES if claude),  # noqa: PTH118
            *(os.path.join(copilot, name) for name in _COPILOTS if copilot),  # noqa: PTH118
            *([os.path.join(zsh, name) for name in _SHELL_FILES if name.startswith(".z")] if zsh else []),  # noqa: PTH118
        ]

    def _folded(self, trees: Iterable[str]) -> tuple[str, ...]:
        spelled = {one for path in trees for one in (os.path.normpath(path), self._real(path))}
        return tuple(f"{tree.casefold().rstrip('/')}/" for tree in spelled)

    def _is_protected(self, path: str, *, anywhere: bool, programs: bool) -> bool:
        # One case for all: most file systems of desktops do not tell `.Claude` from `.claude`.
        folded = "/" + path.casefold().strip("/")
        below = f"{folded}/"
        if folded in (self._exact or ()) or below.startswith(self._within):
            return True
        if programs and below.startswith(self._programs_within):
            return True
        if folded.endswith(f"/{_CONFIG}") and folded.startswith(self._governed):
            return True
        if below.startswith(self._codex) and not _is_note(folded, self._codex):
            return True
        return anywhere and (folded.endswith(_FILE_TAILS) or self._is_hosts(folded, below))

    def _is_hosts(self, folded: str, below: str) -> bool:
        if any(tail in below and (tail != _CODEX or not _is_note(folded, ())) for tail in _TREE_TAILS):
            return True
        if not ("/hooks/" in below or folded.endswith(_PLUGIN_FILES)):
            return False
        return folded.startswith(self._plugins) or any(plugins in folded for plugins in _PLUGINS)

    def _stood(self) -> list[str]:
        """What is protected and is there, folded, each with a slash at its end."""
        if self._standing is None:
            here = [self._cwd]
            while here[-1] != os.path.dirname(here[-1]):  # noqa: PTH120
                here.append(os.path.dirname(here[-1]))  # noqa: PTH120
            tails = (_CONFIG, *_TAILS)
            near = [os.path.join(above, tail) for above in (*here, self._home) for tail in tails]  # noqa: PTH118
            codex = [self._environ["CODEX_HOME"]] if self._codex else []
            named = (*self._files, *near, *self._trees, *self._programs, *codex)
            self._standing = list(self._folded(one for one in named if os.path.lexists(one)))
        return self._standing

    def _is_above(self, path: str) -> bool:
        """Whether something protected that is there lies below it."""
        folded = _folded_tree(path)
        if any(one.startswith(folded) for one in self._stood()):
            return True
        above, _, name = path.rstrip("/").rpartition("/")
        own = [tail for tail in _TAILS if tail.startswith(f"{name.casefold()}/")]
        return any(os.path.lexists(os.path.join(path, tail)) for tail in _TAILS) or any(  # noqa: PTH118
            os.path.lexists(f"{above}/{tail}") for tail in own
        )

    def _could_hold(self, path: str) -> bool:
        """Whether something protected would lie below it once it is there."""
        folded = _folded_tree(path)
        if folded.rstrip("/").rpartition("/")[2] in _HOSTS_DIRECTORIES:
            return True
        trees = (*self._within, *self._programs_within, *self._codex)
        files = (os.path.normpath(file).casefold() for file in self._files)
        return any(tree.startswith(folded) for tree in trees) or any(file.startswith(folded) for file in files)

    def _is_another_name(self, path: str) -> bool:
        """Whether it is a hard link to a protected file."""
        try:
            facts = os.stat(path)  # noqa: PTH116
        except (OSError, ValueError):
            return False
        if facts.st_nlink < 2 or not facts.st_mode & 0o100000:
            return False
        tails = (*_FILE_TAILS, "/.codex/config.toml", "/.codex/hooks.json")
        near = (above.rstrip("/") + tail for above in (self._cwd, self._home) for tail in tails)
        return any(_same(other, facts) for other in (*self._files, *near))


class _Links:
    """Follows links as `_real` does. The directories that many of the paths lie in are followed once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, path: str, links: int = 0) -> str:
        above, slash, name = path.rpartition("/")
        if not slash or name in {"", ".", ".."} or path.count("/") > _MOST_PARTS:
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


def _folded_tree(path: str) -> str:
    return f"/{path.casefold().strip('/')}/".replace("//", "/")


def _is_note(folded: str, homes: tuple[str, ...]) -> bool:
    """Whether it is one of Codex's texts: what a skill says decides no more than what a prompt does."""
    home = next((one for one in homes if folded.startswith(one)), None)
    rest = folded.removeprefix(home) if home else folded.rpartition(_CODEX)[2]
    return folded.endswith(".md") and rest.startswith(_CODEX_NOTES)


def _libraries(home: str, real: _Links) -> list[str]:
    """What the interpreter of this process runs: changed, it is a codespar that allows everything."""
    trees = [path for path in sys.path if os.path.basename(path) in _LIBRARIES]  # noqa: PTH119
    trees.append(os.path.dirname(os.__file__))  # noqa: PTH120
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if sys.prefix == sys.base_prefix:
        trees.append(f"{home}/.local/lib/{version}/site-packages")
    for directory in {os.path.dirname(sys.executable), os.path.dirname(real(sys.executable))}:  # noqa: PTH120
        trees += [f"{directory}/{name}" for name in ("codespar", "python", "python3", version)]
    # Without `site` some versions do not know that they are in an environment: `sys.prefix` is not its directory then.
    environment = os.path.dirname(os.path.dirname(sys.executable))  # noqa: PTH120
    return [*trees, f"{sys.prefix}/pyvenv.cfg", f"{environment}/pyvenv.cfg"]


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
