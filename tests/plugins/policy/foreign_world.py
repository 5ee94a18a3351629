"""A foreign policy in a directory of its own, and a store in memory: what the tests of Cedar and Rego stand on."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from policy_world import NOON

from codespar_cli.core.hooks import CallContext, PolicyDecision
from codespar_cli.core.services import Services


class Foreign:
    """`files` are written under their names; `foreign` is the one policy file's text."""

    def __init__(
        self, directory: Path, backend: str, foreign: str, rules: str | None = None, files: Any = None, **options: Any
    ) -> None:
        self.directory, self.backend, self.now = directory, backend, NOON
        texts = {f"policy.{backend}": foreign, **(files or {})}
        if rules is not None:
            texts["policy.yaml"] = rules
        for name, text in texts.items():
            (directory / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        self.options = {"policies": f"policy.{backend}", "durability": "normal", **options}
        self.load()

    def load(self) -> None:
        services = Services(self.directory / "state", config_dir=self.directory, clock=lambda: self.now)
        module = import_module(f"codespar_cli.plugins.policy.foreign.{self.backend}")
        self.engine = module.from_options(self.options, services)

    def ask(self, tool: str = "t", agent: str = "a", cost: Any = None, **context: Any) -> PolicyDecision:
        return self.engine.evaluate(agent, tool, cost, context=CallContext(**context))

    def pure(self, tool: str = "t", agent: str = "a", cost: Any = None, **context: Any) -> PolicyDecision:
        return self.engine.decide(agent, tool, cost, context=CallContext(**context))

    def wait(self, **delta: float) -> None:
        self.now += timedelta(**delta)
