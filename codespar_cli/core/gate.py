"""The policy enforcement point: every call of every door goes through here.

    check   ask the policy; whatever a broken policy does is a deny
    record  settle or release the hold, then tell observability
    call    both around a block of code, sync or async
    tool    both around a function

The registry hands hooks through as they are; what to do when one misbehaves is decided here and nowhere else. A policy
that raises, hangs or answers nonsense denies the call and leaves a record. Observability and integrations never fail a
call: their failures are counted in `failures`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from types import CoroutineType
from typing import Any, ParamSpec, TypeAlias, TypeVar

from codespar_cli.core.globs import matches
from codespar_cli.core.guarded_call import GuardedCall, guard_function
from codespar_cli.core.headers import Headers
from codespar_cli.core.hooks import (
    CallContext,
    Cost,
    CostSource,
    IntegrationEvent,
    PolicyDecision,
    ToolCall,
    ToolMetric,
)
from codespar_cli.core.registry import PluginRegistry

P = ParamSpec("P")
R = TypeVar("R")

Journal: TypeAlias = Callable[[ToolCall, PolicyDecision], None]
"""Keeps the record of a decision that the policy itself could not record. Must not raise."""

POLICY_DEADLINE_S = 2.0
_VAR_KEYWORDS = 0x08  # inspect.CO_VARKEYWORDS, without the import


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended. Latency in milliseconds; `cost=None` settles the hold at its estimate."""

    success: bool = True
    latency_ms: float = 0.0
    cost: Cost | None = None
    error_type: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    decision: PolicyDecision | None = None


