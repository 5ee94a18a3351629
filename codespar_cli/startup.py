"""Where the parts meet: plugins.toml, the table of built-ins, the registry and the gate. The composition root."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from codespar_cli.core import loader
from codespar_cli.core.clock import Clock, system_clock
from codespar_cli.core.config import Config, default_state_dir, working_directory
from codespar_cli.core.gate import Gate, Journal
from codespar_cli.core.guard.self_protection import SelfProtection
from codespar_cli.core.hooks import PolicyDecision, ToolCall
from codespar_cli.core.layers import ADMINISTRATORS_FILE, Reading, find_places, read_places
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.core.trust_pin import policy_files
from codespar_cli.plugins import BUILTINS, builtin_options
from codespar_cli.storage.postgres_address import is_server, server_url
from codespar_cli.storage.trust_record import TrustRecord

if TYPE_CHECKING:
    from codespar_cli.core.services import Services
    from codespar_cli.doors.addresses import Doors
    from codespar_cli.mcp.watcher import Watcher
    from codespar_cli.server.app import Address
    from codespar_cli.storage.chain_files import ChainFile
    from codespar_cli.storage.postgres_chain import ServerChain
    from codespar_cli.webhooks.endpoints import Endpoints
    from codespar_cli.webhooks.service import Service


def load(path: str | os.PathLike[str] | None = None) -> Gate:
    """How a program starts: find plugins.toml as the CLI does, load every active plugin, seal, and answer the gate.

    Raises:
        ConfigError: the file is not valid, or a plugin it asks for cannot be loaded.
    """
    config = read_config(None if path is None else os.fspath(path))
    return build_gate(config, build_registry(config))


def read_config(
    explicit: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    administrators: Path = ADMINISTRATORS_FILE,
) -> Config:
    """The configuration that applies here and now, of all who have a say (layers.py). Raises ConfigError."""
    places = find_places(explicit, environ=environ, start=working_directory(), administrators=administrators)
    reading = Reading(environ, builtin_options(), loader.installed_plugins)
    record = TrustRecord(default_state_dir(environ)) if places.project else None
    config = read_places(places, reading, trusts=lambda pin: record is not None and record.is_trusted(pin))
    if record is None or places.project is None or not config.governed:
        return config
    return config._replace(inputs=(*config.inputs, record.path_of(places.project)))


def build_registry(
    config: Config,
    *,
    kinds: Iterable[str] | None = None,
    clock: Clock = system_clock,
    environ: Mapping[str, str] | None = None,
) -> PluginRegistry:
    return loader.build_registry(config, BUILTINS, kinds=kinds, clock=clock, environ=environ)


def build_gate(config: Config, registry: PluginRegistry, *, clock: Clock = system_clock) -> Gate:
    """A gate with the agents' attributes of the file, and a journal for what a broken policy cannot record itself."""
    # Where several files speak, each policy sees the attributes that its own file gives (layered_policy.py).
    agents = {} if config.policy_layers else config.agents
    gate = Gate(registry, tenant=config.tenant, agents=agents, journal=_journal(config, clock))
    gate.config_path = None if config.path is None else str(config.path.absolute())
    gate.governing = governing(config)
    gate.ruled_by = tuple(protected_files(config))
    if config.governed:
        gate.protection = protection_of(config)
    return gate


def protection_of(config: Config) -> SelfProtection:
    """What no policy can allow under this configuration. Doors that stand in a host's path always have it."""
    return SelfProtection(protected_files(config), [str(config.state_dir)])


def governing(config: Config) -> tuple[str, ...]:
    """Every plugins.toml that has a say, absolute, the nearest last."""
    paths = [layer.path for layer in config.policy_layers] + [config.path]
    return tuple(dict.fromkeys(str(path.absolute()) for path in paths if path is not None))


def protected_files(config: Config) -> list[str]:
    """What an agent that is governed by this configuration must not write: its files, and those that they name."""
    files = [*governing(config), *(str(path.absolute()) for path in config.inputs)]
    for layer in config.policy_layers or (config,):
        if layer.policy is not None:
            named = policy_files({"policy": layer.policy.options})
            files += [str((layer.directory / name).absolute()) for name in named]
    return list(dict.fromkeys(files))


