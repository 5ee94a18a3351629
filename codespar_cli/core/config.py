"""plugins.toml as frozen values: found, read once, checked whole, or refused with file, line, key, expected and found.

The file names backends; it can never name a module, a path to code, a URL or a command to load.
"""

from __future__ import annotations

import errno
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from codespar_cli.core import webhook_options
from codespar_cli.core.config_checks import NONE, InstalledNames, KnownOptions, problems_in
from codespar_cli.core.options import Problem
from codespar_cli.core.regular_file import read_regular
from codespar_cli.core.text import visible
from codespar_cli.core.toml_source import line_of
from codespar_cli.errors import ConfigError

FILE_NAME = "plugins.toml"
_MAX_BYTES = 1 << 20


class Backend(NamedTuple):
    """One plugin as it is asked for. `source` says by whom: `plugins.toml:14`, or `default`."""

    kind: str
    name: str
    options: Mapping[str, Any] = MappingProxyType({})
    source: str = "default"


class Ignored(NamedTuple):
    """A key of a project's file that is not a project's to set."""

    file: str
    line: int
    key: str


class Config(NamedTuple):
    """The whole file. A kind that is None is off by choice: silent, or `backend = "none"`.

    `tenant` is who a command works for; `file_tenant` whom the file names, whose secrets its references mean. `users_own`
    says that the file is the user's or the administrator's, and not one that was found in a project.

    Where several files speak (layers.py), `policy_layers` are those whose policies must all allow, the highest first,
    each with its name in `layer` and its store in `policy_dir` (the state directory, where that is None);
    `agents_above` are the attributes that beat its own, the highest last. `inputs` are the
    files beside `path` that this was made of, `ignored` what a project's file asked for and did not get, `governed` says
    that the user or an administrator has a file.
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
    layer: str = "user"
    policy_layers: tuple[Config, ...] = ()
    policy_dir: Path | None = None
    agents_above: tuple[Mapping[str, Mapping[str, Any]], ...] = ()
    inputs: tuple[Path, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    governed: bool = False

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
    candidate = users_file(environ)
    return candidate if candidate.is_file() else None


def users_file(environ: Mapping[str, str]) -> Path:
    """Where the user's own plugins.toml lies, if there is one."""
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or "/").absolute() / ".config")
    return Path(base) / "codespar" / FILE_NAME


def is_users_own(path: Path | None, explicit: str | None, *, environ: Mapping[str, str]) -> bool:
    """Whether a file speaks for the user: named by hand, or where the user or the administrator keeps it.

    One that was found on the way up from the working directory may have come with what somebody cloned.
    """
    if path is None or explicit or environ.get("CODESPAR_CONFIG"):
        return True
    return path.absolute().parent in {users_file(environ).parent, Path("/etc/codespar")}


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
        if path.is_file():
            return path
        # Anything else is no configuration, and none at all would be a permission: `/dev/null` must not be one.
        words = "is no regular file" if os.path.lexists(path) else "does not exist"
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
    data = read_bytes(path)
    return parse_config(data, path=path, environ=environ, known=known, installed=installed, users_own=users_own)


def read_bytes(path: Path) -> bytes:
    """What is in a plugins.toml. Raises ConfigError."""
    try:
        return read_regular(path, _MAX_BYTES).data
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise ConfigError("is larger than 1 MiB", file=shown(path), line=1) from None
        words = (error.strerror or str(error)).lower()
        raise ConfigError(f"cannot be read: {words}", file=shown(path), hint=f"ls -ld {path}") from error


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
    text, document = parse_toml(data, path)
    problem = next(problems_in(document, known, installed, users_own=users_own), None)
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


def parse_toml(data: bytes, path: Path) -> tuple[str, dict[str, Any]]:
    """The text, and what it says. Raises ConfigError."""
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