class Gate:
    """An enforcement point over one registry.

    `agent_id` is who calls when a call does not say. `agents` maps globs over agent ids to attributes that rules read
    as `context.*`; what the operator's file says of an agent beats what the caller says. `deadline_s` bounds a policy
    that does not promise to be `bounded` itself; None waits for ever.
    """

    def __init__(
        self,
        registry: PluginRegistry,
        *,
        agent_id: str = "agent",
        tenant: str = "default",
        agents: Mapping[str, Mapping[str, Any]] | None = None,
        journal: Journal | None = None,
        deadline_s: float | None = POLICY_DEADLINE_S,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.registry = registry
        self.agent_id = agent_id
        self.tenant = tenant
        self.failures: Counter[str] = Counter()
        self.last_failure: dict[str, str] = {}
        self.timer = timer
        self._agents = agents or {}
        self._journal = journal
        self._deadline_s = deadline_s

    # ── before ──

    def check(self, call: ToolCall) -> PolicyDecision:
        """Ask the policy. Never raises for what a policy does; a keyboard interrupt passes."""
        policy = self.registry.policy
        if policy is None:
            return self.registry.evaluate_policy(call.agent_id, call.tool_name, call.estimated_cost)
        call = self.contextual(call)
        try:
            answer = self._evaluate(policy, call)
        except TimeoutError as error:
            return self._refuse(call, "policy_timeout", f"the policy did not answer in time: {_named(error)}")
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit counts as raising: a plugin cannot end the agent to be let through
            return self._refuse(call, "policy_error", f"the policy failed: {_named(error)}")
        return self._sound(call, answer)

    async def acheck(self, call: ToolCall) -> PolicyDecision:
        """`check` off the event loop: a policy may wait for a lock or a disk."""
        if self.registry.policy is None:
            return self.check(call)
        import asyncio

        return await asyncio.to_thread(self.check, call)

    def contextual(self, call: ToolCall) -> ToolCall:
        """The call with the attributes that the operator's file gives its agent."""
        found: dict[str, Any] = {}
        if isinstance(call.agent_id, str):
            for pattern, attributes in self._agents.items():
                if matches(pattern, call.agent_id):
                    found.update(attributes)
        if not found:
            return call
        context = call.context
        environment = found.get("environment", context.environment)
        merged = replace(context, attributes={**context.attributes, **found}, environment=environment)
        return replace(call, context=merged)

    # ── after ──

    def record(self, call: ToolCall, outcome: Outcome) -> None:
        """Settle (or, for a failed call, release) the hold, and record one metric. Never raises."""
        decision = outcome.decision
        if decision is None or decision.allowed:
            self._guarded("policy", lambda: self._settle(call, outcome, decision))
        cost, source = _known_cost(outcome.cost, call.estimated_cost)
        context = call.context
        metric = ToolMetric(
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
        )
        self._guarded("observability", lambda: self.registry.record_metric(metric))

    # ── around ──

    def call(
        self,
        agent_id: str,
        tool_name: str,
        *,
        cost: Cost | None = None,
        args: Mapping[str, Any] | None = None,
        context: CallContext | None = None,
        **fields: Any,
    ) -> GuardedCall:
        """`with gate.call("agent", "tool", cost="0.10", args={…}) as call:`, or `async with`.

        `fields` are those of CallContext (project, session, tenant, …). Entering raises CallDenied or
        ApprovalRequired in place of running the block.
        """
        base = context or CallContext(tenant=self.tenant)
        if args is not None:
            fields["args"] = args
        return GuardedCall(self, ToolCall(agent_id, tool_name, cost, replace(base, **fields) if fields else base))

    def tool(
        self,
        function: Callable[P, R] | None = None,
        *,
        name: str | None = None,
        agent: str | None = None,
        cost: Cost | None = None,
        **fields: Any,
    ) -> Any:
        """`@gate.tool`, or `@gate.tool(name="deploy/run", agent="deploy-bot", cost="0.10")`.

        The function's own arguments are the call's args; plain, async and generator functions are guarded for as long
        as they run. The default name is the function's.
        """

        def decorate(inner: Callable[P, R]) -> Callable[P, R]:
            def begin(args: Mapping[str, Any]) -> GuardedCall:
                return self.call(agent or self.agent_id, name or inner.__name__, cost=cost, args=args, **fields)

            return guard_function(inner, begin)

        return decorate if function is None else decorate(function)

    async def handle_webhook(
        self, integration_id: str, payload: Any, headers: Mapping[str, str]
    ) -> IntegrationEvent | None:
        """What an integration makes of a payload; None when there is no such integration, or it fails."""
        integration = self.registry.get_integration(integration_id)
        if integration is None:
            return None
        try:
            event = await integration.handle_webhook(payload, Headers.of(headers))
        except Exception as error:
            self._count("integrations", error)
            return None
        return event if isinstance(event, IntegrationEvent) else None

    # ── inside ──

    def _evaluate(self, policy: Any, call: ToolCall) -> object:
        evaluate = self.registry.evaluate_policy
        arguments = (call.agent_id, call.tool_name, call.estimated_cost)
        keywords: dict[str, Any] = {"context": call.context} if _takes(evaluate, "context") else {}
        if self._deadline_s is None or getattr(policy, "bounded", False) is True:
            return evaluate(*arguments, **keywords)
        return _within(self._deadline_s, lambda: evaluate(*arguments, **keywords))

    def _sound(self, call: ToolCall, answer: object) -> PolicyDecision:
        if not isinstance(answer, PolicyDecision) or not isinstance(answer.allowed, bool):
            if isinstance(answer, CoroutineType):
                answer.close()
            return self._refuse(call, "policy_error", f"the policy answered nonsense: {type(answer).__name__}")
        if answer.allowed and answer.requires_approval:
            # Both at once is what older hooks say for "ask first"; the safe reading is that nobody has been asked.
            if answer.reservation_id is not None:
                held = answer.reservation_id
                self._guarded("policy", lambda: self.registry.release_policy_reservation(held))
            return replace(answer, allowed=False, code=answer.code or "approval_required", reservation_id=None)
        return answer

    def _refuse(self, call: ToolCall, code: str, reason: str) -> PolicyDecision:
        decision = PolicyDecision(allowed=False, reason=reason, code=code, stage="gate")
        self.failures["policy"] += 1
        self.last_failure["policy"] = reason
        if self._journal is not None:
            journal = self._journal
            self._guarded("journal", lambda: journal(call, decision))
        metric = ToolMetric(
            call.tool_name, call.agent_id, 0.0, success=False, error_type=code, tenant=call.context.tenant
        )
        self._guarded("observability", lambda: self.registry.record_metric(metric))
        return decision

    def _settle(self, call: ToolCall, outcome: Outcome, decision: PolicyDecision | None) -> None:
        registry, reservation = self.registry, decision.reservation_id if decision else None
        if not outcome.success:
            if reservation is not None:
                registry.release_policy_reservation(reservation)
            return
        cost = outcome.cost if outcome.cost is not None else call.estimated_cost
        if reservation is not None and _takes(registry.record_policy_usage, "reservation_id"):
            # None tells the policy to settle at what it holds: only it knows the estimate of its own price list.
            registry.record_policy_usage(call.agent_id, call.tool_name, cost, reservation_id=reservation)
        elif cost is not None:
            registry.record_policy_usage(call.agent_id, call.tool_name, cost)

    def _guarded(self, kind: str, act: Callable[[], object]) -> None:
        try:
            act()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._count(kind, error)

    def _count(self, kind: str, error: BaseException) -> None:
        self.failures[kind] += 1
        self.last_failure[kind] = _named(error)


def _takes(function: Callable[..., Any], keyword: str) -> bool:
    """Whether a hook has this keyword; one written to the older, positional contract would choke on it."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return True
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return keyword in names or bool(code.co_flags & _VAR_KEYWORDS)


def _within(seconds: float, act: Callable[[], object]) -> object:
    """Run `act` on a thread of its own and wait a bounded time. Raises TimeoutError, or what `act` raised."""
    box: list[tuple[bool, Any]] = []
    context = copy_context()

    def run() -> None:
        try:
            box.append((True, context.run(act)))
        except BaseException as error:
            box.append((False, error))

    thread = threading.Thread(target=run, name="codespar-policy", daemon=True)
    thread.start()
    thread.join(seconds)
    if not box:
        raise TimeoutError(f"no answer within {seconds:g} s")
    succeeded, value = box[0]
    if succeeded:
        return value
    raise value


def _known_cost(reported: Cost | None, estimated: Cost | None) -> tuple[Cost | None, CostSource]:
    for cost, source in ((reported, "reported"), (estimated, "estimated")):
        if cost is not None and _is_amount(cost):
            return cost, source  # type: ignore[return-value]  # a literal from the tuple above
    return None, "unknown"


def _is_amount(cost: Cost) -> bool:
    try:
        amount = Decimal(str(cost))
    except (InvalidOperation, ValueError):
        return False
    return not isinstance(cost, bool) and amount.is_finite() and amount >= 0


def _named(error: BaseException) -> str:
    """The class alone: a message may hold what the call was about."""
    return type(error).__name__
