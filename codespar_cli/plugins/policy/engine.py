"""The policy engine: YAML rules, counters in a store, one chained record for every answer.

Answering takes two steps. A pure pass asks the stages that need no store, with the clock read once. Then one write
transaction reads the counters, decides, and, only if the final answer is allow, takes rate tokens and holds together;
the record is written in the same transaction. Whatever goes wrong on the way is a deny.
"""

from __future__ import annotations

from codespar_cli.core.calls import CallContext, PolicyDecision
from codespar_cli.core.clock import Clock, system_clock, to_micros
from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.plugins.policy.decision.approval_state import NO_ARGS
from codespar_cli.plugins.policy.decision.call import Call, is_sound, problem_with, problem_with_context
from codespar_cli.plugins.policy.decision.consideration import consider
from codespar_cli.plugins.policy.decision.ruling import Ruling, answer, refusal, rule_on
from codespar_cli.plugins.policy.language.money import as_amount
from codespar_cli.plugins.policy.language.patterns import TooLong
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from typing import Any

    from codespar_cli.core.administration.policy import ApprovalState, BudgetState, Finding, Settlement
    from codespar_cli.core.administration.policy_simulation import Progress, Simulation
    from codespar_cli.core.calls import Cost
    from codespar_cli.core.hooks import Health
    from codespar_cli.core.outcome import Usage
    from codespar_cli.core.services import Services
    from codespar_cli.errors import CodesparError
    from codespar_cli.plugins.policy.approvals.notice import Notifier
    from codespar_cli.plugins.policy.stores.store import Transaction

DEFAULT_RULES = "policy.yaml"


def rules_files(options: Mapping[str, Any]) -> dict[str, str]:
    """The rules files of a `[policy]` table, as it spells them, by the key that names each: tenants' first."""
    tenants = {f"tenants.{name}.rules": table["rules"] for name, table in options.get("tenants", {}).items()}
    return {**tenants, "rules": options.get("rules") or DEFAULT_RULES}


