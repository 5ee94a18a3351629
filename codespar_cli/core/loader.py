"""From a Config to live plugins: one table of import strings for the built-ins, then installed entry points, by name.

Two kinds of absence, never one: a kind that is off by choice is skipped quietly; a plugin that was asked for and
cannot be had stops everything with a ConfigError, before any tool runs.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from codespar_cli.core.blame import words_of
from codespar_cli.core.clock import Clock, system_clock
from codespar_cli.core.config import Backend, Config, shown
from codespar_cli.core.config_checks import KINDS
from codespar_cli.core.references import Resolver, WithoutSecrets
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.core.services import Services
from codespar_cli.core.sound_decision import close_forgotten
from codespar_cli.core.text import visible
from codespar_cli.core.toml_source import line_of
from codespar_cli.errors import CodesparError, ConfigError, DuplicatePlugin, InvalidPlugin

if TYPE_CHECKING:
    from codespar_cli.core.layered_policy import LayeredPolicy

API = 1
Builtins = Mapping[str, Mapping[str, str]]


class Installed(NamedTuple):
    """An entry point of another distribution."""

    name: str
    distribution: str
    version: str
    load: Callable[[], Any]


def installed_plugins(kind: str) -> dict[str, Installed]:
    """Entry points in the group `codespar.<kind>`. A name that two distributions claim is an error, never a choice."""
    from importlib.metadata import entry_points

    found: dict[str, Installed] = {}
    for point in entry_points(group=f"codespar.{kind}"):
        dist = point.dist
        plugin = Installed(point.name, dist.name if dist else "?", dist.version if dist else "?", point.load)
        other = found.get(point.name)
        if other is not None and other.distribution != plugin.distribution:
            raise ConfigError(
                f"both `{other.distribution}` and `{plugin.distribution}` offer a {kind} plugin `{point.name}`",
                code="plugin_ambiguous",
                hint=f"pip uninstall {plugin.distribution}",
            )
        found[point.name] = plugin
    return found


def build_registry(
    config: Config,
    builtins: Builtins,
    *,
    kinds: Iterable[str] | None = None,
    clock: Clock = system_clock,
    environ: Mapping[str, str] | None = None,
) -> PluginRegistry:
    """A sealed registry with the active plugins, of some kinds or of all. Raises ConfigError."""
    registry = PluginRegistry()
    wanted = tuple(KINDS if kinds is None else kinds)
    services = services_for(config, builtins, registry if "secrets" in wanted else None, clock=clock, environ=environ)
    for kind in wanted:
        for backend in config.backends(kind):
            if kind == "policy" and config.policy_layers:
                plugin: Any = layered_policy(config, builtins, services)
            else:
                plugin = create_plugin(backend, config, builtins, services)
            register_plugin(registry, backend, plugin, config)
    registry.seal()
    return registry


def layered_policy(config: Config, builtins: Builtins, services: Services) -> LayeredPolicy:
    """The policies of all layers as one, each over its own file, store and references. Raises ConfigError."""
    from codespar_cli.core.layered_policy import Layer, LayeredPolicy

    layers = []
    for one in config.policy_layers:
        assert one.policy is not None
        # The user's own layer works for whom the command works for; the others' counters cannot be chosen by anybody.
        tenant = one.tenant if one.layer == "administrator" else config.tenant
        own = services_for(one, builtins, clock=services.clock)._replace(
            state_dir=one.policy_dir or one.state_dir, tenant=tenant
        )
        if one.layer == "user":
            own = own._replace(resolve=services.resolve)
        policy = create_plugin(one.policy, one, builtins, own)
        agents = (one.agents, *one.agents_above)
        file = "" if one.path is None else shown(one.path)
        layers.append(Layer(one.layer, policy, agents, tenant if one.layer == "administrator" else None, file))
    return LayeredPolicy(layers, tenant=config.tenant)


def services_for(
    config: Config,
    builtins: Builtins,
    registry: PluginRegistry | None = None,
    *,
    clock: Clock = system_clock,
    environ: Mapping[str, str] | None = None,
) -> Services:
    """What plugins of this configuration are lent. `secret:KEY` is asked of the active secrets plugin when needed."""
    resolve = resolver_for(config, builtins, registry, clock=clock, environ=environ)
    return Services(
        state_dir=config.state_dir,
        tenant=config.tenant,
        clock=clock,
        resolve=resolve,
        config_dir=config.directory,
        users_own=config.users_own,
    )


def resolver_for(
    config: Config,
    builtins: Builtins,
    registry: PluginRegistry | None = None,
    *,
    clock: Clock = system_clock,
    environ: Mapping[str, str] | None = None,
) -> Resolver:
    """What turns this configuration's references into values; of `registry` its secrets plugin, or one of its own."""
    alone: list[PluginRegistry] = []

    def source() -> PluginRegistry:
        if registry is not None and registry.secrets is not None:
            return registry
        if not alone:
            alone.append(build_registry(config, builtins, kinds=("secrets",), clock=clock, environ=environ))
        return alone[0]

    return Resolver(
        os.environ if environ is None else environ,
        config.directory,
        _ActiveSecrets(config.file_tenant or config.tenant, config.tenant, source),
    )


