"""`codespar doctor`: look at everything once, say what is wrong and how to mend it."""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import typer

from codespar_cli.cli.lost_configuration import lost_configuration
from codespar_cli.cli.parameters import Output, OutputOption
from codespar_cli.cli.session import Session
from codespar_cli.core.config import Config, shown
from codespar_cli.core.text import visible
from codespar_cli.errors import CodesparError, ConfigError

app = typer.Typer(rich_markup_mode=None, add_completion=False)
_SAFE_SQLITE = (3, 51, 3)


class Finding(NamedTuple):
    check: str
    status: Literal["ok", "warning", "error"]
    message: str
    fix: str | None = None


@app.command()
def doctor(context: typer.Context, output: OutputOption = Output.table) -> int:
    """Check configuration, plugins, stores, file modes, records, clock and versions. Changes nothing."""
    session: Session = context.obj
    found = list(_examine(session))
    if output is Output.json:
        session.terminal.json([finding._asdict() for finding in found])
    else:
        styles = {"ok": "green", "warning": "yellow", "error": "red"}
        for finding in found:
            session.terminal.line(
                f"{finding.status:<8} {finding.check:<16} {finding.message}", style=styles[finding.status]
            )
            if finding.fix and finding.status != "ok":
                session.terminal.line(f"{'':<8} {'':<16} fix: {finding.fix}")
    return 1 if any(finding.status == "error" for finding in found) else 0


def _examine(session: Session) -> Iterator[Finding]:
    yield _versions()
    try:
        config = session.config
    except ConfigError as error:
        yield Finding("configuration", "error", str(error), error.hint)
        return
    lost = lost_configuration(session)
    if lost is not None:
        yield Finding("configuration", "error", f"hooks deny every call made here: {lost}", lost.hint)
    if lost is None or config.path:
        yield Finding("configuration", "ok", shown(config.path) if config.path else "none found, the defaults apply")
    ill = False
    plugins = partial(_plugins, lost=lost)
    for look in (plugins, _references, _state_directory, _stores, _inbox, _hosts):
        for finding in _guarded(look, session, config):
            ill = ill or (finding.check == "policy" and finding.status == "error")
            yield finding
    # A server that has just not answered is not asked again: whoever waits for this has waited enough.
    yield from _guarded(partial(_records, on_servers=not ill), session, config)


def _guarded(
    look: Callable[[Session, Config], Iterator[Finding]], session: Session, config: Config
) -> Iterator[Finding]:
    try:
        yield from look(session, config)
    except CodesparError as error:
        yield Finding(_name_of(look), "error", str(error), error.hint)
    except OSError as error:
        yield Finding(_name_of(look), "error", (error.strerror or str(error)).lower())


def _name_of(look: Callable[..., object]) -> str:
    return getattr(look, "func", look).__name__.strip("_").replace("_", " ")


def _versions() -> Finding:
    import apsw

    version = apsw.sqlite_lib_version()
    words = f"python {platform.python_version()}, sqlite {version}"
    if tuple(int(part) for part in version.split(".")) < _SAFE_SQLITE:
        return Finding("versions", "error", f"{words}: has the WAL-reset race", "pip install --upgrade apsw")
    return Finding("versions", "ok", words)


def _plugins(session: Session, config: Config, *, lost: ConfigError | None) -> Iterator[Finding]:
    from codespar_cli.cli.protection_level import observing_files
    from codespar_cli.core.plugin_status import plugin_statuses
    from codespar_cli.plugins import BUILTINS

    for one in plugin_statuses(config, BUILTINS, clock=session.clock):
        message = f"{one.name}: {one.message}" if one.message else one.name
        fix = one.hint or ("codespar plugins status" if one.active else f"codespar plugins enable {one.kind} NAME")
        fix = fix if config.path else "codespar init"
        observing = observing_files(config)
        if one.kind == "policy" and one.health == "warning" and not one.hint and observing:
            fix = f'mode = "enforce" under [policy] in {" and ".join(map(shown, observing))}'
        if one.kind == "policy" and not one.active and lost is not None:
            message, fix = "none here: hooks deny every call", lost.hint or fix
        yield Finding(one.kind, one.health, message, fix)


