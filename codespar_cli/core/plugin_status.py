"""How each active plugin feels: asked inside a guard, so that the one who asks never falls over the one who is ill.

`health()` opens nothing. An integration may also have `health_check()`, which asks its provider; it is awaited where a
credential is configured, all of them at once and for a few seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from codespar_cli.core.clock import Clock, system_clock
from codespar_cli.core.config import Backend, Config
from codespar_cli.core.config_checks import KINDS, NONE
from codespar_cli.core.hooks import Health
from codespar_cli.core.loader import Builtins, create_plugin, layered_policy, register_plugin, services_for
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.core.sound_decision import close_forgotten
from codespar_cli.core.text import clean_line
from codespar_cli.errors import CodesparError

_ABSENT = {
    "policy": Health("warning", "no policy: every call is allowed"),
    "observability": Health("ok", "off: metrics are dropped"),
    "integrations": Health("ok", "off: no provider is known"),
}


CHECK_LIMIT_S = 5.0


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
    asked: dict[int, object] = {}
    taken = PluginRegistry()
    for kind in KINDS:
        backends = config.backends(kind)
        for backend in backends:
            plugin, status = _status(backend, config, builtins, clock, taken)
            if kind == "integrations" and plugin is not None and _has_more_to_say(plugin):
                asked[len(found)] = plugin
            found.append(status)
        if not backends:
            source = str(config.path) if config.path else "default"
            found.append(_told(kind, NONE, False, _ABSENT[kind], source))
    for place, health in zip(asked, checked(list(asked.values())), strict=True):
        found[place] = found[place]._replace(health=health.state, message=health.message, hint=health.hint)
    return found


def _status(
    backend: Backend, config: Config, builtins: Builtins, clock: Clock, taken: PluginRegistry
) -> tuple[object | None, PluginStatus]:
    """The plugin, unless there is none to be had, and how it is."""
    try:
        services = services_for(config, builtins, clock=clock)
        plugin: object
        if backend.kind == "policy" and config.policy_layers:
            plugin = layered_policy(config, builtins, services)
        else:
            plugin = create_plugin(backend, config, builtins, services)
        register_plugin(taken, backend, plugin, config)
    except CodesparError as error:
        health = Health("error", str(error), error.hint)
        return None, _told(backend.kind, backend.name, True, health, backend.source)._replace(loadable=False)
    return plugin, _told(backend.kind, backend.name, True, health_of(plugin), backend.source)


def _told(kind: str, name: str, active: bool, health: Health, source: str) -> PluginStatus:
    return PluginStatus(kind, name, active, health.state, health.message, source, hint=health.hint)


def _has_more_to_say(plugin: object) -> bool:
    """One that says nothing about it is asked; ours say no when there is no credential to ask with."""
    try:
        return callable(getattr(plugin, "health_check", None)) and bool(getattr(plugin, "connects", True))
    except Exception:  # its attribute is a property that fails: `health_check` would fare no better
        return False


def checked(plugins: list[object], *, limit_s: float = CHECK_LIMIT_S) -> list[Health]:
    """What each `health_check()` says, all asked at once and none waited for longer than `limit_s`."""
    if not plugins:
        return []
    from concurrent.futures import Future
    from threading import Thread
    from time import monotonic

    answers: list[Future[Health]] = [Future() for _ in plugins]
    for plugin, answer in zip(plugins, answers, strict=True):
        # A thread each, and nobody's to wait for at the end: what blocks in one keeps no other from its answer.
        Thread(target=_ask, args=(plugin, answer), daemon=True, name="codespar-health").start()
    end = monotonic() + limit_s
    found = []
    for answer in answers:
        try:
            found.append(answer.result(max(0.0, end - monotonic())))
        except TimeoutError:
            found.append(Health("warning", f"its health check did not answer within {limit_s:g} s"))
    return found


def _ask(plugin: Any, answer: Any) -> None:
    import asyncio

    async def once() -> object:
        told = plugin.health_check()
        return await told if hasattr(told, "__await__") else told

    try:
        answer.set_result(_guarded(lambda: asyncio.run(once())))
    except KeyboardInterrupt:  # raised by the plugin: nobody interrupts a thread
        answer.set_result(Health("error", "its health check failed: KeyboardInterrupt"))


def health_of(plugin: object) -> Health:
    """What the plugin says of itself; a plugin that says nothing is taken to be well."""

    def ask() -> object:
        health = getattr(plugin, "health", None)
        return health() if callable(health) else Health("ok", "")

    return _guarded(ask)


def _guarded(ask: Callable[[], Any]) -> Health:
    try:
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
