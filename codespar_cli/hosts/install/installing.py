"""Putting hooks into one host's settings and taking them out: what would change, and then the change.

settings_path                    which file
plan_install, plan_uninstall     a Change, nothing written
carry_out                        the backup first, then the file
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from codespar_cli.errors import ConfigError
from codespar_cli.hosts.install import json_plan, toml_plan
from codespar_cli.hosts.install.backups import Backup, Backups
from codespar_cli.hosts.install.entries import Path as KeyPath
from codespar_cli.hosts.install.entries import ours
from codespar_cli.hosts.install.settings_file import (
    SettingsFile,
    digest,
    read_settings,
    remove_directories,
    remove_settings,
    replace_settings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codespar_cli.hosts.install.layouts import Layout

_TOML = ".toml"


class Change(NamedTuple):
    """`after` is None where the file goes. `kept` is what the backup will hold; without one nothing is kept.

    `restored` says that `after` is what was there before the installation, to the byte.
    """

    layout: Layout
    file: SettingsFile
    after: bytes | None
    made: tuple[KeyPath, ...] = ()
    kept: bytes | None = None
    directories: tuple[str, ...] = ()
    restored: bool = False

    @property
    def is_needed(self) -> bool:
        return self.after != self.file.data


def settings_path(layout: Layout, environ: Mapping[str, str], project: Path | None = None) -> Path:
    """The file that hooks go into: for Codex config.toml where hooks are written there, one place is enough for it.

    Raises ConfigError where that file cannot be read.
    """
    path = layout.place(environ, project)
    if layout.host != "codex":
        return path
    beside = path.with_name("config.toml")
    file = read_settings(beside, project)
    if file.data is None or read_settings(path, project).data is not None:
        return path
    with told_of(file):
        return beside if toml_plan.holds_hooks(toml_plan.read(layout, file.text)) else path


def read_hooks(layout: Layout, file: SettingsFile) -> Any:
    """What the settings say. Raises ConfigError that names the file."""
    with told_of(file):
        return _plan(file).read(layout, file.text)


def plan_install(layout: Layout, file: SettingsFile, backups: Backups) -> Change:
    """Raises ConfigError that names the file, the line, and what to mend."""
    with told_of(file):
        text = file.text
        if file.target.suffix == _TOML:
            changed, made = toml_plan.with_hooks(layout, text), json_plan.NOTHING_MADE
            bare: str | None = toml_plan.without_hooks(layout, text)
        else:
            changed, made = json_plan.with_hooks(layout, text)
            bare = None
        after = file.data if changed == text and file.data is not None else file.encoded(changed)
        backup = backups.find(file.target)
        if backup is not None and backup.after == digest(file.data):
            # What we wrote ourselves: what was there before that is still what has to come back.
            return Change(layout, file, after, _merged(backup.made, made), backup.before, backup.directories)
        held = () if backup is None else backup.made
        if bare is None:
            before = None if backup is None else backup.before
            bare = json_plan.without_hooks(layout, text, _merged(held, json_plan.emptied(layout, text, before)), before)
        kept = file.data if bare == text else file.encoded(bare)
        directories = () if backup is None else backup.directories
        return Change(layout, file, after, _merged(held, made), kept, directories)


def plan_uninstall(layout: Layout, file: SettingsFile, backups: Backups) -> Change:
    """Byte for byte what was there, where nobody changed the file since; else what is there less our hooks.

    Raises ConfigError.
    """
    backup = backups.find(file.target)
    if file.data is None:
        return Change(layout, file, None, directories=() if backup is None else backup.directories)
    if backup is not None and backup.after == digest(file.data):
        return Change(layout, file, backup.before, directories=backup.directories, restored=True)
    made = () if backup is None else backup.made
    with told_of(file):
        text = file.text
        if file.target.suffix == _TOML:
            bare = toml_plan.without_hooks(layout, text)
        else:
            before = None if backup is None else backup.before
            bare = json_plan.without_hooks(layout, text, _merged(made, json_plan.emptied(layout, text, before)), before)
        after: bytes | None = file.data if bare == text else file.encoded(bare)
        if backup is not None and backup.before is None and _is_hollow(layout, file, bare):
            after = None
    return Change(layout, file, after, directories=() if backup is None else backup.directories)


def carry_out(change: Change, backups: Backups, *, keeping: bool) -> Path | None:
    """Make it so; `keeping` for an installation. Answers where the backup is. Raises ConfigError, StoreError."""
    file = change.file
    if keeping:
        return _install(change, backups)
    if change.is_needed:
        if change.after is None:
            remove_settings(file)
        else:
            replace_settings(file, change.after)
    if change.after is None:
        remove_directories(tuple(map(Path, change.directories)))
    backups.forget(file.target)
    return None


def _install(change: Change, backups: Backups) -> Path | None:
    file = change.file
    if not change.is_needed:
        return None
    assert change.after is not None
    backup = Backup(str(file.path), change.kept, digest(change.after) or "", change.made, change.directories)
    previous = backups.find(file.target)
    kept_at = backups.keep(file.target, backup)
    try:
        made = replace_settings(file, change.after)
    except BaseException:
        if previous is None:
            backups.forget(file.target)
        else:
            backups.keep(file.target, previous)
        raise
    if made:
        backups.keep(file.target, backup._replace(directories=tuple(map(str, made))))
    return kept_at


def _merged(made: tuple[KeyPath, ...], emptied: tuple[KeyPath, ...]) -> tuple[KeyPath, ...]:
    """Outermost first: what is inside goes before what it stands in."""
    return tuple(sorted(dict.fromkeys((*made, *emptied)), key=len))


def _is_hollow(layout: Layout, file: SettingsFile, text: str) -> bool:
    """Whether nothing is left of a file but what we ourselves put there to begin with."""
    settings = _plan(file).read(layout, text) or {}
    return {key: value for key, value in settings.items() if value not in ({}, [])} in ({}, dict(layout.root)) and (
        not any(settings.get("hooks", {}).values())
    )


def is_installed(layout: Layout, file: SettingsFile) -> bool:
    """Whether any hook of ours is there. Raises ConfigError."""
    return bool(ours(layout, read_hooks(layout, file)))


def _plan(file: SettingsFile) -> Any:
    return toml_plan if file.target.suffix == _TOML else json_plan


@contextmanager
def told_of(file: SettingsFile) -> Iterator[None]:
    """What is wrong with a file's content is told with its name."""
    try:
        yield
    except ConfigError as error:
        if error.file is None:
            error.file = str(file.path)
            error.hint = error.hint or f"mend {file.path} by hand, then run the command again"
        raise
