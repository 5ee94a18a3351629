"""Which files govern here, and how much of it all an agent could undo: what `doctor` and `hosts status` say of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codespar_cli.core.layers import ADMINISTRATOR, ADMINISTRATORS_FILE, PROJECT, USER

if TYPE_CHECKING:
    from codespar_cli.cli.session import Session
    from codespar_cli.core.config import Config
    from codespar_cli.core.layers import Places
    from codespar_cli.hosts.install.protection import Layer, Protection
    from codespar_cli.hosts.install.status import HostStatus

_SHOWN = 3
_BOUNDS = "bounds every call"
_OBSERVE = "observe"


def governing_layers(session: Session, config: Config, *, administrators: Path = ADMINISTRATORS_FILE) -> list[Layer]:
    """The plugins.toml files that were found, the highest first; one that another stands in for says so.

    Raises ConfigError.
    """
    from codespar_cli.core.config import working_directory
    from codespar_cli.core.layers import find_places
    from codespar_cli.hosts.install.protection import Layer

    places = find_places(
        session.config_path, environ=session.environ, start=working_directory(), administrators=administrators
    )
    found = zip((ADMINISTRATOR, USER, PROJECT), places, strict=True)
    return [
        Layer(name, path.absolute(), _role(name, config, places), tuple(_rules(config, path)))
        for name, path in found
        if path is not None
    ]


def observing_files(config: Config) -> list[Path]:
    """The plugins.toml files whose policy is in observe mode."""
    return [policy.path for policy in _policies(config) if policy.path is not None and _observes(policy)]


def mode_of(config: Config) -> str | None:
    """`observe` where no policy denies anything yet, `enforce` where one does, None where there is none."""
    policies = _policies(config)
    if not policies:
        return None
    return _OBSERVE if all(map(_observes, policies)) else "enforce"


def level_of(config: Config, layers: list[Layer], hosts: Iterable[HostStatus]) -> Protection:
    """Of the hosts, the files that hold our hooks matter."""
    from codespar_cli.hosts.install.protection import protection

    stores = [layer.policy_dir or layer.state_dir for layer in config.policy_layers]
    settings = [host.path for host in hosts if host.state != "not installed"]
    return protection(layers, [config.state_dir, *stores, *settings])


def layer_words(layer: Layer) -> str:
    """`user: /home/ana/.config/codespar/plugins.toml, bounds every call; an agent can change it`."""
    changeable = "an agent can change it" if layer.changeable else "it cannot be changed from here"
    if layer.changeable and layer.file not in layer.changeable:
        changeable = f"an agent can change {', '.join(map(str, layer.changeable))}"
    return f"{layer.name}: {layer.file}, {layer.role}; {changeable}"


def level_words(found: Protection) -> str:
    """`L0, same user: …; can be changed from here: …`."""
    more = len(found.changeable) - _SHOWN
    shown = [str(path) for path in found.changeable[:_SHOWN]] + ([f"{more} more"] if more > 0 else [])
    return f"{found.level}, {found.message}" + (f"; can be changed from here: {', '.join(shown)}" if shown else "")


def level_lines(config: Config, found: Protection, layers: list[Layer]) -> Iterator[str]:
    """Below the hosts of `hosts status`."""
    if mode_of(config) == _OBSERVE:
        yield f"{'':<8} observe mode: nothing is denied yet"
    yield from (f"{'':<8} governed by {layer_words(layer)}" for layer in layers)
    yield f"{'':<8} protection {level_words(found)}"


def level_json(config: Config, found: Protection, layers: list[Layer]) -> dict[str, Any]:
    """The three keys that each host of `hosts status -o json` has of it."""
    return {
        "mode": mode_of(config),
        "protection": {
            "level": found.level,
            "message": found.message,
            "changeable": [str(path) for path in found.changeable],
        },
        "governed_by": [
            {
                "layer": layer.name,
                "file": str(layer.file),
                "role": layer.role,
                "has_policy": bool(layer.rules),
                "changeable": bool(layer.changeable),
            }
            for layer in layers
        ],
    }


def _role(name: str, config: Config, places: Places) -> str:
    path = {ADMINISTRATOR: places.administrator, USER: places.own, PROJECT: places.project}[name]
    policies = [layer for layer in config.policy_layers or (config,) if layer.path == path and layer.policy is not None]
    if name == USER and places.project is not None and config.path == places.project:
        return "says nothing here: the trusted project's file stands in its place"
    if not policies:
        return "has no policy"
    if name != PROJECT:
        return _BOUNDS
    if config.path != path:
        return "may only tighten"
    return (
        "is trusted and stands in the user's place" if config.governed else "governs calls made below it and no others"
    )


def _policies(config: Config) -> list[Config]:
    return [layer for layer in config.policy_layers or (config,) if layer.policy is not None]


def _observes(config: Config) -> bool:
    return config.policy is not None and config.policy.options.get("mode") == _OBSERVE


def _rules(config: Config, path: Path) -> Iterator[Path]:
    """The files that its policy is made of, itself where the rules are not in a file."""
    from codespar_cli.core.trust_pin import policy_files

    for layer in config.policy_layers or (config,):
        if layer.path == path and layer.policy is not None:
            yield path.absolute()
            for name in policy_files({"policy": layer.policy.options}):
                yield (layer.directory / name).absolute()
