"""A small world for policy tests: a policy from a Python value, a store, and a clock that a test turns."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from codespar_cli.core.clock import to_micros
from codespar_cli.core.hooks import CallContext, PolicyDecision
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.stores.counters import Record
from codespar_cli.plugins.policy.stores.memory_store import MemoryStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday
EVERYTHING = {"id": "zz-all", "effect": "allow"}


class NewStore:
    """Which store a world gets that is given none; a test module may have its tests run once for each kind."""

    make: Any = staticmethod(MemoryStore)


class World:
    def __init__(self, *rules: dict[str, Any], store: Any = None, observe: bool = False, **top: Any) -> None:
        self.now = NOON
        self.store = NewStore.make() if store is None else store
        self.observe = observe
        self.use(*rules, **top)

    def use(self, *rules: dict[str, Any], record_args: bool = False, **top: Any) -> None:
        document = {"version": 1, "rules": list(rules), **top}
        self.engine = PolicyEngine(
            compile_policy(json.dumps(document).encode(), "policy.yaml"),
            StoreAddress.of(self.store),
            clock=lambda: self.now,
            observe=self.observe,
            record_args=record_args,
        )

    def ask(self, tool: str = "t", agent: str = "a", cost: Any = None, **context: Any) -> PolicyDecision:
        return self.engine.evaluate(agent, tool, cost, context=CallContext(**context))

    def look(self, tool: str = "t", agent: str = "a", cost: Any = None, **context: Any) -> PolicyDecision:
        return self.engine.preview(agent, tool, cost, context=CallContext(**context))

    @property
    def records(self) -> list[Record]:
        return list(self.store.records())

    def holds_nothing(self, space: str = "enforce") -> bool:
        """Nothing was counted, and nothing is held for the agent `a` calling `t`."""
        with self.store.read() as snapshot:
            hold = snapshot.oldest_hold(space, "default", "a", "t", to_micros(self.now))
            return hold is None and snapshot.keys(space, "default") == []

    def wait(self, **delta: float) -> None:
        self.now += timedelta(**delta)


def budget(limit: str, window: str = "total", **more: Any) -> dict[str, Any]:
    return {"id": "money", "effect": "budget", "limit": limit, "window": window, **more}


def rate(limit: str, **more: Any) -> dict[str, Any]:
    return {"id": "pace", "effect": "rate", "limit": limit, **more}
