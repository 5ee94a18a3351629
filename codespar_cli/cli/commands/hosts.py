"""`codespar hosts`: hooks in the settings of agent hosts, and the proof that they decide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codespar_cli.cli.lazy import FileGroup
from codespar_cli.cli.parameters import Output, OutputOption, YesOption
from codespar_cli.cli.session import Session
from codespar_cli.cli.views import hosts as view
from codespar_cli.errors import ConfigError, NotFoundError, UsageError

if TYPE_CHECKING:
    from codespar_cli.hosts.install.backups import Backups
    from codespar_cli.hosts.install.installing import Change
    from codespar_cli.hosts.install.status import HostStatus, Surroundings

app = typer.Typer(
    cls=FileGroup,
    help="Agent hosts: put codespar before their tool calls, and prove that it decides.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
HostsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[HOST]...", help="claude, codex, cursor, gemini, copilot; else those found here"),
]
ProjectOption = Annotated[
    Path | None, typer.Option("--project", metavar="DIR", help="the settings of this project, not the user's")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="show what would change, change nothing")]


@app.command()
def install(
    context: typer.Context,
    hosts: HostsArgument = None,
    project: ProjectOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    output: OutputOption = Output.table,
) -> int:
    """Write hooks into the hosts' settings: shows the difference first, keeps a backup, and asks.

    What others wrote there stays as it is. Run again, it changes nothing.
    """
    from codespar_cli.hosts.install.backups import Backups
    from codespar_cli.hosts.install.installing import plan_install, settings_path
    from codespar_cli.hosts.install.layouts import layout_of
    from codespar_cli.hosts.install.settings_file import read_settings

    session: Session = context.obj
    around = _surroundings(session, project)
    layouts = [layout_of(host) for host in _chosen(hosts, around)]
    backups = Backups(around.state_dir)
    paths = [settings_path(layout, around.environ, around.project) for layout in layouts]
    changes = [
        plan_install(layout, read_settings(path, around.project), backups)
        for layout, path in zip(layouts, paths, strict=True)
    ]
    _warn_of_unread(session, changes)
    code = _change(session, changes, backups, output, yes=yes, dry_run=dry_run, installing=True)
    if code == 0 and not dry_run:
        _remind(session, [layout.host for layout in layouts], around)
    return code


@app.command()
def uninstall(
    context: typer.Context,
    hosts: HostsArgument = None,
    project: ProjectOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    output: OutputOption = Output.table,
) -> int:
    """Take the hooks out again: to the byte what was there, and where somebody changed the file since, only ours go."""
    from codespar_cli.hosts.install.backups import Backups
    from codespar_cli.hosts.install.installing import plan_uninstall
    from codespar_cli.hosts.install.layouts import layout_of
    from codespar_cli.hosts.install.settings_file import read_settings

    session: Session = context.obj
    around = _surroundings(session, project)
    backups = Backups(around.state_dir)
    changes = []
    for host in _chosen(hosts, around):
        layout = layout_of(host)
        path = layout.place(around.environ, around.project)
        beside = [path.with_name("config.toml")] if host == "codex" else []
        changes += [plan_uninstall(layout, read_settings(one, around.project), backups) for one in (path, *beside)]
    needed = [change for change in changes if change.is_needed] or changes[:1]
    return _change(session, needed, backups, output, yes=yes, dry_run=dry_run, installing=False)


@app.command()
def status(
    context: typer.Context,
    hosts: HostsArgument = None,
    project: ProjectOption = None,
    output: OutputOption = Output.table,
) -> int:
    """Try the configured hooks as each host would: exit 0 only if every one allows, denies and fails as it should.

    The very command line that is configured is run with the host's own event four times: under a policy that allows, one
    that denies, a broken plugins.toml, and killed half-way. Nothing of yours is changed by it.
    """
    from codespar_cli.cli.protection_level import governing_layers, level_lines, level_of
    from codespar_cli.hosts.install.layouts import layout_of
    from codespar_cli.hosts.install.status import host_status

    session: Session = context.obj
    around = _surroundings(session, project)
    found = [host_status(layout_of(host), around) for host in _chosen(hosts, around)]
    if output is Output.json:
        session.terminal.json([{**view.status_json(one), **_level_json(session, found)} for one in found])
    else:
        for one in found:
            for line, style in view.status_lines(one, session.clock()):
                session.terminal.line(line, style=style)
        layers = governing_layers(session, session.config)
        for line in level_lines(session.config, level_of(session.config, layers, found), layers):
            session.terminal.line(line)
    _tell_of_no_policy(session)
    return 0 if all(one.state == "proved" for one in found) else 1


def _level_json(session: Session, found: list[HostStatus]) -> dict[str, Any]:
    """Nothing where the configuration cannot be read: that is told afterwards, and is the exit code."""
    from codespar_cli.cli.protection_level import governing_layers, level_json, level_of

    try:
        layers = governing_layers(session, session.config)
    except ConfigError:
        return {}
    return level_json(session.config, level_of(session.config, layers, found), layers)


def _surroundings(session: Session, project: Path | None) -> Surroundings:
    from codespar_cli.core.config import default_state_dir
    from codespar_cli.hosts.install.status import Surroundings

    if project is not None and not project.is_dir():
        raise UsageError("--project: expected a directory", file=str(project), hint=f"mkdir -p {project}")
    state_dir = str(default_state_dir(session.environ))
    return Surroundings(session.environ, Path.cwd(), state_dir, project.resolve() if project else None)


def _chosen(hosts: list[str] | None, around: Surroundings) -> list[str]:
    from codespar_cli.hosts.dialects import HOSTS
    from codespar_cli.hosts.install.status import found_hosts

    for host in hosts or ():
        if host not in HOSTS:
            raise UsageError(f"there is no host `{host}`", hint=f"one of {', '.join(HOSTS)}")
    chosen = list(dict.fromkeys(hosts)) if hosts else found_hosts(around)
    if not chosen:
        where = "of this user" if around.project is None else f"in {around.project}"
        raise NotFoundError(f"no agent host was found {where}", hint="name one: codespar hosts install claude")
    return chosen


def _change(
    session: Session,
    changes: list[Change],
    backups: Backups,
    output: Output,
    *,
    yes: bool,
    dry_run: bool,
    installing: bool,
) -> int:
    """Show, ask, do."""
    terminal = session.terminal
    needed = [change for change in changes if change.is_needed]
    if output is Output.table:
        _show(session, changes, installing=installing)
    if needed and not dry_run and not _agreed(session, needed, yes=yes, installing=installing):
        terminal.note("nothing was changed")
        return 1
    rows = []
    for change in changes:
        kept = None if dry_run else _carry_out(change, backups, installing=installing)
        rows.append(view.change_json(change, kept, done=not dry_run))
        if output is Output.table and change.is_needed and not dry_run:
            terminal.line(_done(change, kept), style="green")
    if output is Output.json:
        terminal.json(rows)
    return 0


def _show(session: Session, changes: list[Change], *, installing: bool) -> None:
    from codespar_cli.hosts.install.shown_change import diff_of

    styles = {"+": "green", "-": "red", "@": "cyan"}
    for change in changes:
        if not change.is_needed:
            there = "as it should be already" if installing else "holds no hook of codespar"
            session.terminal.line(f"{change.layout.host}: {change.file.path} {there}")
        for line in diff_of(change) if change.is_needed else ():
            session.terminal.line(line, style=styles.get(line[:1], ""))


def _agreed(session: Session, needed: list[Change], *, yes: bool, installing: bool) -> bool:
    if yes:
        return True
    command = "install" if installing else "uninstall"
    if not session.terminal.interactive:
        raise UsageError(
            "nobody is there to be asked whether to write this", hint=f"codespar hosts {command} --yes, or --dry-run"
        )
    files = " and ".join(str(change.file.path) for change in needed)
    return session.terminal.confirm(f"change {files}?")


def _carry_out(change: Change, backups: Backups, *, installing: bool) -> Path | None:
    from codespar_cli.hosts.install.installing import carry_out

    with backups.locked():
        return carry_out(change, backups, keeping=installing)


def _done(change: Change, kept: Path | None) -> str:
    if kept is not None:
        was = "nothing was there, which is noted in" if change.kept is None else "what was there is kept in"
        return f"{change.layout.host}: written to {change.file.path}, {was} {kept}"
    if change.after is None:
        return f"{change.layout.host}: {change.file.path} removed, as it was ours"
    how = "is what it was, to the byte" if change.restored else "is without our hooks; what was changed since is kept"
    return f"{change.layout.host}: {change.file.path} {how}"


def _warn_of_unread(session: Session, changes: list[Change]) -> None:
    """What makes the host go without its file was there before: we keep it, and it keeps our hooks from running."""
    from codespar_cli.hosts.install.firing import file_problems

    for change in changes:
        for found in file_problems(change.layout, change.file._replace(data=change.after)):
            session.terminal.note(f"warning: {found.message}; {found.fix}", style="yellow")


def _remind(session: Session, hosts: list[str], around: Surroundings) -> None:
    """What an installation alone does not do."""
    where = "" if around.project is None else f" --project {around.project}"
    if where:
        session.terminal.note(
            "a project's hooks name this machine's Python: whoever shares the file has to install codespar anew, or every "
            "call is denied there",
        )
    if "codex" in hosts:
        session.terminal.note("codex runs no hook that nobody has trusted: start it, type /hooks, trust codespar's")
    _tell_of_no_policy(session)
    session.terminal.note(f"next: codespar hosts status {' '.join(hosts)}{where}")
    session.terminal.note("MCP servers of any client: put `codespar mcp wrap --` before their command")


def _tell_of_no_policy(session: Session) -> None:
    from codespar_cli.cli.lost_configuration import lost_warning

    if (lost := lost_warning(session)) is not None:
        session.terminal.note(lost, style="yellow")
    elif session.config.path is None or session.config.policy is None:
        session.terminal.note(
            "warning: no policy governs this directory, so hooks allow every call; codespar init", style="yellow"
        )
    elif not session.config.governed:
        session.terminal.note(
            "warning: only a project's plugins.toml governs here, and calls made outside that project are all allowed; "
            "codespar init --dir ~/.config/codespar",
            style="yellow",
        )
