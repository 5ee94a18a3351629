"""Our entries among other people's, in the value of a host's settings: which there are, and how they should read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from codespar_cli.errors import ConfigError
from codespar_cli.hosts.install.command import HookCall, read_call
from codespar_cli.hosts.install.layouts import Layout

Path = tuple[str | int, ...]
HOOKS = "hooks"


class Found(NamedTuple):
    """A hook of ours at `path`. `group` is what it stands in, which is the hook itself where a host has no groups."""

    event: str
    path: Path
    handler: dict[str, Any]
    group: dict[str, Any]
    call: HookCall

    @property
    def alone(self) -> bool:
        """Whether its group holds nothing else."""
        return self.group is self.handler or len(self.group[HOOKS]) == 1


def ours(layout: Layout, settings: object) -> list[Found]:
    """In the order of the file. What has a form that hosts do not know is passed over."""
    found: list[Found] = []
    events = settings.get(HOOKS) if isinstance(settings, dict) else None
    for event, groups in events.items() if isinstance(events, dict) else ():
        for number, group in enumerate(groups if isinstance(groups, list) else ()):
            if not isinstance(group, dict):
                continue
            for path, handler in _handlers(layout, (HOOKS, event, number), group):
                call = read_call(handler.get(layout.command_key), handler.get("args"))
                if call is not None:
                    found.append(Found(event, path, handler, group, call))
    return found


def is_as_wanted(layout: Layout, settings: object) -> bool:
    """Whether the hooks are there exactly as an installation of now writes them, and no other of ours."""
    if not isinstance(settings, dict) or not set(layout.root) <= set(settings):
        return False
    there = [(one.event, one.group) for one in ours(layout, settings)]
    return _ordered(there) == _ordered(layout.entries(own_options(layout, settings)))


def own_options(layout: Layout, settings: object) -> tuple[str, ...]:
    """What a person added to our line before a call, to be kept: `--agent NAME`, `--env NAME`."""
    return next((one.call.options for one in ours(layout, settings) if one.event == layout.judged), ())


def check_form(layout: Layout, settings: object) -> None:
    """Raises ConfigError where there is no room for hooks: a host would not find them there."""
    if not isinstance(settings, dict):
        raise ConfigError(f"expected a table of settings, found {_kind(settings)}", hint="put {} into it")
    events = settings.get(HOOKS, {})
    if not isinstance(events, dict):
        raise ConfigError(f"`{HOOKS}`: expected a table of events, found {_kind(events)}", key=HOOKS)
    for event, _ in layout.entries():
        if not isinstance(events.get(event, []), list):
            raise ConfigError(
                f"`{HOOKS}.{event}`: expected a list, found {_kind(events[event])}", key=f"{HOOKS}.{event}"
            )


def _ordered(entries: Iterable[tuple[str, dict[str, Any]]]) -> list[str]:
    """Comparable whatever the order: hosts rewrite their settings, and sort keys as they like."""
    return sorted(json.dumps(entry, sort_keys=True) for entry in entries)


def _handlers(layout: Layout, path: Path, group: dict[str, Any]) -> list[tuple[Path, dict[str, Any]]]:
    if not layout.grouped:
        return [(path, group)]
    hooks = group.get(HOOKS)
    return [
        ((*path, HOOKS, number), handler)
        for number, handler in enumerate(hooks if isinstance(hooks, list) else ())
        if isinstance(handler, dict)
    ]


def _kind(value: object) -> str:
    kinds = {dict: "a table", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
