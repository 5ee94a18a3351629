"""How each active plugin feels: asked inside a guard, so that the one who asks never falls over the one who is ill."""

from __future__ import annotations

from typing import Literal, NamedTuple

from codespar_cli.core.clock import Clock, system_clock
from codespar_cli.core.config import KINDS, NONE, Backend, Config
from codespar_cli.core.hooks import Health
from codespar_cli.core.loader import Builtins, create_plugin, register_plugin, services_for
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.core.sound_decision import close_forgotten
from codespar_cli.core.text import clean_line
from codespar_cli.errors import CodesparError

_ABSENT = {
    "policy": Health("warning", "no policy: every call is allowed"),
    "observability": Health("ok", "off: metrics are dropped"),
    "integrations": Health("ok", "off: no provider is known"),
}


class PluginStatus(NamedTuple):
    kind: str
    name: str
    active: bool
    health: Literal["ok", "warning", "error"]
    message: str
    source: str
    loadable: bool = True
    hint: str | None = None


def plugin_statuses(config: Config, builtins: Builtins, *, clock: Clock = system_clock) -> list[PluginStatus]:
    """One status per active plugin, and one per kind that is off."""
    found: list[PluginStatus] = []
    taken = PluginRegistry()
    for kind in KINDS:
        backends = config.backends(kind)
        found += [_status(backend, config, builtins, clock, taken) for backend in backends]
        if not backends:
            source = str(config.path) if config.path else "default"
            found.append(_told(kind, NONE, False, _ABSENT[kind], source))
    return found


def _status(backend: Backend, config: Config, builtins: Builtins, clock: Clock, taken: PluginRegistry) -> PluginStatus:
    try:
        plugin = create_plugin(backend, config, builtins, services_for(config, builtins, clock=clock))
        register_plugin(taken, backend, plugin, config)
    except CodesparError as error:
        health = Health("error", str(error), error.hint)
        return _told(backend.kind, backend.name, True, health, backend.source)._replace(loadable=False)
    return _told(backend.kind, backend.name, True, health_of(plugin), backend.source)


def _told(kind: str, name: str, active: bool, health: Health, source: str) -> PluginStatus:
    return PluginStatus(kind, name, active, health.state, health.message, source, hint=health.hint)


def health_of(plugin: object) -> Health:
    """What the plugin says of itself; a plugin that says nothing is taken to be well."""
    try:
        ask = getattr(plugin, "health", None)
        if not callable(ask):
            return Health("ok", "")
        answer = ask()
        close_forgotten(answer)
        state, message = answer
        if not isinstance(state, str) or state not in {"ok", "warning", "error"}:
            return Health("error", "its health check answered nonsense")
        hint = getattr(answer, "hint", None)
        return Health(state, clean_line(str(message)), clean_line(hint) if isinstance(hint, str) else None)  # type: ignore[arg-type]  # one of the three above
    except KeyboardInterrupt:
        raise
    except CodesparError as error:
        return Health("error", str(error), error.hint)
    except BaseException as error:  # also SystemExit: who is ill does not end the one who asks
        return Health("error", f"its health check failed: {type(error).__name__}")
