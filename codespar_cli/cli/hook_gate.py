"""The gate that a hook asks, and what is noted beside it."""

from __future__ import annotations

import os

from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.errors import ConfigError
from codespar_cli.hosts.governed_places import GovernedPlaces

if TYPE_CHECKING:
    from codespar_cli.cli.hook_line import HookLine
    from codespar_cli.core.gate import Gate


def open_hook_gate(line: HookLine, state_dir: str) -> Gate:
    """Raises ConfigError, also where a plugins.toml that governed this place is gone; and what loading plugins raises."""
    from codespar_cli.cold_gate import open_gate

    places = GovernedPlaces(state_dir)
    if line.config is None and not os.environ.get("CODESPAR_CONFIG"):
        _refuse_missing(places)
    environ = {**os.environ, "CODESPAR_TENANT": line.tenant} if line.tenant else os.environ
    gate = open_gate(environ, config_path=line.config)
    for path in gate.governing if line.config is None else ():
        try:
            places.remember(path)
        except OSError:
            pass  # then its loss will not be noticed; whether this call may be made does not depend on it
    return gate


def hook_state_dir() -> str:
    """Where hooks note what they did: always the user's own, whatever a project's plugins.toml says. Raises ConfigError."""
    named = os.environ.get("CODESPAR_STATE_DIR", "")
    if os.path.isabs(named):  # noqa: PTH117  the plainest case needs no configuration module
        return named
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.environ.get("HOME") or "/", ".local", "state")  # noqa: PTH118
    if not named and os.path.isabs(base):  # noqa: PTH117
        return os.path.join(base, "codespar")  # noqa: PTH118
    from codespar_cli.core.config import default_state_dir

    return str(default_state_dir(os.environ))


def _refuse_missing(places: GovernedPlaces) -> None:
    try:
        start = os.getcwd()  # noqa: PTH109
    except OSError:
        start = None
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.environ.get("HOME") or "/", ".config")  # noqa: PTH118
    missing = places.missing(start, os.path.join(base, "codespar"))  # noqa: PTH118
    if missing is not None:
        raise ConfigError(
            "governed the calls made here and is not there any more",
            file=missing,
            code="config_gone",
            hint=f"put it back, or take its line out of {places.path}",
        )
