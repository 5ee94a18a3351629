"""A gate for one call of a process that then ends: the same gate as `startup.load()` gives, without the start.

Which plugins.toml applies, and what it says, is kept with everything that was looked at to find out: while all of that is
as it was, nothing is searched, read or parsed again. What the kept part cannot do (a foreign policy engine, a server's
store, notifiers, an installed plugin) is loaded in full. Either way it is the engine's own `evaluate` that answers.
"""

from __future__ import annotations

import os

from codespar_cli.core.calls import PolicyDecision, ToolCall, ToolMetric
from codespar_cli.core.clock import system_clock
from codespar_cli.core.gate import Gate
from codespar_cli.core.hashing import sha256
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.errors import ConfigError
from codespar_cli.storage.file_facts import Unknown, facts_of, place_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from codespar_cli.core.clock import Clock
    from codespar_cli.core.config import Config
    from codespar_cli.core.layered_policy import LayeredPolicy
    from codespar_cli.storage.sealed_cache import SealedCache

FORM = 4
"""Of what is kept; raised when that changes."""
_KINDS = ("policy", "observability")


def open_gate(
    environ: Mapping[str, str] = os.environ, *, config_path: str | None = None, clock: Clock = system_clock
) -> Gate:
    """The gate of the configuration that applies in the working directory. Policy and observability only.

    Raises:
        ConfigError: the file is not valid, or what it asks for cannot be loaded; as `startup.load`.
        CodesparError: whatever else stands in the way.
    """
    from codespar_cli.plugins.policy.kept_engine import cache_in

    cache = cache_in(_state_place(environ))
    settings = _settings(cache, environ, config_path)
    if settings is not None and settings["plain"]:
        try:
            return _plain_gate(settings, cache, environ, config_path, clock)
        except ConfigError:
            pass  # told again by the loader, which knows where in plugins.toml
    from codespar_cli.cold_reading import read

    return _full_gate(read(environ, config_path), environ, clock)


# ── what was read before ───────────────────────────────────────────────────────────────────────────────────────


def _settings(cache: SealedCache, environ: Mapping[str, str], config_path: str | None) -> dict[str, Any] | None:
    """What plugins.toml says, as it was kept or now read; None where it can only be read by the loader."""
    try:
        here = os.getcwd()
    except OSError:
        return None
    name = "settings-" + sha256(f"{here}\0{config_path}".encode("utf-8", "surrogateescape")).hex()[:32]

    def look() -> dict[str, Any] | None:
        kept = cache.get(name)
        return kept if _is_current(kept, here, config_path, environ) else None

    def afresh() -> dict[str, Any] | None:
        from codespar_cli.cold_reading import read_afresh

        return read_afresh(cache, name, here, environ, config_path)

    return look() or cache.once(look, afresh)


def _is_current(kept: Any, here: str, config_path: str | None, environ: Mapping[str, str]) -> bool:
    if not isinstance(kept, dict) or kept.get("form") != FORM or (kept["here"], kept["option"]) != (here, config_path):
        return False
    try:
        if any(digest(environ.get(asked)) != kept_digest for asked, kept_digest in kept["environ"]):
            return False
        return all(facts_of(path) == facts for path, facts in kept["files"]) and all(
            place_of(path) == facts for path, facts in kept["places"]
        )
    except Unknown:
        return False


def digest(value: str | None) -> str | None:
    """A variable's value is compared, never kept: nobody knows what it is."""
    return None if value is None else sha256(value.encode("utf-8", "surrogateescape")).hex()


