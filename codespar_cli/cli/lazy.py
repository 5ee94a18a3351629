"""A Typer group that imports a command only when it is called: `--version` must not pay for the vault."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Any

import typer.core
import typer.main


class LazyCommands(MutableMapping[str, Any]):
    """Command names to commands, made on first use from a table of `name -> (module, summary)`."""

    def __init__(self, table: dict[str, tuple[str, str]]) -> None:
        self.table = table
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            module, _ = self.table[name]
            command = typer.main.get_command(import_module(module).app)
            command.name = name
            self._made[name] = command
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        raise TypeError("the command table is fixed")

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)

    def __len__(self) -> int:
        return len(self.table)


class FileGroup(typer.core.TyperGroup):
    """A group whose commands are built one at a time: a run pays for the one it calls."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)
