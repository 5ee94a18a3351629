"""`codespar plugins`: what is active, what is installed, and switching backends."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from codespar_cli.cli.lazy import FileGroup
from codespar_cli.cli.parameters import Output, OutputOption
from codespar_cli.cli.session import Session
from codespar_cli.core.config import Config, shown
from codespar_cli.core.config_checks import KINDS, NONE, SINGLE_KINDS
from codespar_cli.core.text import nearest
from codespar_cli.errors import ConfigError, NotFoundError, UsageError

app = typer.Typer(cls=FileGroup, help="What is active, and what could be.", no_args_is_help=True, rich_markup_mode=None)
KindArgument = Annotated[str, typer.Argument(metavar="KIND", help="policy, observability, secrets or integrations")]


@app.command()
def status(context: typer.Context, output: OutputOption = Output.table) -> int:
    """Show the active backend of each kind, its health and where it comes from."""
    from codespar_cli.cli.lost_configuration import lost_warning
    from codespar_cli.core.plugin_status import plugin_statuses
    from codespar_cli.plugins import BUILTINS

    session: Session = context.obj
    config = session.config
    found = plugin_statuses(config, BUILTINS, clock=session.clock)
    if output is Output.json:
        keys = ("kind", "name", "active", "health", "message", "source")
        session.terminal.json([{key: getattr(one, key) for key in keys} for one in found])
    else:
        rows = [(one.kind, one.name, one.health, one.message) for one in found]
        session.terminal.table(("kind", "backend", "health", "message"), rows)
        for one in found:
            if one.hint and one.health != "ok":
                session.terminal.note(f"{one.kind}: {one.hint}")
        session.terminal.note(
            f"configuration: {shown(config.path) if config.path else 'none found, the defaults apply'}"
        )
        _tell_inbox(session)
    if (lost := lost_warning(session)) is not None:
        session.terminal.note(lost, style="yellow")
    if any(not one.loadable for one in found):
        return 2
    return 1 if any(one.active and one.health == "error" for one in found) else 0


def _tell_inbox(session: Session) -> None:
    from codespar_cli.cli.inbox_health import inbox_health

    found = inbox_health(session)
    if found is not None:
        session.terminal.note(f"inbox: {found.health.message}" + (f", see: {found.fix}" if found.fix else ""))


@app.command(name="list")
def list_(context: typer.Context, output: OutputOption = Output.table) -> None:
    """Show every backend that can be switched on, built in or installed."""
    session: Session = context.obj
    found = available(session.config)
    if output is Output.json:
        session.terminal.json(found)
    else:
        rows = [(one["kind"], one["name"], "active" if one["active"] else "", one["source"]) for one in found]
        session.terminal.table(("kind", "name", "active", "source"), rows)


@app.command()
def info(context: typer.Context, name: str, output: OutputOption = Output.table) -> None:
    """Show one backend: its kind, where it comes from, and the keys it understands in plugins.toml."""
    session: Session = context.obj
    everything = available(session.config)
    found = [one for one in everything if one["name"] == name]
    if not found:
        close = nearest(name, {one["name"] for one in everything})
        raise NotFoundError(
            f"no backend is called `{name}`", hint=f"did you mean `{close}`?" if close else "codespar plugins list"
        )
    if output is Output.json:
        session.terminal.json(found)
        return
    for one in found:
        session.terminal.line(f"{one['kind']}  {one['name']}", style="bold")
        session.terminal.line(f"  source   {one['source']}")
        session.terminal.line(f"  active   {'yes' if one['active'] else 'no'}")
        options = one["options"]
        session.terminal.line(f"  options  {'its own' if options is None else ', '.join(options) or 'none'}")


@app.command()
def enable(context: typer.Context, kind: KindArgument, name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Switch a backend on in plugins.toml. Comments and order stay; a file that would not load is not written."""
    session: Session = context.obj
    config = session.config
    _known_kind(kind)
    if kind in SINGLE_KINDS:
        _change(session, config, (kind, "backend"), name)
    else:
        names = [backend.name for backend in config.integrations] if _says_integrations(config) else []
        _change(session, config, (kind, "active"), names if name in names else [*names, name])
    session.terminal.note(f"{kind}: `{name}` is on")


@app.command()
def disable(
    context: typer.Context,
    kind: KindArgument,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="which integration; all when left out")] = None,
) -> None:
    """Switch a kind off in plugins.toml."""
    session: Session = context.obj
    config = session.config
    _known_kind(kind)
    if kind in SINGLE_KINDS:
        if name is not None:
            raise UsageError(
                f"{kind} has one backend, there is no name to give", hint=f"codespar plugins disable {kind}"
            )
        _change(session, config, (kind, "backend"), NONE)
    else:
        names = [backend.name for backend in config.integrations]
        if name is not None and name not in names:
            raise NotFoundError(f"integration `{name}` is not active", hint="codespar plugins status")
        _change(session, config, (kind, "active"), [other for other in names if name is not None and other != name])
    session.terminal.note(f"{kind}: {f'`{name}` is off' if name else 'off'}")


def available(config: Config) -> list[dict[str, Any]]:
    """Every backend there is, with the keys of the built-in ones."""
    from codespar_cli.core.loader import installed_plugins
    from codespar_cli.plugins import BUILTINS, builtin_options

    options = builtin_options()
    found: list[dict[str, Any]] = []
    for kind in KINDS:
        active = {backend.name for backend in config.backends(kind)}
        if kind in SINGLE_KINDS and NONE not in BUILTINS[kind]:
            found.append(_entry(kind, NONE, not active, "built in", []))
        for name in BUILTINS[kind]:
            keys = sorted(options[kind].get(name, {}))
            found.append(_entry(kind, name, name in active, "built in", keys))
        for name, plugin in sorted(installed_plugins(kind).items()):
            if name in BUILTINS[kind]:
                source = f"{plugin.distribution} {plugin.version}, hidden by the built-in"
                found.append(_entry(kind, name, False, source, None))
            else:
                found.append(_entry(kind, name, name in active, f"{plugin.distribution} {plugin.version}", None))
    return found


def _entry(kind: str, name: str, active: bool, source: str, options: list[str] | None) -> dict[str, Any]:
    return {"kind": kind, "name": name, "active": active, "source": source, "options": options}


def _known_kind(kind: str) -> None:
    if kind not in KINDS:
        close = nearest(kind, KINDS)
        raise UsageError(
            f"unknown kind `{kind}`, expected one of {', '.join(KINDS)}",
            hint=f"did you mean `{close}`?" if close else None,
        )


def _says_integrations(config: Config) -> bool:
    return any(backend.source != "default" for backend in config.integrations)


def _change(session: Session, config: Config, key: tuple[str, ...], value: Any) -> None:
    from codespar_cli.cli.plugins_file import edit
    from codespar_cli.startup import check_text, try_plugins

    path: Path | None = config.path
    if path is None:
        raise ConfigError("there is no plugins.toml to change", code="no_config", hint="codespar init")

    def check(text: str) -> None:
        try_plugins(check_text(text, path, users_own=config.users_own, environ=session.environ), key[0])

    edit(path, key, value, check)