def _references(session: Session, config: Config) -> Iterator[Finding]:
    from codespar_cli.core.reference_status import reference_statuses
    from codespar_cli.plugins import BUILTINS

    for one in reference_statuses(config, BUILTINS, clock=session.clock, environ=session.environ):
        if one.problem is not None:
            where = f"{one.key}: `{visible(one.reference)}`: {one.problem}"
            # Without its secret an integration still reads what comes in; it can verify nothing, and says so itself.
            optional = one.key.startswith("integrations.") and one.unset
            yield Finding("reference", "warning" if optional else "error", where, one.hint)


def _state_directory(session: Session, config: Config) -> Iterator[Finding]:
    path = config.state_dir
    if not path.exists():
        yield Finding("state directory", "ok", f"{path}: not made yet")
        return
    facts = path.lstat()
    mode = stat.S_IMODE(facts.st_mode)
    if not stat.S_ISDIR(facts.st_mode):
        yield Finding("state directory", "error", f"{path}: not a directory", "set state_dir in plugins.toml")
    elif facts.st_uid != os.geteuid():
        yield Finding("state directory", "error", f"{path}: belongs to uid {facts.st_uid}", f"ls -ld {path}")
    elif mode & 0o077:
        yield Finding("state directory", "error", f"{path}: mode {mode:04o}", f"chmod 700 {path}")
    else:
        yield Finding("state directory", "ok", f"{path}: mode {mode:04o}")


def _stores(session: Session, config: Config) -> Iterator[Finding]:
    import apsw

    from codespar_cli.storage.private_files import check_private_file

    for path in sorted(config.state_dir.glob("*.db")):
        check_private_file(path)
        try:
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
            try:
                finding = str(next(iter(connection.execute("PRAGMA quick_check(1)")))[0])
            finally:
                connection.close()
        except apsw.Error as error:
            finding = str(error)
        if finding == "ok":
            yield Finding("store", "ok", f"{path.name}: {_size(path)}")
        else:
            words = finding.splitlines()[-1].lower()
            yield Finding("store", "error", f"{path}: {words}", "keep the file and restore a backup")


def _inbox(session: Session, config: Config) -> Iterator[Finding]:
    from codespar_cli.cli.inbox_health import inbox_health

    found = inbox_health(session)
    if found is not None:
        yield Finding("inbox", *found.health, found.fix)


def _hosts(session: Session, config: Config) -> Iterator[Finding]:
    from codespar_cli.cli.hosts_health import hosts_health

    for check, status, message, fix in hosts_health(session, config):
        yield Finding(check, status, message, fix)


def _records(session: Session, config: Config, *, on_servers: bool) -> Iterator[Finding]:
    from codespar_cli.startup import record_chains
    from codespar_cli.storage.chain_files import chain_files

    now = session.clock()
    for file in record_chains(config, environ=session.environ) if on_servers else chain_files(config.state_dir):
        try:
            head = file.verify()
        except CodesparError as error:
            yield Finding("record", "error", str(error), error.hint or "codespar audit verify")
            continue
        yield Finding("record", "ok", f"{file.name}: {head.seq} records, head {head.hash[:16]}")
        newest = next(iter(file.records(after=head.seq - 1)), None)
        if newest is not None and (newest.at - now).total_seconds() > 1:
            ahead = (newest.at - now).total_seconds()
            yield Finding(
                "clock",
                "warning",
                f"{file.name}: its last record is {ahead:.0f} s ahead of this clock",
                "timedatectl status",
            )


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1024:.0f} KiB" if size < 1 << 20 else f"{size / (1 << 20):.1f} MiB"