def record_chains(config: Config, *, environ: Mapping[str, str] = os.environ) -> list[ChainFile | ServerChain]:
    """Every chained record of this configuration: those in the state directory, and the one on the policy's server.

    Raises ConfigError, StoreError.
    """
    from codespar_cli.storage.chain_files import chain_files

    files = chain_files(config.state_dir)
    for layer in config.policy_layers:  # by the name of whose they are: `project policy`
        if layer.policy_dir is not None:
            files += [file.renamed(f"{layer.layer} {file.name}") for file in chain_files(layer.policy_dir)]
    server = _server_chain(config, environ)
    if server is None:
        return [*files]
    # A file from before the policy moved to the server.
    return [server, *(file.renamed(f"{file.name}.db") if file.name == server.name else file for file in files)]


def _server_chain(config: Config, environ: Mapping[str, str]) -> ServerChain | None:
    policy = config.policy
    text = policy.options.get("store") if policy is not None and policy.name in BUILTINS["policy"] else None
    if not is_server(text):
        return None
    services = loader.services_for(config, BUILTINS, environ=environ)
    url = server_url(str(text), services.resolve, key="policy.store", needed_by="`store` in [policy]")
    from codespar_cli.plugins.policy.stores.postgres_schema import SCHEMA
    from codespar_cli.storage.postgres import Server
    from codespar_cli.storage.postgres_chain import ServerChain

    return ServerChain("policy", Server(url, SCHEMA))


class Receiving(NamedTuple):
    """What `codespar serve` is made of: where deliveries are taken, and the service once there is a log."""

    endpoints: Endpoints
    service: Callable[[Callable[[str], None]], Service]


def receiving(
    config: Config,
    registry: PluginRegistry,
    *,
    verify: bool,
    clock: Clock = system_clock,
    environ: Mapping[str, str] = os.environ,
    gate: Callable[[], Gate] | None = None,
) -> Receiving:
    """`gate` answers the gate of now, for the doors of agents. Where a token says who may ask, they are there.

    Raises ConfigError: references without a value, a store that is none; and what fetching secrets raises.
    """
    from codespar_cli.webhooks.endpoints import endpoints_of
    from codespar_cli.webhooks.inbox.inbox_address import InboxAddress
    from codespar_cli.webhooks.incident_feed import IncidentFeed, OwnEvents
    from codespar_cli.webhooks.known_secrets import KnownSecrets
    from codespar_cli.webhooks.routes.dispatching import dispatching
    from codespar_cli.webhooks.service import service

    integrations = registry.integrations
    endpoints = endpoints_of(integrations, config.file_tenant or config.tenant, verify=verify)
    services = loader.services_for(config, BUILTINS, registry, clock=clock, environ=environ)
    known = KnownSecrets(endpoints.secrets)
    noting = services._replace(resolve=known.noting(services.resolve))
    inbox = InboxAddress.from_options(config.inbox, noting)
    store = inbox.store
    opened = _doors(config, services, gate, environ)
    scraped = _scraped(config, registry, services)

    def made(log: Callable[[str], None]) -> Service:
        doors = None if opened is None else opened(log)
        routes = dispatching(config, services, store, log=log, known=known)
        # Without a route nobody would hear of it.
        incidents = getattr(registry.observability, "anomalies", None) if routes.routes else None
        feeds = [] if incidents is None else [IncidentFeed(incidents, store, clock=clock, log=log).alive]
        return service(
            endpoints,
            store,
            {**integrations, OwnEvents.id: OwnEvents()},
            wanted=routes.wanted,
            recorded=routes.wake,
            beside=(*feeds, routes.alive, *(() if doors is None else (doors.life,))),
            clock=clock,
            log=log,
            retention=inbox.retention,
            more=(*scraped, *(() if doors is None else doors.addresses)),
        )

    return Receiving(endpoints, made)