# ── gates ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _plain_gate(
    settings: dict[str, Any], cache: SealedCache, environ: Mapping[str, str], config_path: str | None, clock: Clock
) -> Gate:
    registry, state_dir = PluginRegistry(), settings["state_dir"]
    if settings["layers"]:
        registry.register_policy(_plain_layers(settings, cache, clock))
    elif settings["policy"] is not None:
        from codespar_cli.plugins.policy.kept_engine import plain_engine

        registry.register_policy(
            plain_engine(
                settings["policy"],
                cache,
                config_dir=settings["config_dir"],
                state_dir=state_dir,
                tenant=settings["tenant"],
                clock=clock,
            )
        )
    if settings["observes"]:
        registry.register_observability(_LaterObserver(environ, config_path, clock))
    registry.seal()

    def journal(call: ToolCall, decision: PolicyDecision) -> None:
        from codespar_cli.storage.gate_journal import append_refusal

        append_refusal(state_dir, clock(), call, decision)

    agents = {} if settings["layers"] else settings["agents"]
    gate = Gate(registry, tenant=settings["tenant"], agents=agents, journal=journal)
    gate.config_path = settings["path"]
    gate.governing = tuple(settings["governing"])
    gate.ruled_by = tuple(settings["protected"])
    gate.protection = _LaterProtection(settings["protected"], state_dir, environ)
    return gate


def _plain_layers(settings: dict[str, Any], cache: SealedCache, clock: Clock) -> LayeredPolicy:
    from codespar_cli.core.layered_policy import Layer, LayeredPolicy
    from codespar_cli.plugins.policy.kept_engine import plain_engine

    layers = []
    for one in settings["layers"]:
        policy = plain_engine(
            one["policy"],
            cache,
            config_dir=one["config_dir"],
            state_dir=one["state_dir"],
            tenant=settings["tenant"] if one["tenant"] is None else one["tenant"],
            clock=clock,
        )
        layers.append(Layer(one["name"], policy, tuple(one["agents"]), one["tenant"], one["file"]))
    return LayeredPolicy(layers, tenant=settings["tenant"])


class _LaterProtection:
    """Self-protection, loaded for calls that have arguments. Whoever wrote the configuration: there is a host to govern."""

    def __init__(self, files: list[str], state_dir: str, environ: Mapping[str, str]) -> None:
        self._files = files
        self._state_dir = state_dir
        self._environ = environ

    def __call__(self, call: ToolCall) -> PolicyDecision | None:
        if not call.context.args:
            return None
        from codespar_cli.core.guard.self_protection import SelfProtection

        return SelfProtection(self._files, [self._state_dir], environ=self._environ)(call)


def _full_gate(config: Config, environ: Mapping[str, str], clock: Clock) -> Gate:
    from codespar_cli.core import loader
    from codespar_cli.plugins import BUILTINS
    from codespar_cli.startup import build_gate, protected_files

    keeping = {**BUILTINS["policy"], "engine": "codespar_cli.plugins.policy.kept_engine:from_options"}
    builtins = {**BUILTINS, "policy": keeping}
    registry = loader.build_registry(config, builtins, kinds=_KINDS, clock=clock, environ=environ)
    gate = build_gate(config, registry, clock=clock)
    gate.protection = _LaterProtection(protected_files(config), os.fspath(config.state_dir), environ)
    return gate


class _LaterObserver:
    """Observability that is loaded when there is something to tell it: before a call there seldom is."""

    def __init__(self, environ: Mapping[str, str], config_path: str | None, clock: Clock) -> None:
        self._environ = environ
        self._config_path = config_path
        self._clock = clock
        self._registry: PluginRegistry | None = None

    def record(self, metric: ToolMetric) -> None:
        if self._registry is None:
            from codespar_cli.cold_reading import read
            from codespar_cli.startup import build_registry

            config = read(self._environ, self._config_path)
            self._registry = build_registry(config, kinds=_KINDS[1:], clock=self._clock, environ=self._environ)
        self._registry.record_metric(metric)


def _state_place(environ: Mapping[str, str]) -> str:
    """Where state is kept when plugins.toml does not say: what is kept here must be found before that is read."""
    base = environ.get("XDG_STATE_HOME") or os.path.join(environ.get("HOME") or "/", ".local", "state")
    named = environ.get("CODESPAR_STATE_DIR") or os.path.join(base, "codespar")
    return os.path.join("/", os.path.expanduser(named)) if environ.get("CODESPAR_STATE_DIR") else os.path.abspath(named)
