"""What is known of one host: whether its hooks are there, would run, and decide; and when it was last heard of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from codespar_cli.errors import ConfigError
from codespar_cli.hosts.heartbeats import Heartbeat, last_heartbeat
from codespar_cli.hosts.install.codex_trust import trust_problems
from codespar_cli.hosts.install.command import read_call
from codespar_cli.hosts.install.entries import HOOKS, Found, ours
from codespar_cli.hosts.install.findings import Finding, error
from codespar_cli.hosts.install.firing import entry_problems, file_problems
from codespar_cli.hosts.install.installing import read_hooks, settings_path
from codespar_cli.hosts.install.layouts import LAYOUTS, Layout
from codespar_cli.hosts.install.proof import Trial, prove
from codespar_cli.hosts.install.settings_file import read_settings
from codespar_cli.hosts.install.steering import steered
from codespar_cli.hosts.install.switches import ADMIN_ROOT, switched_off

State = Literal["proved", "not proved", "not installed"]


class Surroundings(NamedTuple):
    """`here` is the directory that the host works in, `project` the one whose settings are meant, if not the user's.

    `root` is above the files of the system, `state_dir` where heartbeats are kept.
    """

    environ: Mapping[str, str]
    here: Path
    state_dir: str
    project: Path | None = None
    root: Path = ADMIN_ROOT


class HostStatus(NamedTuple):
    layout: Layout
    state: State
    path: Path
    findings: tuple[Finding, ...] = ()
    trials: tuple[Trial, ...] = ()
    heard: Heartbeat | None = None


def found_hosts(around: Surroundings) -> list[str]:
    """Those whose own directory is there, the user's or the project's, or whose program is on the PATH."""
    return [layout.host for layout in LAYOUTS.values() if _is_there(layout, around)]


def host_status(layout: Layout, around: Surroundings) -> HostStatus:
    """Never raises for what is wrong with settings: that is a finding."""
    heard = last_heartbeat(around.state_dir, layout.host)
    path = layout.place(around.environ, around.project)
    try:
        path = settings_path(layout, around.environ, around.project)
        file = read_settings(path, around.project)
        found = ours(layout, read_hooks(layout, file)) if file.data is not None else []
    except ConfigError as problem:
        return HostStatus(layout, "not proved", path, (error(str(problem), problem.hint),), heard=heard)
    if not found:
        missing = error("no hook of codespar is configured", f"codespar hosts install {layout.host}")
        return HostStatus(layout, "not installed", path, (missing,), heard=heard)
    findings = [*file_problems(layout, file), *entry_problems(layout, found), *_beside(layout, path, found, around)]
    judged = [one.handler for one in found if one.event == layout.judged and layout.command_key in one.handler]
    if around.project is not None and not all(_is_as_written(layout, handler) for handler in judged):
        mend = f"codespar hosts install {layout.host} --project {around.project}"
        findings.append(
            error("the line is not the one that codespar writes, and a project's line is not tried out", mend)
        )
        judged = []
    trials = [trial for handler in judged for trial in prove(layout, handler, around.environ)]
    unproved = not trials or any(trial.problem for trial in trials) or any(one.status == "error" for one in findings)
    state: State = "not proved" if unproved else "proved"
    return HostStatus(layout, state, path, tuple(dict.fromkeys(findings)), tuple(trials), heard)


def _is_as_written(layout: Layout, handler: dict[str, Any]) -> bool:
    """Whether we would write this very line: what a project's file says may be anything, and is not run to find out."""
    call = read_call(handler[layout.command_key], handler.get("args"))
    written = [
        one
        for event, group in layout.entries(() if call is None else call.options)
        if event == layout.judged
        for one in (group[HOOKS] if layout.grouped else [group])
    ]
    return any(all(handler.get(key) == one.get(key) for key in (layout.command_key, "args")) for one in written)


def _beside(layout: Layout, path: Path, found: list[Found], around: Surroundings) -> list[Finding]:
    home = layout.home_of(around.environ)
    here = around.project or around.here
    findings = [*switched_off(layout.host, home, here, found, around.root)]
    findings += steered(layout.host, home, here, found, around.environ)
    if layout.host == "codex":
        # Codex resolves a CODEX_HOME that it is given, and takes its default as it is.
        named = around.environ.get("CODEX_HOME")
        place = Path(os.path.realpath(path.parent)) / path.name if named and around.project is None else path
        findings += trust_problems(place, found, home, layout.judged)
    return findings


def _is_there(layout: Layout, around: Surroundings) -> bool:
    if around.project is not None:
        place = around.project / layout.project_file
        return place.exists() or place.parent.is_dir()
    if layout.home_of(around.environ).is_dir():
        return True
    search = around.environ.get("PATH")
    return any(shutil.which(program, path=search) for program in layout.programs)