class PolicyEngine:
    """One policy for everyone, or one for a tenant. Safe to share between threads; `evaluate` never raises."""

    bounded = True
    reserves = True

    def __init__(
        self,
        policy: Policy,
        address: StoreAddress,
        *,
        tenants: Mapping[str, Policy] | None = None,
        tenant: str = "default",
        clock: Clock = system_clock,
        observe: bool = False,
        record_args: bool = False,
        backend: str = "engine",
        notify: Notifier | None = None,
    ) -> None:
        self.backend = backend
        self._policy = policy
        self._address = address
        self._tenants = dict(tenants or {})
        self._tenant = tenant
        self._clock = clock
        self._observe = observe
        self._space = "observe" if observe else "enforce"
        self._record_args = record_args
        self._notify = notify
        self._kept: set[str] = set()
        self._nobody = CallContext(tenant=tenant)

    @classmethod
    def from_options(cls, options: Mapping[str, Any], services: Services) -> PolicyEngine:
        """Read, check and compile every rules file. Raises ConfigError with its line; touches no store."""
        from codespar_cli.plugins.policy.language.policy_reader import load_policy

        return cls.over(options, services, load_policy)

    @classmethod
    def over(
        cls, options: Mapping[str, Any], services: Services, load: Callable[..., Policy], backend: str = "engine"
    ) -> PolicyEngine:
        """The engine over policies that `load(path, key=…)` makes of the rules files. Raises ConfigError."""
        from codespar_cli.plugins.policy.approvals.notice import notifier_of

        policies = {key: load(services.config_dir / path, key=key) for key, path in rules_files(options).items()}
        address = StoreAddress.from_options(options, services)
        notify = notifier_of(options, services, address)
        return cls.of_policies(
            policies, options, address, tenant=services.tenant, clock=services.clock, backend=backend, notify=notify
        )

    @classmethod
    def of_policies(
        cls, policies: Mapping[str, Policy], options: Mapping[str, Any], address: StoreAddress, **more: Any
    ) -> PolicyEngine:
        """The engine over policies by the key that names their file (`rules_files`); `more` is for the constructor."""
        return cls(
            policies["rules"],
            address,
            tenants={name: policies[f"tenants.{name}.rules"] for name in options.get("tenants", {})},
            observe=options.get("mode") == "observe",
            record_args=options.get("record_args", False),
            **more,
        )

    # ── asked before a call ──

    def evaluate(
        self,
        agent_id: str,
        tool_name: str,
        estimated_cost: Cost | None = None,
        *,
        context: CallContext | None = None,
    ) -> PolicyDecision:
        """Decide, take what an allow takes, and record: all or nothing."""
        # Here, because a check that leaves nothing behind must not pay for what records need.
        from codespar_cli.plugins.policy.decision.enforcement import Asked, enforce, record_failure
        from codespar_cli.plugins.policy.decision.record import spell

        asked = Asked(agent_id, tool_name, estimated_cost, context)
        try:
            now = to_micros(self._clock())
            call, problem = self._call(agent_id, tool_name, estimated_cost, context)
            considered = None if call is None else consider(call, now, asks=not self._observe)
            preview, spelled = NO_ARGS if considered is None else considered.preview, spell(context)
            with self._address.store.write() as transaction:
                now = transaction.clock(now)
                if call is None:
                    ruling = refusal(self._policy_for(context), "invalid_request", "request", problem, now)
                else:
                    ruling = rule_on(call, self._space, now, transaction, considered=considered)
                self._keep_source(transaction, ruling.policy)
                decision, request = enforce(
                    transaction,
                    asked,
                    call,
                    ruling,
                    self._space,
                    preview=preview,
                    spelled=spelled,
                    nobody=self._nobody,
                    record_args=self._record_args,
                )
            self._kept.add(ruling.policy.hash)
            if request is not None and self._notify is not None:
                self._notify(request)
            return decision
        except Exception as error:  # a gate that lets an exception through is a gate that is open
            ruling = self._broken(error, context)
            record_failure(self._address, asked, ruling, error, self._space, nobody=self._nobody)
            return answer(ruling, observe=self._observe)

    def decide(
        self,
        agent_id: str,
        tool_name: str,
        estimated_cost: Cost | None = None,
        *,
        context: CallContext | None = None,
    ) -> PolicyDecision:
        """The pure part alone: no store, no record. Budgets and rates count as passed."""
        try:
            known = self._known_answer(agent_id, tool_name, estimated_cost, context)
            if known is not None:
                return known
            call, problem = self._call(agent_id, tool_name, estimated_cost, context)
            now = to_micros(self._clock())
            if call is None:
                ruling = refusal(self._policy_for(context), "invalid_request", "request", problem, now)
                return answer(ruling, observe=self._observe)
            ruling = rule_on(call, self._space, now, None)
            decision, plan = answer(ruling, observe=self._observe), call.plan
            if decision.code != "invalid_request":
                key = plan.memory_key(call.cost, call.context, self._clock, call.policy.zone)
                plan.remember(key, decision)
            return decision
        except Exception as error:
            return answer(self._broken(error, context), observe=self._observe)

    def preview(
        self,
        agent_id: str,
        tool_name: str,
        estimated_cost: Cost | None = None,
        *,
        context: CallContext | None = None,
    ) -> PolicyDecision:
        """What `evaluate` would answer now. Reads the counters and leaves nothing behind."""
        try:
            now = to_micros(self._clock())
            call, problem = self._call(agent_id, tool_name, estimated_cost, context)
            if call is None:
                return answer(
                    refusal(self._policy_for(context), "invalid_request", "request", problem, now),
                    observe=self._observe,
                )
            if not call.plan.counters and not call.plan.approvals and call.policy.judge is None:
                return answer(rule_on(call, self._space, now, None), observe=self._observe)
            with self._address.reading().read() as snapshot:
                return answer(rule_on(call, self._space, snapshot.clock(now), snapshot), observe=self._observe)
        except Exception as error:
            return answer(self._broken(error, context), observe=self._observe)

    # ── told after it ──

    def record_usage(
        self,
        agent_id: str,
        tool_name: str,
        cost: Cost | None,
        *,
        reservation_id: str | None = None,
        context: CallContext | None = None,
    ) -> Settlement:
        """Settle a hold with what the call really cost; None settles at the estimate.

        Without an id it is the oldest open hold of this tenant, agent and tool; where there is none, the cost is
        counted on every budget that would have held it.

        Raises:
            UsageError: the cost, agent or tool is not usable.
            NotFoundError: there is no such reservation.
            StoreError: nothing was counted.
        """
        from codespar_cli.plugins.policy.decision.usage import record_usage

        base = self._nobody if context is None else context
        return record_usage(
            self._address,
            self._policy_for(base),
            (agent_id, tool_name, cost, base),
            reservation_id=reservation_id,
            space=self._space,
            now=to_micros(self._clock()),
        )

    def record_usages(self, usages: Sequence[Usage]) -> list[Settlement | CodesparError]:
        """`record_usage` for each, in one transaction; what one raised stands in its place. Raises StoreError."""
        from codespar_cli.plugins.policy.decision.usage import settle_all

        now = to_micros(self._clock())
        return settle_all(
            self._address, self._policy_for(self._nobody), usages, self._nobody, space=self._space, now=now
        )

    def release(self, reservation_id: str) -> bool:
        """Give a hold back. False when there is none open with this id. Raises StoreError."""
        from codespar_cli.plugins.policy.decision.usage import release

        return release(self._address, reservation_id, now=to_micros(self._clock()))

    def budgets(self) -> list[BudgetState]:
        """Every budget of this engine's tenant. Raises StoreError."""
        from codespar_cli.plugins.policy.decision.ledger import budget_states

        policy, now = self._policy_for(self._nobody), to_micros(self._clock())
        with self._address.reading().read() as snapshot:
            return budget_states(
                snapshot, policy, self._space, self._tenant, max(snapshot.clock(now), snapshot.latest())
            )

    # ── approvals ──

    def approvals(self, *, unexpired: bool = False) -> list[ApprovalState]:
        """Every request of this engine's tenant, or those whose time is not over, oldest first. Raises StoreError."""
        from codespar_cli.plugins.policy.approvals.approval_desk import states

        with self._address.reading().read() as snapshot:
            now = to_micros(self._clock())
            return states(snapshot, self._tenant, self._hash_of(self._tenant), now, unexpired=unexpired)

    def approval(self, token: str) -> ApprovalState:
        """Raises NotFoundError, StoreError."""
        from codespar_cli.plugins.policy.approvals.approval_desk import state_of

        with self._address.reading().read() as snapshot:
            return state_of(snapshot, self._tenant, self._hash_of(self._tenant), token, to_micros(self._clock()))

    def vote(self, token: str, name: str, *, approves: bool, reason: str = "") -> ApprovalState:
        """One person's vote; one denial ends it. The vote is recorded.

        Raises:
            NotFoundError: there is no such request.
            UsageError: the name is not usable.
            CodesparError: the request is closed, or this person may not vote on it, or has voted.
            StoreError: nothing was counted.
        """
        from codespar_cli.plugins.policy.approvals.approval_desk import Ballot, cast_vote

        now = to_micros(self._clock())
        ballot = Ballot(token, name, approves, reason)
        return cast_vote(self._address, self._tenant, self._hash_of(self._tenant), ballot, now)

    def remind(self) -> list[str]:
        """Tell people again what nobody has been told of; what failed. Takes some seconds. Raises StoreError."""
        return [] if self._notify is None else self._notify.remind(self._tenant, self._hash_of(self._tenant))

    # ── looked at ──

    def lint(self, tools: Sequence[str] | None = None) -> list[Finding]:
        """What in the rules cannot be meant, in every rules file. `tools` are all the tools there are."""
        from codespar_cli.plugins.policy.review.lint import findings_in

        moment = self._clock()
        every = {policy.file: policy for policy in (self._policy, *self._tenants.values())}
        return [finding for policy in every.values() for finding in findings_in(policy, moment, tools)]

    def simulate(
        self, policy_path: Path, since: datetime | None = None, *, progress: Progress | None = None
    ) -> Simulation:
        """What the recorded calls of this tenant would get from another policy; see `SimulatesPolicy`."""
        from codespar_cli.plugins.policy.language.policy_reader import load_policy
        from codespar_cli.plugins.policy.replay.simulation import simulate

        policy = load_policy(policy_path, key="policy")
        return simulate(self._address.reading(), self._tenant, policy, since, progress)

    def health(self) -> Health:
        from codespar_cli.plugins.policy.engine_health import health_of

        about = (self._policy, self._address, self._notify, self._tenant, self._hash_of(self._tenant))
        return health_of(*about, observe=self._observe)

    def _known_answer(
        self, agent: str, tool: str, cost: Cost | None, context: CallContext | None
    ) -> PolicyDecision | None:
        """The answer to a call like one that was decided before, where it depends on nothing but conditions."""
        if type(agent) is not str or type(tool) is not str:
            return None
        if context is None:
            context = self._nobody
        elif not isinstance(context, CallContext) or not is_sound(context):
            return None
        policy = self._tenants.get(context.tenant, self._policy) if self._tenants else self._policy
        plan = policy.plans.get((agent, tool))
        if plan is None or not plan.answers:
            return None
        if cost is None and plan.only_key is not None:
            return plan.answers.get(plan.only_key)
        try:
            amount = plan.price if cost is None else as_amount(cost)
            key = plan.memory_key(amount, context, self._clock, policy.zone)
        except (ValueError, TooLong):
            return None
        return None if key is None else plan.answers.get(key)

    def _call(self, agent: str, tool: str, cost: Cost | None, context: CallContext | None) -> tuple[Call | None, str]:
        """The call, or why it is none."""
        policy = self._policy_for(context)
        known = type(agent) is str and type(tool) is str and (agent, tool) in policy.plans
        if known and context is None:
            problem = None
        elif known and isinstance(context, CallContext):
            problem = problem_with_context(context)
        else:
            problem = problem_with(agent, tool, cost, context)
        if problem is None:
            try:
                return Call(agent, tool, cost, self._nobody if context is None else context, policy), ""
            except ValueError:
                problem = problem_with(agent, tool, cost, context)
        return None, problem or "the request is not usable"

    def _policy_for(self, context: object) -> Policy:
        if not self._tenants:
            return self._policy
        tenant = context.tenant if isinstance(context, CallContext) else self._tenant
        return self._tenants.get(tenant, self._policy) if isinstance(tenant, str) else self._policy

    def _hash_of(self, tenant: str) -> str:
        return self._tenants.get(tenant, self._policy).hash

    def _keep_source(self, transaction: Transaction, policy: Policy) -> None:
        """Keep the policy's text beside its first decision."""
        if policy.hash not in self._kept:
            transaction.keep_source(policy.hash, policy.source)

    def _broken(self, error: Exception, context: object) -> Ruling:
        from codespar_cli.plugins.policy.decision.failure import told_of

        code, reason = told_of(error)
        try:
            now = to_micros(self._clock())
        except Exception:
            now = 0
        return refusal(self._policy_for(context), code, "engine", reason, now)
