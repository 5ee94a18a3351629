"""What the host lends to a plugin's factory, beside its own options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from codespar_cli.core.clock import Clock, system_clock


def _nothing_to_resolve(reference: str) -> str | None:
    return None


class Services(NamedTuple):
    """`state_dir` is private to codespar (0700); `resolve` turns `secret:KEY` or `env:NAME` into a value or None.

    `config_dir` is where plugins.toml lies: relative paths in options start there.
    """

    state_dir: Path
    tenant: str = "default"
    clock: Clock = system_clock
    resolve: Callable[[str], str | None] = _nothing_to_resolve
    config_dir: Path = Path()
