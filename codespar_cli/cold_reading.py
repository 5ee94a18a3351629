"""Reading plugins.toml for a cold gate when it must be read: what it says, and everything that was looked at to find out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from codespar_cli.cold_gate import FORM, digest
from codespar_cli.storage.file_facts import Unknown, facts_of, is_settled, place_of

if TYPE_CHECKING:
    from codespar_cli.core.config import Config
    from codespar_cli.storage.sealed_cache import SealedCache

_FILE = "plugins.toml"
_ADMIN_FILE = "/etc/codespar/plugins.toml"
# What `expanduser` and the operating system read themselves.
_ALWAYS_ASKED = ("HOME",)


def read_afresh(
    cache: SealedCache, name: str, here: str, environ: Mapping[str, str], config_path: str | None
) -> dict[str, Any] | None:
    """What plugins.toml says, kept under `name` if it may be; None where nobody can tell what was looked at.

    Raises ConfigError.
    """
    watched = _Watched(environ)
    try:
        before = _looked_at(here, environ, config_path)
        config = read(watched, config_path)
        inputs = [os.fspath(path) for path in (config.path, *getattr(config, "inputs", ())) if path is not None]
        files = {path: facts_of(path) for path in (*before["files"], *inputs)}
        unchanged = _looked_at(here, environ, config_path) == before
    except Unknown:
        return None
    settings = {
        "form": FORM,
        "here": here,
        "option": config_path,
        "environ": [(asked, digest(environ.get(asked))) for asked in sorted(watched.asked)],
        "files": list(files.items()),
        "places": list(before["places"].items()),
        **_said(config),
    }
    if unchanged and not watched.read_whole and all(map(is_settled, files.values())):
        cache.put(name, settings)
    return settings


def _looked_at(here: str, environ: Mapping[str, str], config_path: str | None) -> dict[str, dict[str, Any]]:
    """Everything that decides which plugins.toml applies, and more: every directory above, whether or not it is asked.

    Raises Unknown.
    """
    files = [_ADMIN_FILE]
    home = environ.get("HOME") or "/"
    files.append(os.path.join(environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "codespar", _FILE))
    named = config_path or environ.get("CODESPAR_CONFIG")
    if named:
        files.append(os.path.join(here, os.path.expanduser(named)))
    places = []
    above = here
    while True:
        places += [above, os.path.join(above, ".git")]
        files.append(os.path.join(above, _FILE))
        if above == os.path.dirname(above):
            break
        above = os.path.dirname(above)
    return {"files": {path: facts_of(path) for path in files}, "places": {path: place_of(path) for path in places}}


def _said(config: Config) -> dict[str, Any]:
    """Of a configuration what a gate needs, as plain values."""
    from codespar_cli.plugins.policy.kept_engine import is_plain
    from codespar_cli.startup import governing, protected_files

    policy, metrics = config.policy, config.observability
    policies = [layer.policy for layer in config.policy_layers] or [policy]
    plain_policy = all(one is None or (one.name == "engine" and is_plain(one.options)) for one in policies)
    plain_metrics = metrics is None or (
        metrics.name == "observer" and metrics.options.get("store", "sqlite") == "sqlite"
    )
    return {
        "plain": plain_policy and plain_metrics,
        "tenant": config.tenant,
        "path": None if config.path is None else os.path.abspath(config.path),
        "agents": {pattern: dict(attributes) for pattern, attributes in config.agents.items()},
        "config_dir": os.fspath(config.directory),
        "state_dir": os.fspath(config.state_dir),
        "policy": None if policy is None else dict(policy.options),
        "observes": metrics is not None,
        "layers": [_layer(layer) for layer in config.policy_layers],
        "governing": list(governing(config)),
        "protected": protected_files(config),
    }


def _layer(config: Config) -> dict[str, Any]:
    """One of several policies; see layered_policy.py."""
    assert config.policy is not None
    return {
        "name": config.layer,
        "policy": dict(config.policy.options),
        "agents": [
            {pattern: dict(said) for pattern, said in table.items()} for table in (config.agents, *config.agents_above)
        ],
        "tenant": config.tenant if config.layer == "administrator" else None,
        "config_dir": os.fspath(config.directory),
        "state_dir": os.fspath(config.policy_dir or config.state_dir),
        "file": "" if config.path is None else os.path.abspath(config.path),
    }


class _Watched(Mapping[str, str]):
    """The environment, remembering what was asked of it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.asked: set[str] = set(_ALWAYS_ASKED)
        self.read_whole = False

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._environ[name]

    def __iter__(self) -> Iterator[str]:
        self.read_whole = True
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


def read(environ: Mapping[str, str], config_path: str | None) -> Config:
    """The configuration that applies here, in full. Raises ConfigError."""
    if sys.flags.no_site:  # a plugin may have been installed in a way that only `site` knows of
        from site import main as look_around

        look_around()
    from codespar_cli.startup import read_config

    config = read_config(config_path, environ=environ)
    tenant = environ.get("CODESPAR_TENANT")
    return config._replace(tenant=tenant) if tenant else config
