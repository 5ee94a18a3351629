"""The whole product on one page: four contracts; the values that cross them are in calls.py, and below.

An agent is about to call a tool. **Policy** is asked before; **observability** is told after; **secrets** hands
out the credential the tool needs; **integrations** turn what outside services send into one plain event.
A plugin is any object with these methods: nothing to inherit, nothing to import. It is put in place by
`PluginRegistry` (registry.py) and stood between an agent and its tools by `Gate` (gate.py).

The positional parts of these signatures never change; everything richer is keyword-only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeAlias, runtime_checkable

from codespar_cli.core.calls import (
    CallContext,
    Cost,
    CostSource,
    PolicyDecision,
    ToolCall,
    ToolMetric,
    TraceStep,
)

__all__ = [
    "SEVERITIES",
    "CallContext",
    "Cost",
    "CostSource",
    "Health",
    "IntegrationEvent",
    "IntegrationHook",
    "ObservabilityHook",
    "PolicyDecision",
    "PolicyHook",
    "SecretsHook",
    "Severity",
    "ToolCall",
    "ToolMetric",
    "TraceStep",
]

# ── policy: asked before ───────────────────────────────────────────────────────────────────────────────────────


@runtime_checkable
class PolicyHook(Protocol):
    """A policy decision point.

    Optional: `record_usage(agent_id, tool_name, cost, *, reservation_id=None)` settles a hold with what the call
    really cost, None meaning what was held; `record_usages(usages)` settles several `Usage` (outcome.py) at once and answers
    for each, with an exception where it could not be, or raises and has settled none; `release(reservation_id)` gives a hold back. `bounded = True`
    promises that `evaluate` limits its own waiting, and spares it the gate's deadline thread; `reserves = True` that an
    allow without a `reservation_id` has nothing to settle.
    """

    def evaluate(
        self,
        agent_id: str,
        tool_name: str,
        estimated_cost: Cost | None = None,
        *,
        context: CallContext | None = None,
    ) -> PolicyDecision: ...


# ── observability: told after ──────────────────────────────────────────────────────────────────────────────────


@runtime_checkable
class ObservabilityHook(Protocol):
    """A write-only end for metrics. Optional: `get_stats(tool_name=None)`."""

    def record(self, metric: ToolMetric) -> None: ...


# ── secrets: asked when a call needs a credential ──────────────────────────────────────────────────────────────


@runtime_checkable
class SecretsHook(Protocol):
    """A store of credentials per tenant. `get` answers None for "there is none" and raises for everything else.

    Optional: `set(tenant_id, key, value)`. `grants = True` says that `get` also takes `call=`, the agent's call that needs
    the secret, and raises SecretDenied when it is not granted to that agent or tool.
    """

    def get(self, tenant_id: str, key: str) -> str | None: ...


# ── integrations: what the outside says ────────────────────────────────────────────────────────────────────────

Severity: TypeAlias = Literal["critical", "error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "error", "warning", "info")


@dataclass(frozen=True, slots=True)
class IntegrationEvent:
    """One thing that happened outside, whoever said it. Every text in it is untrusted data, never instructions.

    `event_type` is `resource.action` in the provider's own words; `title` one line, never empty, at most 300
    characters, free of control and bidi characters; `url` http, https or None; `native` the provider's own
    severity and state.
    """

    source: str
    event_type: str
    severity: Severity
    title: str
    detail: str | None = None
    url: str | None = None
    occurred_at: datetime | None = None
    delivery_id: str | None = None
    external_id: str | None = None
    actor: str | None = None
    project: str | None = None
    affected_files: tuple[str, ...] = ()
    stack_trace: str | None = None
    native: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class IntegrationHook(Protocol):
    """A connector for one provider. None means "not mine, or nothing to say"; no payload makes it raise.

    `headers` is a case-insensitive mapping and may be empty. Optional: `verify_signature(payload, signature,
    secret) -> bool` over the raw bytes, and `health_check()`.
    """

    id: str
    name: str

    async def handle_webhook(self, payload: Any, headers: Mapping[str, str]) -> IntegrationEvent | None: ...


# ── what every kind may say of itself ──────────────────────────────────────────────────────────────────────────


class _StateAndMessage(NamedTuple):
    state: Literal["ok", "warning", "error"]
    message: str


class Health(_StateAndMessage):
    """The answer of the optional `health()`: `ok`, `warning` or `error`, and one line saying why.

    `hint` is what to run then; it is no part of the pair, so that code which takes the two apart goes on working.
    """

    hint: str | None

    def __new__(cls, state: Literal["ok", "warning", "error"], message: str = "", hint: str | None = None) -> Self:
        health = super().__new__(cls, state, message)
        health.hint = hint
        return health
