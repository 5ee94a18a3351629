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

import time

from codespar_cli.core.asking import ask, plainly, prepared, takes
from codespar_cli.core.calls import CallContext, PolicyDecision, ToolCall
from codespar_cli.core.globs import matches
from codespar_cli.core.light_typing import TYPE_CHECKING, ParamSpec, TypeVar, replace
from codespar_cli.core.outcome import Outcome, Usage, metric_of, usage_of
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.core.sound_decision import BROKEN, GATE_STAGE, close_forgotten
from codespar_cli.core.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeAlias

    from codespar_cli.core.calls import Cost
    from codespar_cli.core.guarded_call import GuardedCall
    from codespar_cli.core.hooks import IntegrationEvent

P = ParamSpec("P")
R = TypeVar("R")

Journal: TypeAlias = "Callable[[ToolCall, PolicyDecision], None]"
"""Keeps the record of a decision that the policy itself could not record. Must not raise."""

Protection: TypeAlias = "Callable[[ToolCall], PolicyDecision | None]"
"""The refusal of a call that changes what governs it (self_protection.py), or None. Must not raise."""

POLICY_DEADLINE_S = 2.0


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
        self.config_path: str | None = None
        """The plugins.toml this gate was made from, absolute; whoever makes it says so."""
        self.governing: tuple[str, ...] = ()
        """Every plugins.toml that had a say, absolute, the nearest last."""
        self.ruled_by: tuple[str, ...] = ()
        """Every file that the rules are in, plugins.toml among them, absolute."""
        self.protection: Protection | None = None
        """What no policy can allow: asked first."""
        self.failures = Tally()
        self.last_failure: dict[str, str] = {}
        self.timer = timer
        self._agents = agents or {}
        self._journal = journal
        self._deadline_s = deadline_s

    # ── before ──

    def check(self, call: ToolCall) -> PolicyDecision:
        """Ask the policy. Never raises for what a policy does; a keyboard interrupt passes."""
        policy = self.registry.policy
        if policy is None and self.protection is None:
            return self.registry.evaluate_policy(call.agent_id, call.tool_name, call.estimated_cost)
        call, refused = prepared(call, self.protection)
        if refused is not None:
            self._keep_refusal(call, refused)
            return refused
        if policy is None:
            return self.registry.evaluate_policy(call.agent_id, call.tool_name, call.estimated_cost)
        call = self.contextual(call)
        decision = ask(self.registry.evaluate_policy, call, self._deadline_of(policy), self._give_back)
        if not decision.allowed:
            self._give_back(decision)
            decision = replace(decision, reservation_id=None)
        if decision.stage == GATE_STAGE or (decision.code in BROKEN and decision.decision_id is None):
            # The policy failed, or could not even record that its store did; observe mode lets the call through.
            self._note_refusal(call, decision)
        return decision

    def preview(self, call: ToolCall) -> PolicyDecision:
        """What `check` would answer, leaving nothing behind where the policy offers `preview`.

        A policy without one is asked for real, and a hold that it takes is given back.
        """
        policy = self.registry.policy
        if policy is None and self.protection is None:
            return self.check(call)
        call, refused = prepared(call, self.protection)
        if refused is not None:
            return refused
        if policy is None:
            return self.check(call)
        evaluate = _offered(policy, "preview")
        decision = ask(
            evaluate if callable(evaluate) else self.registry.evaluate_policy,
            self.contextual(call),
            self._deadline_of(policy),
            self._give_back,
        )
        self._give_back(decision)
        return replace(decision, reservation_id=None)

    async def acheck(self, call: ToolCall) -> PolicyDecision:
        """`check` off the event loop: a policy may wait for a lock or a disk.

        When the task is cancelled meanwhile, the hold is given back as soon as the policy has answered.
        """
        if self.registry.policy is None and self.protection is None:
            return self.check(call)
        import asyncio

        from codespar_cli.core.handover import Handover

        handover = Handover(self._give_back)
        try:
            return await asyncio.to_thread(lambda: handover.deliver(self.check(call)))
        except BaseException:
            handover.abandon()
            raise

    def contextual(self, call: ToolCall) -> ToolCall:
        """The call with the attributes that the operator's file gives its agent."""
        context = attributed(call.context, call.agent_id, self._agents)
        return call if context is call.context else replace(call, context=context)

    # ── after ──

    def record(self, call: ToolCall, outcome: Outcome) -> None:
        """Settle (or, for a failed call, release) the hold, and record one metric. Never raises."""
        decision = outcome.decision
        if decision is None or decision.allowed:
            self._guarded("policy", lambda: self._settle(call, outcome, decision))
        self._tell(call, outcome)

    def record_all(self, ended: Sequence[tuple[ToolCall, Outcome]]) -> None:
        """`record` for each of these calls. A policy that offers it settles their holds in one go. Never raises."""
        usages = [usage_of(call, outcome) for call, outcome in ended]
        together = self._settled_together([usage for usage in usages if usage is not None])
        for (call, outcome), usage in zip(ended, usages, strict=True):
            if together and usage is not None:
                self._tell(call, outcome)
            else:
                self.record(call, outcome)

    # ── what a call needs ──

    def get_secret(self, call: ToolCall, key: str) -> str | None:
        """The credential `key` of the call's tenant, asked for by its agent for its tool; None when there is none.

        Whoever asks the registry asks as the program itself, which grants do not limit. Raises SecretDenied when the
        secret is not granted to the agent or the tool, and whatever else the plugin raises: nothing stands in for it.
        """
        hook, tenant = self.registry.secrets, call.context.tenant
        if _offered(hook, "grants") is True:
            return self.registry.get_secret(tenant, key, call=call)
        return self.registry.get_secret(tenant, key)

    async def aget_secret(self, call: ToolCall, key: str) -> str | None:
        """`get_secret` off the event loop: a vault may wait for a lock, a disk or a server.

        What was asked for is asked for once and recorded once, also when the task is cancelled meanwhile; then nobody
        gets the value.
        """
        if self.registry.secrets is None:
            return self.get_secret(call, key)
        import asyncio
        from contextvars import copy_context

        def ask() -> str | None:
            try:
                return self.get_secret(call, key)
            except StopIteration as error:  # no future can hold one: whoever awaits it would wait for ever
                raise RuntimeError("the secrets plugin raised StopIteration") from error

        # Handed over at once, and as no task of its own: whoever cancels every task does not cancel it before it began.
        answer = asyncio.get_running_loop().run_in_executor(None, copy_context().run, ask)
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to look at it
        return await asyncio.shield(answer)

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
        from codespar_cli.core.guarded_call import GuardedCall
        from codespar_cli.core.plain_arguments import plain_arguments

        base = context or CallContext(tenant=self.tenant)
        given = base.args if args is None else args
        if given is not None:
            fields["args"] = plain_arguments(given)
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
        from codespar_cli.core.guarded_call import guard_function, name_of

        def decorate(inner: Callable[P, R]) -> Callable[P, R]:
            def begin(args: Mapping[str, Any]) -> GuardedCall:
                return self.call(agent or self.agent_id, name or name_of(inner), cost=cost, args=args, **fields)

            return guard_function(inner, begin)

        return decorate if function is None else decorate(function)

    async def handle_webhook(
        self, integration_id: str, payload: Any, headers: Mapping[str, str]
    ) -> IntegrationEvent | None:
        """What an integration makes of a payload; None when there is no such integration, or it fails."""
        from codespar_cli.core.blame import hosts_own
        from codespar_cli.core.headers import Headers
        from codespar_cli.core.hooks import IntegrationEvent

        integration = self.registry.get_integration(integration_id)
        if integration is None:
            return None
        try:
            event = await integration.handle_webhook(payload, Headers.of(headers))
        except BaseException as error:
            if hosts_own(error):
                raise
            self._count("integrations", error)
            return None
        return event if isinstance(event, IntegrationEvent) else None

    # ── inside ──

    def _deadline_of(self, policy: object) -> float | None:
        return None if _offered(policy, "bounded") is True else self._deadline_s

    def _give_back(self, decision: PolicyDecision) -> None:
        reservation = decision.reservation_id
        if reservation is not None:
            self._guarded("policy", lambda: self.registry.release_policy_reservation(reservation))

    def _note_refusal(self, call: ToolCall, decision: PolicyDecision) -> None:
        self.failures["policy"] += 1
        self.last_failure["policy"] = decision.reason
        self._keep_refusal(call, decision)

    def _keep_refusal(self, call: ToolCall, decision: PolicyDecision) -> None:
        if self._journal is not None:
            journal = self._journal
            self._guarded("journal", lambda: journal(call, decision))
        if decision.allowed:
            return
        refused = Outcome(success=False, error_type=decision.code)
        nothing_spent = replace(call, estimated_cost=None)
        self._guarded("observability", lambda: self.registry.record_metric(metric_of(nothing_spent, refused)))

    def _settle(self, call: ToolCall, outcome: Outcome, decision: PolicyDecision | None) -> object:
        registry, reservation = self.registry, decision.reservation_id if decision else None
        usage = usage_of(call, outcome)
        if usage is not None and takes(registry.record_policy_usage, "reservation_id"):
            return registry.record_policy_usage(*usage[:3], reservation_id=usage.reservation_id)
        if not outcome.success and usage is None:
            return None if reservation is None else registry.release_policy_reservation(reservation)
        if reservation is None and decision is not None and getattr(registry.policy, "reserves", False) is True:
            return None  # nothing was held for this call; without an id another call's hold would be settled
        cost = outcome.cost if outcome.cost is not None else call.estimated_cost
        return None if cost is None else registry.record_policy_usage(call.agent_id, call.tool_name, cost)

    def _tell(self, call: ToolCall, outcome: Outcome) -> None:
        self._guarded("observability", lambda: self.registry.record_metric(metric_of(plainly(call), outcome)))

    def _settled_together(self, usages: list[Usage]) -> bool:
        """False where each is to be settled by itself: what raised has settled nothing."""
        policy = self.registry.policy
        # Of the class alone: who wraps a policy and passes on what it does not know has a `record_usage` of its own.
        if len(usages) < 2 or _offered(type(policy), "record_usages") is None:
            return False
        try:
            found = policy.record_usages(usages)  # type: ignore[union-attr]  # optional
            if close_forgotten(found):
                return False
            answers = list(found)
        except KeyboardInterrupt:
            raise
        except BaseException:
            return False
        missing = [TypeError()] * (len(usages) - len(answers))
        for answer in (*answers, *missing):
            if isinstance(answer, BaseException):
                self._count("policy", answer)
        return True

    def _guarded(self, kind: str, act: Callable[[], object]) -> None:
        try:
            if close_forgotten(act()):
                self._count(kind, TypeError())  # an `async` method: nothing of it has run
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._count(kind, error)

    def _count(self, kind: str, error: BaseException) -> None:
        self.failures[kind] += 1
        self.last_failure[kind] = type(error).__name__


def attributed(context: CallContext, agent_id: object, *tables: Mapping[str, Mapping[str, Any]]) -> CallContext:
    """The context with what these tables, the last one last, say of an agent: it beats what the caller says."""
    found: dict[str, Any] = {}
    if isinstance(agent_id, str):
        for table in tables:
            for pattern, attributes in table.items():
                if matches(pattern, agent_id):
                    found.update(attributes)
    if not found:
        return context
    environment = found.get("environment", context.environment)
    return replace(context, attributes={**context.attributes, **found}, environment=environment)


def _offered(policy: object, name: str) -> Any:
    try:
        return getattr(policy, name, None)
    except KeyboardInterrupt:
        raise
    except BaseException:  # its own property: as good as not offered
        return None