def _doors(
    config: Config, services: Services, gate: Callable[[], Gate] | None, environ: Mapping[str, str]
) -> Callable[[Callable[[str], None]], Doors] | None:
    """`/v1/…`, where a token says who may ask. Raises ConfigError."""
    reference = config.serve.get("token")
    if reference is None or gate is None:
        return None
    from codespar_cli.doors.addresses import DoorKeys, doors
    from codespar_cli.server.bearer import checked_token

    key = "serve.token"
    keys = DoorKeys(checked_token(services.require(reference, key=key), key=key), config.serve.get("hosts", ()))
    state_dir = str(default_state_dir(environ))
    return lambda log: doors(gate, keys, tenant=config.tenant, state_dir=state_dir, log=log)


def _scraped(config: Config, registry: PluginRegistry, services: Services) -> list[Address]:
    """`/metrics`, where a token says who may ask. Raises ConfigError, StoreError."""
    reference = config.serve.get("metrics_token")
    if reference is None:
        return []
    from codespar_cli.core.administration.metric_exports import LiveText
    from codespar_cli.errors import ConfigError
    from codespar_cli.server.bearer import checked_token
    from codespar_cli.server.scraping import scraped

    key = "serve.metrics_token"
    token = checked_token(services.require(reference, key=key), key=key)
    plugin: Any = registry.observability
    if not callable(getattr(plugin, "live_metrics", None)):
        raise ConfigError(
            "expected an observability plugin that can be scraped",
            key=key,
            hint="codespar plugins enable observability observer",
        )
    live: LiveText = plugin.live_metrics()
    return [scraped(token, lambda openmetrics: live.text(openmetrics=openmetrics))]


def _journal(config: Config, clock: Clock) -> Journal:
    def write(call: ToolCall, decision: PolicyDecision) -> None:
        from codespar_cli.storage.gate_journal import append_refusal

        append_refusal(config.state_dir, clock(), call, decision)

    return write


def required_value(config: Config, reference: str, *, key: str, environ: Mapping[str, str] = os.environ) -> str:
    """What `secret:KEY` and the like stand for. Raises ConfigError when that is nothing, and what the plugin raises."""
    return loader.services_for(config, BUILTINS, environ=environ).require(reference, key=key)


def tool_watcher(
    config: Config,
    registry: PluginRegistry,
    *,
    clock: Clock = system_clock,
    drifted: Callable[[str, Sequence[Any]], object] = lambda server, changes: None,
) -> Watcher:
    """Who pins the tools of MCP servers and, where observability keeps findings, checks calls of them.

    `drifted` is told, with each list of a server, every `DriftChange` that nobody has approved.
    """
    from importlib import import_module

    from codespar_cli.mcp.watcher import Checks, Pins, ToolWatcher

    here = "codespar_cli.plugins.observability"
    store = import_module(f"{here}.drift.pin_store").PinStore(config.state_dir)
    pins = Pins(see=store.see, last_listed=store.last_listed, drifted=drifted, clock=clock)
    keep = getattr(registry.observability, "record_findings", None)
    if not callable(keep):
        return ToolWatcher(pins)
    values = import_module("codespar_cli.core.administration.tool_checks")
    checks = Checks(
        catalogue=import_module(f"{here}.checks.catalogue").Catalogue,
        check=import_module(f"{here}.checks.call").check_call,
        observe=import_module(f"{here}.checks.sequence").CallStreams().observe,
        observed=values.ObservedCall,
        finding=values.CheckFinding,
        keep=keep,
        clock=clock,
    )
    return ToolWatcher(pins, checks)


def check_text(text: str, path: Path, *, users_own: bool, environ: Mapping[str, str] = os.environ) -> Config:
    """Check a plugins.toml that is not on disk yet. Raises ConfigError."""
    from codespar_cli.core.config import parse_config

    return parse_config(
        text.encode(),
        path=path,
        environ=environ,
        known=builtin_options(),
        installed=loader.installed_plugins,
        users_own=users_own,
    )


def try_plugins(config: Config, kind: str) -> None:
    """Create the active plugins of one kind and let go of them again. Raises ConfigError."""
    build_registry(config, kinds=(kind,))
