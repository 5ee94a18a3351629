"""How a call ended, and the metric that is made of it."""

from __future__ import annotations

from decimal import Decimal

from codespar_cli.core.calls import ToolCall, ToolMetric
from codespar_cli.core.light_typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from codespar_cli.core.calls import Cost, CostSource, PolicyDecision


class Outcome(NamedTuple):
    """How a call ended. Latency in milliseconds; `cost=None` settles the hold at its estimate.

    `is_spent` says that a call that failed has cost what it was to cost; otherwise its hold is given back.

    `tokens_estimated` says that the tokens, and what a price table makes of them, are nobody's count. `result_bytes` is
    the size of the result as JSON, `server` the MCP server that offers the tool.
    """

    success: bool = True
    latency_ms: float = 0.0
    cost: Cost | None = None
    error_type: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    decision: PolicyDecision | None = None
    tokens_estimated: bool = False
    is_spent: bool = False
    result_bytes: int | None = None
    server: str | None = None


class Usage(NamedTuple):
    """What a call spent of a hold. `cost=None` settles it at what was held."""

    agent_id: str
    tool_name: str
    cost: Cost | None
    reservation_id: str


def usage_of(call: ToolCall, outcome: Outcome) -> Usage | None:
    """What settles the call's hold; None without one, and where it is to be given back."""
    decision = outcome.decision
    if decision is None or not decision.allowed or decision.reservation_id is None:
        return None
    if not outcome.success and not outcome.is_spent:
        return None
    # None tells the policy to settle at what it holds: only it knows the estimate of its own price list.
    cost = outcome.cost if outcome.cost is not None else call.estimated_cost
    return Usage(call.agent_id, call.tool_name, cost, decision.reservation_id)


def metric_of(call: ToolCall, outcome: Outcome) -> ToolMetric:
    """What observability is told of a call that ended so."""
    cost, source = _known_cost(outcome.cost, call.estimated_cost)
    if cost is None and outcome.tokens_estimated:
        source = "estimated"
    context, decision = call.context, outcome.decision
    return ToolMetric(
        tool_name=call.tool_name,
        agent_id=call.agent_id,
        latency_ms=outcome.latency_ms,
        success=outcome.success,
        cost=cost,
        input_tokens=outcome.input_tokens,
        output_tokens=outcome.output_tokens,
        error_type=outcome.error_type,
        tenant=context.tenant,
        project=context.project,
        session=context.session,
        cost_source=source,
        decision_id=decision.decision_id if decision else None,
        arguments=context.args,
        result_bytes=outcome.result_bytes,
        server=outcome.server,
    )


def _known_cost(reported: Cost | None, estimated: Cost | None) -> tuple[Cost | None, CostSource]:
    for cost, source in ((reported, "reported"), (estimated, "estimated")):
        if cost is not None and _is_amount(cost):
            return cost, source  # type: ignore[return-value]  # a literal from the tuple above
    return None, "unknown"


def _is_amount(cost: Cost) -> bool:
    try:
        amount = Decimal(str(cost))
    except Exception:  # also what a cost of another's class raises: it is none that we know
        return False
    return not isinstance(cost, bool) and amount.is_finite() and amount >= 0
