"""plugins.toml as frozen values: found, read once, checked whole, or refused with file, line, key, expected and found.

The file names backends; it can never name a module, a path to code, a URL or a command to load.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from codespar_cli.core import webhook_options
from codespar_cli.core.options import (
    SCALAR,
    TEXT,
    Check,
    Problem,
    describe,
    either,
    listing,
    mapping,
    simple,
    table,
    unknown_key,
)
from codespar_cli.core.text import nearest, visible
from codespar_cli.core.toml_source import line_of
from codespar_cli.errors import ConfigError

FILE_NAME = "plugins.toml"
SINGLE_KINDS = ("policy", "observability", "secrets")
KINDS = (*SINGLE_KINDS, "integrations")
NONE = "none"
_MAX_BYTES = 1 << 20

KnownOptions: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Check]]]
"""kind -> built-in backend -> the keys it understands."""
InstalledNames: TypeAlias = Callable[[str], Collection[str]]
"""kind -> names of installed entry points; asked only for a name that is not built in."""


class Backend(NamedTuple):
    """One plugin as it is asked for. `source` says by whom: `plugins.toml:14`, or `default`."""

    kind: str
    name: str
    options: Mapping[str, Any] = MappingProxyType({})
    source: str = "default"


class Config(NamedTuple):
    """The whole file. A kind that is None is off by choice: silent, or `backend = "none"`.

    `tenant` is who a command works for; `file_tenant` whom the file names, whose secrets its references mean. `users_own`
    says that the file is the user's or the administrator's, and not one that was found in a project.
    """

    path: Path | None
    tenant: str
    state_dir: Path
    policy: Backend | None = None
    observability: Backend | None = None
    secrets: Backend = Backend("secrets", NONE)
    integrations: tuple[Backend, ...] = (Backend("integrations", "github"),)
    agents: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    file_tenant: str | None = None
    inbox: Mapping[str, Any] = MappingProxyType({})
    routes: tuple[Mapping[str, Any], ...] = ()
    serve: Mapping[str, Any] = MappingProxyType({})
    users_own: bool = False

    @property
    def directory(self) -> Path:
        return self.path.parent if self.path else working_directory() or Path("/")

    def backends(self, kind: str) -> tuple[Backend, ...]:
        """The active plugins of one kind, none to many."""
        if kind == "integrations":
            return self.integrations
        backend = getattr(self, kind)
        return () if backend is None else (backend,)


def find_config(explicit: str | None, *, environ: Mapping[str, str], start: Path | None) -> Path | None:
    """Which file speaks: the option, `$CODESPAR_CONFIG`, the nearest one above, the user's own, or none.

    The walk upwards ends at a repository's root, at home, and at a directory that another user could have put a file
    into; `start` is None where there is no working directory any more. Raises ConfigError when a named file is not there.
    """
    if explicit == "":
        raise ConfigError(
            "--config: expected a path, found an empty string", hint="leave it out to have one looked for"
        )
    named = explicit or environ.get("CODESPAR_CONFIG")
    if named:
        return _named_file(named, "--config" if explicit else "CODESPAR_CONFIG")
    home = Path(environ.get("HOME") or "/").absolute()
    for directory in () if start is None else (start, *start.parents):
        candidate = directory / FILE_NAME
        if candidate.is_file():
            return candidate
        if directory == home or (directory / ".git").exists() or not _is_ours(directory):
            break
    base = environ.get("XDG_CONFIG_HOME") or str(home / ".config")
    candidate = Path(base) / "codespar" / FILE_NAME
    return candidate if candidate.is_file() else None


def is_users_own(path: Path | None, explicit: str | None, *, environ: Mapping[str, str]) -> bool:
    """Whether a file speaks for the user: named by hand, or where the user or the administrator keeps it.

    One that was found on the way up from the working directory may have come with what somebody cloned.
    """
    if path is None or explicit or environ.get("CODESPAR_CONFIG"):
        return True
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or "/").absolute() / ".config")
    return path.absolute().parent in {Path(base) / "codespar", Path("/etc/codespar")}


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """`$CODESPAR_STATE_DIR`, else `$XDG_STATE_HOME/codespar`, else `~/.local/state/codespar`."""
    if explicit := environ.get("CODESPAR_STATE_DIR"):
        return absolute_path(explicit, Path("/"), "CODESPAR_STATE_DIR")
    base = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME") or "/") / ".local" / "state")
    return Path(base).absolute() / "codespar"


def absolute_path(text: str, base: Path, key: str) -> Path:
    """A path as people write it: `~` is home, relative ones start at `base`. Raises ConfigError."""
    if "\0" in text:
        raise ConfigError(f"{key}: a path cannot hold a NUL", key=key)
    try:
        return base / Path(text).expanduser()
    except (RuntimeError, OSError) as error:
        raise ConfigError(f"{key}: `{visible(text[:80])}` is no path: {str(error).lower()}", key=key) from None


def _named_file(named: str, origin: str) -> Path:
    try:
        path = absolute_path(named, working_directory() or Path("/"), origin)
        if path.exists():
            return path
        words = "does not exist"
    except OSError as error:
        words = f"cannot be read: {(error.strerror or str(error)).lower()}"
    raise ConfigError(
        f"the file named by {origin} {words}", file=visible(named[:200]), hint="codespar init --dir DIR writes one"
    )


def working_directory() -> Path | None:
    """None where it was removed under us."""
    try:
        return Path.cwd()
    except OSError:
        return None


def load_config(
    path: Path | None,
    *,
    environ: Mapping[str, str],
    known: KnownOptions,
    installed: InstalledNames,
    users_own: bool = False,
) -> Config:
    """Read and check one file; the defaults when there is none. Raises ConfigError."""
    if path is None:
        return Config(path=None, tenant="default", state_dir=default_state_dir(environ), users_own=True)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise ConfigError(f"cannot be read: {words}", file=shown(path), hint=f"ls -l {path}") from error
    if len(data) > _MAX_BYTES:
        raise ConfigError("is larger than 1 MiB", file=shown(path), line=1)
    return parse_config(data, path=path, environ=environ, known=known, installed=installed, users_own=users_own)


def parse_config(
    data: bytes,
    *,
    path: Path,
    environ: Mapping[str, str],
    known: KnownOptions,
    installed: InstalledNames,
    users_own: bool = False,
) -> Config:
    """The bytes of a plugins.toml as a Config. Raises ConfigError with the line and the key at fault."""
    text, document = _parse_toml(data, path)
    problem = next(_problems(document, known, installed, users_own=users_own), None)
    if problem is not None:
        raise _at(problem, text, path)
    state_dir = document.get("state_dir")
    return Config(
        path=path,
        tenant=document.get("tenant", "default"),
        state_dir=absolute_path(state_dir, path.parent, "state_dir") if state_dir else default_state_dir(environ),
        policy=_single("policy", document, path),
        observability=_single("observability", document, path),
        secrets=_single("secrets", document, path) or Backend("secrets", NONE),
        integrations=_integrations(document, path),
        agents=document.get("agents", {}),
        file_tenant=document.get("tenant", "default"),
        inbox={key: value for key, value in document.get("integrations", {}).items() if key in webhook_options.INBOX},
        routes=tuple(document.get("routes", ())),
        serve=document.get("serve", {}),
        users_own=users_own,
    )


def shown(path: Path) -> str:
    """A path as an error names it: relative where the reader stands above it."""
    try:
        return visible(str(path.relative_to(Path.cwd())))
    except (ValueError, OSError):
        return visible(str(path))


# ── checking ───────────────────────────────────────────────────────────────────────────────────────────────────

_ATTRIBUTE = either(SCALAR, listing(SCALAR), expected="a string, a number, true/false or a list of them")
_TOP: dict[str, Check] = {
    "version": simple("1, the only version there is", lambda value: type(value) is int and value == 1),
    "tenant": TEXT,
    "state_dir": TEXT,
    "agents": mapping(mapping(_ATTRIBUTE)),
    "serve": webhook_options.SERVE,
}


def _problems(document: Mapping[str, Any], known: KnownOptions, installed: InstalledNames, *, users_own: bool) -> Any:
    for key, value in document.items():
        if key in _TOP:
            yield from _TOP[key](value, (key,))
        elif key in SINGLE_KINDS:
            yield from _single_problems(key, value, known[key], installed)
        elif key == "integrations":
            yield from _integration_problems(value, known[key], installed)
        elif key == "routes":
            yield from webhook_options.routes(value, (key,), users_own=users_own)
        else:
            yield unknown_key((key,), dict.fromkeys((*_TOP, *KINDS, "routes")))


def _single_problems(
    kind: str, section: Any, known: Mapping[str, Mapping[str, Check]], installed: InstalledNames
) -> Any:
    if not isinstance(section, Mapping):
        yield Problem((kind,), f"expected a table, found {describe(section)}")
        return
    name = section.get("backend")
    if name is None:
        yield Problem((kind,), "missing key `backend`", f'backend = "{NONE}" switches it off')
        return
    if name != NONE and not (isinstance(name, str) and name in known):
        yield from _name_problem((kind, "backend"), kind, name, tuple(dict.fromkeys((NONE, *known))), installed)
    keys = known.get(name) if isinstance(name, str) else None
    if name == NONE:
        # What is switched off keeps its options, so that it can be switched on again.
        keys = {key: check for backend in known.values() for key, check in backend.items()}
    if keys is not None:
        yield from table({"backend": TEXT, **keys})(section, (kind,))


def _integration_problems(section: Any, known: Mapping[str, Mapping[str, Check]], installed: InstalledNames) -> Any:
    kind = "integrations"
    if not isinstance(section, Mapping):
        yield Problem((kind,), f"expected a table, found {describe(section)}")
        return
    active = section.get("active")
    if not isinstance(active, list):
        found = "missing key `active`" if active is None else f"expected a list, found {describe(active)}"
        yield Problem((kind, "active") if active is not None else (kind,), found, 'active = ["github"]')
        return
    for index, name in enumerate(active):
        path = (kind, "active", index)
        if not (isinstance(name, str) and name in known):
            yield from _name_problem(path, kind, name, tuple(known), installed)
        elif name in active[:index]:
            yield Problem(path, f"`{name}` is given twice")
    for name, options in section.items():
        if name == "active":
            continue
        if name in webhook_options.INBOX:
            yield from webhook_options.INBOX[name](options, (kind, name))
        elif name == webhook_options.TENANTS:
            yield from webhook_options.tenants(options, (kind, name), known)
        elif name in known:
            yield from table(known[name])(options, (kind, name))
        elif name not in active:
            yield unknown_key(
                (kind, name), dict.fromkeys(("active", webhook_options.TENANTS, *webhook_options.INBOX, *known))
            )
        elif not isinstance(options, Mapping):
            yield Problem((kind, name), f"expected a table, found {describe(options)}")


def _name_problem(
    path: tuple[str | int, ...], kind: str, name: Any, builtin: tuple[str, ...], installed: InstalledNames
) -> Any:
    if not isinstance(name, str):
        yield Problem(path, f"expected the name of a backend, found {describe(name)}")
        return
    others = sorted(installed(kind))
    if name in others:
        return
    expected = ", ".join(f"`{known}`" for known in (*builtin, *others))
    close = nearest(name, (*builtin, *others))
    meant = f"did you mean `{close}`? " if close else ""
    yield Problem(
        path, f"unknown backend {describe(name)}, expected one of {expected}", f"{meant}codespar plugins list"
    )


def _at(problem: Problem, text: str, path: Path) -> ConfigError:
    key = ".".join(visible(str(part)) for part in problem.path)
    return ConfigError(
        f"{key}: {problem.message}" if key else problem.message,
        key=key,
        hint=problem.hint,
        file=shown(path),
        line=line_of(text, problem.path),
    )


# ── building ───────────────────────────────────────────────────────────────────────────────────────────────────


def _single(kind: str, document: Mapping[str, Any], path: Path) -> Backend | None:
    section = document.get(kind)
    if section is None or (section["backend"] == NONE and kind != "secrets"):
        return None
    options = {key: value for key, value in section.items() if key != "backend"}
    return Backend(kind, section["backend"], options, shown(path))


def _integrations(document: Mapping[str, Any], path: Path) -> tuple[Backend, ...]:
    section = document.get("integrations")
    if section is None:
        return (Backend("integrations", "github"),)
    tenants = section.get(webhook_options.TENANTS, {})
    found = []
    for name in section["active"]:
        own = {tenant: tables[name] for tenant, tables in tenants.items() if name in tables}
        options = {**section.get(name, {}), **({"tenants": own} if own else {})}
        found.append(Backend("integrations", name, options, shown(path)))
    return tuple(found)


def _parse_toml(data: bytes, path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8", file=shown(path), line=line) from None
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = re.search(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$", message)
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        words = message[: place.start()] if place else message
        raise ConfigError(f"not TOML: {visible(words[:1].lower() + words[1:])}", file=shown(path), line=line) from None
    except (RecursionError, ValueError) as error:
        # tomllib lets a few of Python's own refusals through: bottomless nesting, integers of thousands of digits.
        words = "nested too deeply" if isinstance(error, RecursionError) else "a value is out of range"
        raise ConfigError(f"not TOML: {words}", file=shown(path), line=1) from None


def _is_ours(directory: Path) -> bool:
    try:
        facts = directory.stat()
    except OSError:
        return False
    return facts.st_uid in (os.geteuid(), 0) and not facts.st_mode & 0o002
