"""How much of the governance the governed agent could undo: it runs as the same user, as a rule.

L0  same user      what codespar reads, keeps or is can be written by this user: beside a host's tools an edit is detected only
L1  administrator  an administrator's rules, which this user cannot write, bound every call; the rest is as with L0
L2  sandbox        neither rules, state, hooks nor codespar itself can be written from here
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from codespar_cli.core.layers import ADMINISTRATOR

LEVELS = {
    "L0": "same user: what an agent does through a host's tools is prevented, what it does beside them is detected only",
    "L1": "administrator: the administrator's rules bound every call and cannot be changed from here; the rest can, and that "
    "is detected only",
    "L2": "sandbox: neither rules, state, hooks nor codespar itself can be changed from here",
}
_PACKAGE = Path(__file__).parents[2]


class Layer(NamedTuple):
    """A plugins.toml that speaks, with what it may say. `rules` are the files of its policy, () where it has none."""

    name: str
    file: Path
    role: str
    rules: tuple[Path, ...] = ()

    @property
    def changeable(self) -> tuple[Path, ...]:
        """What of it this process could change."""
        return tuple(path for path in (self.file, *self.rules) if can_change(path))


class Protection(NamedTuple):
    """`changeable` is what makes it no higher a level: what of all that matters this process could change."""

    level: str
    changeable: tuple[Path, ...]

    @property
    def message(self) -> str:
        return LEVELS[self.level]


def protection(layers: Sequence[Layer], kept: Iterable[Path], package: Path = _PACKAGE) -> Protection:
    """As this process sees it, which is how an agent beside it sees it. `kept` are state directories and hosts' settings."""
    of_layers = [path for layer in layers for path in layer.changeable]
    beside = [path for path in (*kept, package) if can_change(path)]
    changeable = tuple(dict.fromkeys((*of_layers, *beside)))
    if not changeable:
        return Protection("L2", ())
    bounds = [layer for layer in layers if layer.name == ADMINISTRATOR and layer.rules]
    return Protection("L1" if bounds and not any(layer.changeable for layer in bounds) else "L0", changeable)


def can_change(path: Path) -> bool:
    """Whether this process could replace what is at `path`, through any directory above."""
    target = Path(os.path.realpath(path))
    return any(os.access(one, os.W_OK) for one in {target, *target.parents, *path.absolute().parents})
