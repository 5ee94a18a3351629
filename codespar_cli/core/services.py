"""What the host lends to a plugin's factory, beside its own options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from codespar_cli.core.clock import Clock, system_clock
from codespar_cli.core.references import unresolved


def _nothing_to_resolve(reference: str) -> str | None:
    return None


class Services(NamedTuple):
    """`state_dir` is private to codespar (0700); `resolve` turns a reference into a value or None.

    `config_dir` is where plugins.toml lies: relative paths in options start there. `users_own` says that the file is the
    user's or the administrator's own, not one that was found in a project.
    """

    state_dir: Path
    tenant: str = "default"
    clock: Clock = system_clock
    resolve: Callable[[str], str | None] = _nothing_to_resolve
    config_dir: Path = Path()
    users_own: bool = False

    def require(self, reference: str, *, key: str) -> str:
        """The value of `secret:KEY`, `env:NAME` or `file:PATH`, which `key` asks for: one of the plugin's own
        table, or, with dots, of the whole file.

        Raises ConfigError when there is none or it is empty, and what the secrets plugin raises.
        """
        value = self.resolve(reference)
        if not value:
            raise unresolved(self.resolve, reference, key=key)
        return value
