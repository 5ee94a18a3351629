"""Whose plugins.toml says what: the administrator's over the user's over a project's.

Where neither the user nor an administrator has a file, a project's works as it is. Where one has, a project's may only
tighten: its policy is asked beside the others, each with its own store and tenant, and all must allow. What else it may
say is a short list (`_PROJECT_KEYS`); everything else of it is ignored, and told. A file that its user trusts
(trust_pin.py) stands in the user's place, and is bound by the administrator's alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from codespar_cli.core.config import (
    Backend,
    Config,
    Ignored,
    find_config,
    is_users_own,
    load_config,
    parse_config,
    parse_toml,
    read_bytes,
    shown,
    users_file,
)
from codespar_cli.core.config_checks import NONE, InstalledNames, KnownOptions
from codespar_cli.core.toml_source import line_of
from codespar_cli.core.trust_pin import Pin, pin_of, policy_files
from codespar_cli.errors import ConfigError

ADMINISTRATORS_FILE = Path("/etc/codespar/plugins.toml")
ADMINISTRATOR, USER, PROJECT = "administrator", "user", "project"

Trusts: TypeAlias = Callable[[Pin], bool]

# What a project may say beside others. None: anything; a dict: these keys of the table.
_PROJECT_KEYS: dict[str, tuple[str, ...] | None] = {
    "version": None,
    "agents": None,
    "policy": (
        "backend",
        "rules",
        "mode",
        "record_args",
        "tenants",
        "policies",
        "entities",
        "schema",
        "data",
        "package",
    ),
    "observability": ("backend",),
}


class Places(NamedTuple):
    """Which files speak. `own` is the user's, or the one that a person named."""

    administrator: Path | None = None
    own: Path | None = None
    project: Path | None = None

    @property
    def files(self) -> list[Path]:
        return [path for path in self if path is not None]


class Reading(NamedTuple):
    """What reading a file takes; see `parse_config`."""

    environ: Mapping[str, str]
    known: KnownOptions
    installed: InstalledNames


def find_places(
    explicit: str | None,
    *,
    environ: Mapping[str, str],
    start: Path | None,
    administrators: Path = ADMINISTRATORS_FILE,
) -> Places:
    """The files that apply from the directory `start`. Raises ConfigError.

    Where the administrator's lies can only be said by whoever writes the program: an agent can set variables.
    """
    above = _there(administrators)
    users = users_file(environ)
    nearest = find_config(explicit, environ=environ, start=start)
    if explicit:
        return Places(above, nearest)
    if environ.get("CODESPAR_CONFIG"):
        # A host may take its environment from a project's settings.
        if nearest is None or not _in_project(nearest, start, environ):
            return Places(above, nearest)
    elif is_users_own(nearest, explicit, environ=environ):
        return Places(above, _there(users))
    return Places(above, _there(users), nearest)


def read_places(places: Places, reading: Reading, *, trusts: Trusts) -> Config:
    """One configuration of all the files. Raises ConfigError where one of them is not valid."""
    administrator = None if places.administrator is None else _load(places.administrator, reading)
    named = places.own is not None or places.administrator is not None
    if places.project is not None:
        if not named:
            return load_config(places.project, **reading._asdict())
        return _beside(places.project, places, administrator, reading, trusts)
    own = load_config(places.own, users_own=True, **reading._asdict()) if places.own or administrator is None else None
    config = _composed(administrator, own, None)
    return config._replace(governed=named, inputs=tuple(places.files) if administrator else ())


def _beside(path: Path, places: Places, administrator: Config | None, reading: Reading, trusts: Trusts) -> Config:
    """A project's file beside the user's or the administrator's."""
    data = read_bytes(path)
    _, document = parse_toml(data, path)
    project = parse_config(data, path=path, **reading._asdict())
    inputs = (*places.files, *(path.parent / name for name in policy_files(document)))
    if _is_trusted(path, data, document, trusts):
        return _composed(administrator, project, None)._replace(inputs=inputs, governed=True)
    own = None if places.own is None else _load(places.own, reading)
    return _composed(administrator, own, _stripped(project, data))._replace(inputs=inputs)


def ignored_in(data: bytes, path: Path) -> tuple[Ignored, ...]:
    """What this file says that is not a project's to say, in its order. Raises ConfigError where it is no TOML."""
    text, document = parse_toml(data, path)
    return tuple(Ignored(shown(path), line_of(text, key), ".".join(key)) for key in _foreign(document))


# ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _there(path: Path) -> Path | None:
    """The file, or None where there is none. What cannot be looked at, or is no file, is no permission: ConfigError."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise ConfigError(f"cannot be looked at: {words}", file=shown(path), hint=f"ls -ld {path.parent}") from error
    if not path.is_file():
        raise ConfigError("expected a file, found something else", file=shown(path), hint=f"ls -ld {path}")
    return path


def _in_project(path: Path, start: Path | None, environ: Mapping[str, str]) -> bool:
    """Whether a file lies in the tree of the working directory, or in a directory above it, home left out.

    The tree is that of the outermost repository: an inner one can be made by whoever may make directories.
    """
    home = Path(environ.get("HOME") or "/").absolute()
    if start is None or start == home:
        return False
    above: list[Path] = [start]
    for directory in start.parents:
        if directory == home:
            break
        above.append(directory)
    root = next((directory for directory in reversed(above) if (directory / ".git").exists()), start)
    for place in (path.absolute(), Path(os.path.realpath(path))):
        if place.is_relative_to(root) or place.is_relative_to(os.path.realpath(root)) or place.parent in above:
            return True
    return False


def _load(path: Path, reading: Reading) -> Config:
    return load_config(path, users_own=True, **reading._asdict())


def _is_trusted(path: Path, data: bytes, document: Mapping[str, Any], trusts: Trusts) -> bool:
    try:
        return trusts(pin_of(path, data, document))
    except OSError:
        return False  # what cannot be read is not what was trusted


def _stripped(config: Config, data: bytes) -> Config:
    """A project's file without what is not its to say. Raises ConfigError for a policy that could not be asked."""
    path = config.path
    assert path is not None
    policy, metrics = config.policy, config.observability
    allowed = _PROJECT_KEYS["policy"] or ()
    if policy is not None and policy.name not in {"engine", "cedar", "rego"}:
        # Leaving it out would let through what this project denies.
        raise ConfigError(
            f"policy.backend: `{policy.name}` is an installed plugin, which a project cannot choose beside your own file",
            key="policy.backend",
            code="project_may_only_tighten",
            file=shown(path),
            line=line_of(data.decode("utf-8-sig"), ("policy", "backend")),
            hint="codespar trust",
        )
    return config._replace(
        policy=None if policy is None else policy._replace(options=_only(policy.options, allowed)),
        observability=Backend(metrics.kind, metrics.name, source=metrics.source)
        if metrics is not None and metrics.name == "observer"
        else None,
        secrets=Backend("secrets", NONE),
        integrations=(),
        inbox={},
        routes=(),
        serve={},
        ignored=ignored_in(data, path),
    )


def _only(options: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key in keys}


def _foreign(document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for key, value in document.items():
        keys = _PROJECT_KEYS.get(key, ())
        if keys is None:
            continue
        if not keys or not isinstance(value, Mapping):
            yield (key,)
            continue
        if key == "observability" and value.get("backend") not in {"observer", NONE}:
            yield key, "backend"
        yield from ((key, inner) for inner in value if inner not in keys)


def _composed(administrator: Config | None, own: Config | None, project: Config | None) -> Config:
    """The configuration of one to three files. Without an administrator and a project it is the own one as it is."""
    if administrator is None and project is None:
        assert own is not None
        return own
    base = own or administrator
    assert base is not None
    if own is not None and administrator is not None:
        base = _inheriting(own, administrator)
    layers: list[Config] = []
    if administrator is not None:
        layers.append(administrator._replace(layer=ADMINISTRATOR, policy_dir=administrator.state_dir / "administrator"))
    if own is not None:
        layers.append(base._replace(layer=USER))
    if project is not None:
        layers.append(project._replace(layer=PROJECT, tenant=base.tenant, policy_dir=_projects_own(base, project)))
    tables = [layer.agents for layer in layers]
    layers = [layer._replace(agents_above=tuple(tables[:place][::-1])) for place, layer in enumerate(layers)]
    policies = tuple(layer for layer in layers if layer.policy is not None)
    return base._replace(
        policy=next((layer.policy for layer in reversed(policies) if layer.layer != PROJECT), None)
        or (policies[0].policy if policies else None),
        observability=next((layer.observability for layer in layers if layer.observability is not None), None),
        policy_layers=policies,
        ignored=() if project is None else project.ignored,
        governed=True,
    )


def _inheriting(own: Config, administrator: Config) -> Config:
    """Tenant and state directory come from the administrator where the user's file does not say."""
    assert own.path is not None
    _, said = parse_toml(read_bytes(own.path), own.path)
    tenant = own.tenant if "tenant" in said else administrator.tenant
    state_dir = own.state_dir if "state_dir" in said else administrator.state_dir
    return own._replace(tenant=tenant, file_tenant=tenant, state_dir=state_dir)


def _projects_own(base: Config, project: Config) -> Path:
    """Where a project's counters are: a rule of the same name as one of yours must not share yours."""
    name = os.fsencode(os.path.realpath(project.directory))
    return base.state_dir / "projects" / hashlib.sha256(name).hexdigest()[:32]
