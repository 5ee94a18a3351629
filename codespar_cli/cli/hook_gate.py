"""The gate that a hook asks, and what is noted beside it."""

from __future__ import annotations

import os

from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.errors import ConfigError
from codespar_cli.hosts.governed_places import GovernedPlaces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codespar_cli.cli.hook_line import HookLine
    from codespar_cli.core.gate import Gate


def open_hook_gate(line: HookLine, state_dir: str, lost: Sequence[str] = ()) -> Gate:
    """Raises ConfigError, also where a plugins.toml that governed this place does not any more; and what loading raises.

    `lost` are folders the call may be about that are not there: what governed in them must speak from here.
    """
    from codespar_cli.cold_gate import open_gate

    places = GovernedPlaces(state_dir, _users_own())
    is_searched = line.config is None and not os.environ.get("CODESPAR_CONFIG")
    start = _here()
    for place in (start, *lost) if is_searched else ():
        if (missing := places.missing(place)) is not None:
            raise _no_permission(
                places, missing, "governed the calls made here and is not there any more", "put it back"
            )
    environ = {**os.environ, "CODESPAR_TENANT": line.tenant} if line.tenant else os.environ
    gate = open_gate(environ, config_path=line.config)
    for place in (start, *lost) if is_searched else ():
        if (above := places.cut_off(place, gate.governing)) is not None:
            why = "the workspace is gone" if place in lost else "a repository that begins in between ends the search"
            words = f"governed calls and is not found from here: {why}"
            raise _no_permission(places, above, words, f"name it in the hook's line: --config {above}")
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


def _here() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return None


def _users_own() -> str:
    """The directory of the user's own plugins.toml; `core.config.users_file`, without what that takes to import."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.environ.get("HOME") or "/", ".config")  # noqa: PTH118
    return os.path.join(base, "codespar")  # noqa: PTH118


def _no_permission(places: GovernedPlaces, path: str, words: str, mend: str) -> ConfigError:
    return ConfigError(words, file=path, code="config_gone", hint=f"{mend}, or take its line out of {places.path}")
