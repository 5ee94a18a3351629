"""Where the parts meet: plugins.toml, the table of built-ins, the registry and the gate. The composition root."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from codespar_cli.core import loader
from codespar_cli.core.clock import Clock, system_clock
from codespar_cli.core.config import Config, find_config, is_users_own, load_config, working_directory
from codespar_cli.core.gate import Gate, Journal
from codespar_cli.core.hooks import PolicyDecision, ToolCall
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.errors import ConfigError
from codespar_cli.plugins import BUILTINS, builtin_options
from codespar_cli.storage.postgres_address import is_server, server_url

if TYPE_CHECKING:
    from codespar_cli.core.services import Services
    from codespar_cli.server.app import Address, App
    from codespar_cli.storage.chain_files import ChainFile
    from codespar_cli.storage.postgres_chain import ServerChain
    from codespar_cli.webhooks.endpoints import Endpoints


def load(path: str | os.PathLike[str] | None = None) -> Gate:
    """How a program starts: find plugins.toml as the CLI does, load every active plugin, seal, and answer the gate.

    Raises:
        ConfigError: the file is not valid, or a plugin it asks for cannot be loaded.
    """
    config = read_config(None if path is None else os.fspath(path))
    return build_gate(config, build_registry(config))


def read_config(explicit: str | None = None, *, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration that applies here and now. Raises ConfigError."""
    path = find_config(explicit, environ=environ, start=working_directory())
    return load_config(
        path,
        environ=environ,
        known=builtin_options(),
        installed=loader.installed_plugins,
        users_own=is_users_own(path, explicit, environ=environ),
    )


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
    return Gate(registry, tenant=config.tenant, agents=config.agents, journal=_journal(config, clock))


def record_chains(config: Config, *, environ: Mapping[str, str] = os.environ) -> list[ChainFile | ServerChain]:
    """Every chained record of this configuration: those in the state directory, and the one on the policy's server.

    Raises ConfigError, StoreError.
    """
    from codespar_cli.storage.chain_files import chain_files

    files = chain_files(config.state_dir)
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
    """What `codespar serve` is made of: where deliveries are taken, and the application once there is a log."""

    endpoints: Endpoints
    app: Callable[[Callable[[str], None]], App]


def receiving(
    config: Config,
    registry: PluginRegistry,
    *,
    verify: bool,
    clock: Clock = system_clock,
    environ: Mapping[str, str] = os.environ,
) -> Receiving:
    """Raises ConfigError: references without a value, a store that is none; and what fetching secrets raises."""
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
    more = _scraped(config, registry, services)

    def app(log: Callable[[str], None]) -> App:
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
            beside=(*feeds, routes.alive),
            clock=clock,
            log=log,
            retention=inbox.retention,
            more=more,
        )

    return Receiving(endpoints, app)


def _scraped(config: Config, registry: PluginRegistry, services: Services) -> list[Address]:
    """`/metrics`, where a token says who may ask. Raises ConfigError, StoreError."""
    reference = config.serve.get("metrics_token")
    if reference is None:
        return []
    from codespar_cli.core.administration.metric_exports import LiveText
    from codespar_cli.server.scraping import LEAST_TOKEN, scraped

    key = "serve.metrics_token"
    token = services.require(reference, key=key)
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"expected a token of at least {LEAST_TOKEN} visible ASCII characters", key=key, hint="openssl rand -hex 32"
        )
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
