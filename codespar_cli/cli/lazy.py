"""A Typer group that imports a command only when it is called: `--version` must not pay for the vault."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Any

import typer
import typer.core
import typer.main
from typer.models import CommandInfo


class LazyCommands(MutableMapping[str, Any]):
    """Command names to commands, made on first use from a table of `name -> (module, summary)`."""

    def __init__(self, table: dict[str, tuple[str, str]]) -> None:
        self.table = table
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            module, _ = self.table[name]
            self._made[name] = _command_of(import_module(module).app, name)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        raise TypeError("the command table is fixed")

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)

    def __len__(self) -> int:
        return len(self.table)


class FileCommands(MutableMapping[str, Any]):
    """The commands of one file; Typer looks at a function's signature only when that command is asked for."""

    def __init__(self, infos: list[CommandInfo]) -> None:
        self._infos = {_name_of(info): info for info in infos}
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = typer.main.get_command_from_info(
                self._infos[name], pretty_exceptions_short=False, rich_markup_mode=None
            )
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._infos[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self._infos)


class FileGroup(typer.core.TyperGroup):
    """A group whose commands are built one at a time: a run pays for the one it calls."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Every command with its first sentence, whole: Typer's own list cuts it at the edge."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.commands[name].get_short_help_str(200)) for name in self.commands])


def _command_of(app: typer.Typer, name: str) -> Any:
    if app.info.cls is not FileGroup:
        command = typer.main.get_command(app)
        command.name = name
        return command
    infos, app.registered_commands = app.registered_commands, []
    try:
        group = typer.main.get_group(app)
    finally:
        app.registered_commands = infos
    group.name = name
    group.commands = FileCommands(infos)
    return group


def _name_of(info: CommandInfo) -> str:
    assert info.callback is not None
    return info.name or typer.main.get_command_name(info.callback.__name__)