class _ActiveSecrets:
    """What `secret:KEY` asks: for the file's own tenant, whichever tenant a command works for."""

    def __init__(self, tenant: str, current: str, source: Callable[[], PluginRegistry]) -> None:
        self._tenant = tenant
        self._current = current
        self._source = source

    def of_tenant(self, tenant: str) -> _ActiveSecrets:
        return _ActiveSecrets(tenant, self._current, self._source)

    def get(self, key: str) -> str | None:
        return self._source().get_secret(self._tenant, key)

    def advice(self, key: str) -> str:
        own = getattr(self._source().secrets, "advice", None)  # a backend that `secrets set` cannot write to
        if callable(own):
            return str(own(self._tenant, key))
        of = "" if self._tenant == self._current else f" --tenant {shlex.quote(self._tenant)}"
        return f"codespar secrets set {shlex.quote(key)}{of}"

    def is_empty(self) -> bool:
        return getattr(self._source().secrets, "exists", True) is False


def register_plugin(registry: PluginRegistry, backend: Backend, plugin: Any, config: Config) -> None:
    """Put a plugin in its place. Raises ConfigError, with the place in the file, where that is taken."""
    try:
        _register(registry, backend.kind, plugin)
    except DuplicatePlugin as error:
        raise _placed(
            ConfigError(
                f"{backend.kind} plugin `{backend.name}` cannot be used: {error.message}",
                code=error.code,
                hint=f"codespar plugins disable {backend.kind} {backend.name}",
            ),
            backend,
            config,
        ) from error


def create_plugin(backend: Backend, config: Config, builtins: Builtins, services: Services) -> Any:
    """One live plugin. Whatever goes wrong is a ConfigError that names the plugin and where it was asked for."""
    target = builtins.get(backend.kind, {}).get(backend.name)
    try:
        factory = _import(target) if target else _installed_factory(backend)
        if backend.kind == "secrets":
            services = services._replace(resolve=WithoutSecrets(services.resolve))
        plugin = factory(backend.options, services)
        if plugin is not None:
            close_forgotten(plugin)  # by an `async` factory
            _register(PluginRegistry(), backend.kind, plugin)  # refuses what lacks the contract's methods
    except KeyboardInterrupt:
        raise
    except ConfigError as error:
        raise _placed(error, backend, config) from error
    except InvalidPlugin as error:
        raise _not_loadable(error.message, backend, config) from error
    except CodesparError:
        raise
    except BaseException as error:  # also SystemExit: a plugin cannot end the program that loads it
        words = f"{type(error).__name__}: {visible(words_of(error))[:200]}"
        raise _not_loadable(words, backend, config) from error
    if plugin is None:
        raise _not_loadable("its factory returned nothing", backend, config)
    return plugin


def _register(registry: PluginRegistry, kind: str, plugin: Any) -> None:
    register: dict[str, Callable[[Any], None]] = {
        "policy": registry.register_policy,
        "observability": registry.register_observability,
        "secrets": registry.register_secrets,
        "integrations": registry.register_integration,
    }
    register[kind](plugin)


def _not_loadable(why: str, backend: Backend, config: Config) -> ConfigError:
    return _placed(
        ConfigError(
            f"{backend.kind} plugin `{backend.name}` cannot be loaded: {why}",
            code="plugin_not_loadable",
            hint=f"codespar plugins info {backend.name}",
        ),
        backend,
        config,
    )


def _import(target: str) -> Any:
    module, _, name = target.partition(":")
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _installed_factory(backend: Backend) -> Any:
    plugin = installed_plugins(backend.kind).get(backend.name)
    if plugin is None:
        raise ConfigError(
            f"no installed {backend.kind} plugin is called `{backend.name}`",
            code="plugin_not_found",
            hint="codespar plugins list",
        )
    factory = plugin.load()
    api = getattr(factory, "api", API)
    if not isinstance(api, int) or api > API:
        raise ConfigError(
            f"plugin `{backend.name}` of `{plugin.distribution}` speaks plugin api {api}, this codespar speaks {API}",
            code="plugin_api_newer",
            hint="pip install --upgrade codespar-cli",
        )
    return factory


def _placed(error: ConfigError, backend: Backend, config: Config) -> ConfigError:
    """The error with the place in plugins.toml, where a factory only knew its own key."""
    if error.file is not None or config.path is None:
        return error
    section: tuple[str, ...] = (backend.kind,) if backend.kind != "integrations" else (backend.kind, backend.name)
    path = (*section, *(error.key or "").split(".")) if error.key else section
    message = f"{'.'.join(path)}: {error.message}" if error.key else error.message
    return ConfigError(
        message,
        key=".".join(path),
        hint=error.hint,
        code=error.code,
        file=shown(config.path),
        line=_line(config.path, path),
    )


def _line(path: Path, key: tuple[str, ...]) -> int | None:
    try:
        return line_of(path.read_text("utf-8-sig"), key)
    except (OSError, ValueError):
        return None
