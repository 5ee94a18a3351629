"""Whether a host would run the hook it is told of, before every call: by what is written, without running anything."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codespar_cli.hosts.install.command import HookCall
from codespar_cli.hosts.install.entries import Found
from codespar_cli.hosts.install.findings import Finding, error, warning
from codespar_cli.hosts.install.layouts import LEAST_TIMEOUT_S, Layout
from codespar_cli.hosts.install.settings_file import SettingsFile
from codespar_cli.hosts.install.settings_text import line_at, parse
from codespar_cli.hosts.install.shims import interpreter_of, shim_at

_EVERY_TOOL = frozenset(("", "*", ".*", ".+", "^.*$", "^.+$"))
_ENDS_IN_DENY = ("exit 2", '"permissionDecision":"deny"')


def file_problems(layout: Layout, file: SettingsFile) -> Iterator[Finding]:
    """What is in the file that this host does not read: it then goes without the whole of it."""
    if file.target.suffix == ".toml":
        return
    if file.has_mark and not layout.byte_order_mark:
        yield error(
            f"{file.path}: begins with a byte order mark, which {layout.title} does not read: it goes without the file",
            _plain(layout),
        )
    taken = {"comment": layout.comments, "trailing comma": layout.trailing_commas}
    for place, kind in parse(file.text).extras:
        if not taken[kind]:
            where = f"{file.path}:{line_at(file.text, place)}"
            yield error(
                f"{where}: a {kind}, which {layout.title} does not read: it goes without the file", _plain(layout)
            )
            return
    yield from _form_problems(layout, file)


def _form_problems(layout: Layout, file: SettingsFile) -> Iterator[Finding]:
    """A version of the file that the host does not know: it goes without the whole of it."""
    settings = parse(file.text).root.value
    for key, expected in layout.root.items():
        found = settings.get(key)
        if type(found) is not type(expected) or found != expected:
            shown = json.dumps(found)[:40] if key in settings else "missing"
            yield error(
                f"{file.path}: `{key}` is {shown}, expected {json.dumps(expected)}: {layout.title} goes without the file",
                f'set "{key}": {json.dumps(expected)} in {file.path}',
            )


def entry_problems(layout: Layout, found: list[Found]) -> Iterator[Finding]:
    """What is wrong with the hooks themselves."""
    judged = [one for one in found if one.event == layout.judged]
    mend = f"codespar hosts install {layout.host}"
    if not judged:
        yield error(f"no hook of codespar answers {layout.judged}, the event before a call", mend)
    if len(judged) > 1:
        yield warning(f"{len(judged)} hooks of codespar answer {layout.judged}: budgets are charged for each", mend)
    for event in sorted({event for event, _ in layout.entries()} - {one.event for one in found} - {layout.judged}):
        yield warning(f"no hook of codespar hears {event}: what calls cost is not settled", mend)
    for one in judged:
        yield from _one_problem(layout, one, mend)
    for call in {one.call.words: one.call for one in found}.values():
        yield from program_problems(call, mend)


def _one_problem(layout: Layout, one: Found, mend: str) -> Iterator[Finding]:
    handler = one.handler
    if handler.get("type", "command") != "command":
        yield error(f"the {one.event} hook is of the type `{handler['type']}`, expected `command`", mend)
    if one.call.host != layout.host:
        yield error(f"the {one.event} hook answers as `{one.call.host}`, expected `{layout.host}`", mend)
    matcher = one.group.get("matcher", "")
    if not isinstance(matcher, str):
        yield error(f"the {one.event} hook's `matcher` is {_shown(matcher)}, expected a text", mend)
    elif matcher not in _EVERY_TOOL:
        yield error(f"the {one.event} hook has the matcher `{matcher}`: other tools are not asked about", mend)
    for key in ("async", "asyncRewake", "once", "if", "disabled"):
        if handler.get(key):
            yield error(f"the {one.event} hook has `{key}`: it does not hold up every call", mend)
    timeout = handler.get(layout.timeout_key, LEAST_TIMEOUT_S / layout.unit_s)
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        yield error(f"the {one.event} hook's `{layout.timeout_key}` is {_shown(timeout)}, expected a number", mend)
    elif timeout * layout.unit_s < LEAST_TIMEOUT_S:
        shown = f"{timeout * layout.unit_s:g} s"
        yield error(f"the {one.event} hook has a timeout of {shown}, expected at least {LEAST_TIMEOUT_S:g} s", mend)
    yield from _fail_open(layout, one, mend)


def _fail_open(layout: Layout, one: Found, mend: str) -> Iterator[Finding]:
    switches: dict[str, tuple[str, Any]] = {"claude": ("onFailure", "block"), "cursor": ("failClosed", True)}
    if layout.host in switches:
        key, value = switches[layout.host]
        if one.handler.get(key) != value:
            yield error(f"the {one.event} hook lacks `{key}`: where it fails the call passes", mend)
    elif not any(said in str(one.handler.get(layout.command_key)) for said in _ENDS_IN_DENY):
        yield error(f"the {one.event} hook's line does not end in a deny: where it fails the call passes", mend)


def program_problems(call: HookCall, mend: str) -> Iterator[Finding]:
    """What is wrong with the program that a hook starts, and with what starts that one."""
    program = call.program
    if not Path(program).is_absolute():
        where = shutil.which(program)
        if where is None:
            yield error(f"`{program}` is not on the PATH, and not told by its full path", mend)
            return
        yield error(f"`{program}` is looked for on the PATH at every call, expected its full path", mend)
        program = where
    shim = shim_at(program)
    if shim is not None:
        yield error(f"`{program}` is a shim of {shim.manager}: what it starts depends on the directory", mend)
    if not Path(program).exists():
        yield error(f"`{program}` is not there", mend)
    elif not os.access(program, os.X_OK) or Path(program).is_dir():
        yield error(f"`{program}` cannot be executed", f"ls -l {program}")
    else:
        started = interpreter_of(program)
        if started is not None and Path(started).is_absolute() and not os.access(started, os.X_OK):
            yield error(f"`{program}` is started by `{started}`, which is not there", mend)


def _shown(value: Any) -> str:
    return f"`{json.dumps(value)[:40]}`"


def _plain(layout: Layout) -> str:
    return f"take it out, then run `codespar hosts status {layout.host}`"
