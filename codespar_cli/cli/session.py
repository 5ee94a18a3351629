"""One run of the command line: its terminal, its configuration, its plugins. Cheap facts are values, costly ones wait.

A command gets a `Session` as `context.obj`, asks it for what it needs and returns an exit code. Only what a command
asks for is loaded, but the configuration is always checked whole.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codespar_cli.cli.io import Terminal
from codespar_cli.core.clock import Clock, system_clock
from codespar_cli.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from codespar_cli.core.config import Config
    from codespar_cli.core.gate import Gate
    from codespar_cli.core.registry import PluginRegistry

_USUAL = {"policy": "engine", "observability": "observer", "secrets": "vault", "integrations": "github"}
"""What `plugins enable` is hinted with for each kind."""


class Session:
    """`clock` may be replaced before anything is loaded (`policy check --at`)."""

    def __init__(
        self,
        terminal: Terminal,
        *,
        environ: Mapping[str, str] | None = None,
        config_path: str | None = None,
        tenant_option: str | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self.terminal = terminal
        self.environ = os.environ if environ is None else environ
        self.config_path = config_path
        self.tenant_option = tenant_option
        self.clock = clock
        self.quiet = False
        """Whether the command itself tells what of a project's file is ignored."""
        self._config: Config | None = None
        self._registries: dict[tuple[str, ...], PluginRegistry] = {}

    def anew(self) -> Session:
        """The same, but for what has been read: it reads the files as they are then."""
        return Session(
            self.terminal,
            environ=self.environ,
            config_path=self.config_path,
            tenant_option=self.tenant_option,
            clock=self.clock,
        )

    @property
    def config(self) -> Config:
        """The whole of plugins.toml, valid. Raises ConfigError."""
        if self._config is None:
            from codespar_cli.startup import read_config

            config = read_config(self.config_path, environ=self.environ)
            tenant = self.environ.get("CODESPAR_TENANT") if self.tenant_option is None else self.tenant_option
            if self.tenant_option == "":
                raise UsageError("--tenant: expected a name, found an empty string", hint="leave it out for the file's")
            self._config = config._replace(tenant=tenant) if tenant else config
            self._tell_ignored(config)
        return self._config

    def _tell_ignored(self, config: Config) -> None:
        """Once a run: what a project's file asked for and did not get."""
        if config.ignored and not self.quiet:
            keys = ", ".join(f"{one.key} (line {one.line})" for one in config.ignored)
            file = config.ignored[0].file
            self.terminal.note(
                f"note: {file}: a project may only tighten, so these are ignored: {keys}; see: codespar trust"
            )

    @property
    def tenant(self) -> str:
        return self.config.tenant

    def registry(self, *kinds: str) -> PluginRegistry:
        """A sealed registry with the active plugins of these kinds; all four when none is named."""
        if kinds not in self._registries:
            from codespar_cli.startup import build_registry

            self._registries[kinds] = build_registry(
                self.config, kinds=kinds or None, clock=self.clock, environ=self.environ
            )
        return self._registries[kinds]

    def gate(self, *kinds: str) -> Gate:
        from codespar_cli.startup import build_gate

        return build_gate(self.config, self.registry(*kinds), clock=self.clock)

    def able(self, kind: str, *abilities: str) -> Any:
        """The active plugin of `kind`, if it offers these methods beyond its contract.

        Raises:
            ConfigError: no plugin of that kind is active.
            UsageError: the active one cannot do this.
        """
        plugin = getattr(self.registry(kind), kind)
        if plugin is None:
            raise ConfigError(
                f"no {kind} plugin is active",
                code="plugin_inactive",
                hint=f"codespar plugins enable {kind} {_USUAL[kind]}" if self.config.path else "codespar init",
            )
        for ability in abilities:
            if not callable(getattr(plugin, ability, None)):
                backend = getattr(plugin, "backend", type(plugin).__name__)
                why = getattr(plugin, "limits", f"it offers no `{ability}`")
                raise UsageError(
                    f"the {kind} backend `{backend}` cannot do this: {why}",
                    code="not_supported",
                    hint=getattr(plugin, "instead", "codespar plugins list"),
                )
        return plugin
