"""The values that cross the contracts of hooks.py when an agent calls a tool: the call, the answer, what came of it.

In a file of their own because every door needs them, also the one that must not wait for `typing`.
"""

from __future__ import annotations

from decimal import Decimal

from codespar_cli.core.light_typing import TYPE_CHECKING, NamedTuple, dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any, Literal, TypeAlias

Cost: TypeAlias = Decimal | int | float | str
"""Money in the policy's currency. A `Decimal` or a string is exact; a float is taken at its shortest repr."""


# ── what an agent asks ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class CallContext:
    """Who calls, for whom, with what. `attributes` are what rules read as `context.*`."""

    tenant: str = "default"
    project: str | None = None
    session: str | None = None
    args: Mapping[str, Any] | None = None
    approval_id: str | None = None
    environment: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call an agent wants to make. `estimated_cost` is None when the caller cannot tell."""

    agent_id: str
    tool_name: str
    estimated_cost: Cost | None = None
    context: CallContext = CallContext()


# ── what the policy answers ───────────────────────────────────────────────────────────────────────────────────────────


class TraceStep(NamedTuple):
    """What one stage of an evaluation said: `pass`, `fail`, `approve` or `skip`, by which rule, and why."""

    stage: str
    outcome: str
    rule_id: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """The answer. Whoever reads only `allowed` is safe: a pending approval is `allowed=False`.

    `code` is stable (docs/policy.md lists them). `retry_after` is in seconds, and `never` says that no time would
    do. `reservation_id` is the hold to settle with `record_usage`; `approval_id` the token to approve.
    """

    allowed: bool
    reason: str = ""
    requires_approval: bool = False
    code: str | None = None
    rule_id: str | None = None
    stage: str | None = None
    retry_after: float | None = None
    never: bool = False
    reservation_id: str | None = None
    approval_id: str | None = None
    policy_hash: str | None = None
    decision_id: str | None = None
    trace: tuple[TraceStep, ...] = ()


# ── what observability is told ────────────────────────────────────────────────────────────────────────────────────────

CostSource: TypeAlias = 'Literal["reported", "estimated", "configured", "unknown"]'


@dataclass(frozen=True, slots=True)
class ToolMetric:
    """One call that was made. Latency in milliseconds; `cost=None` means unknown, which is not zero.

    `time` is an aware UTC datetime, None means now. `error_type` is a class name or a short code, never a message.
    `arguments` are what the tool was called with: a store keeps their size and a keyed digest, never a value of them.
    `result_bytes` is the size of the result, `server` the MCP server that offers the tool.
    """

    tool_name: str
    agent_id: str
    latency_ms: float
    success: bool
    cost: Cost | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    error_type: str | None = None
    time: datetime | None = None
    tenant: str = "default"
    project: str | None = None
    session: str | None = None
    cost_source: CostSource | None = None
    decision_id: str | None = None
    arguments: Mapping[str, Any] | None = None
    result_bytes: int | None = None
    server: str | None = None

    def __repr__(self) -> str:
        """Without the arguments, which may hold anything: a metric in a message or a log must not tell them."""
        names = [name for name in self.__match_args__ if name != "arguments"]
        return f"ToolMetric({', '.join([f'{name}={getattr(self, name)!r}' for name in names])})"
