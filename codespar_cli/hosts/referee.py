"""What a gate says to a host's event: the same for every host and every door.

before      ask, reserve, and remember what was reserved
permission  the call before this was asked about: the same answer while the rules are the same, and nothing is taken twice
after       settle what was reserved and record the call
failure     the same, as an error: what failed has run; given back is what was reserved for a call that was not let run

Of a call that failed Codex says nothing. What is held for one of its calls counts once the host has heard that it may be made, or an
agent could have it back by letting calls fail.
"""

from __future__ import annotations

import time

from codespar_cli.core.calls import CallContext, PolicyDecision, ToolCall
from codespar_cli.core.gate import Gate
from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.core.outcome import Outcome
from codespar_cli.hosts.host_event import AFTER, BEFORE, ENDED, PERMISSION, HostEvent
from codespar_cli.hosts.open_calls import OpenCall, OpenCalls
from codespar_cli.hosts.rules_in_force import rules_in_force

if TYPE_CHECKING:
    from collections.abc import Callable

_NEVER_RAN = "permission_denied"
_SILENT = frozenset(("codex",))
_ALLOWED_BEFORE = PolicyDecision(allowed=True, reason="the call was allowed already")


class Referee:
    """`agent` is who calls, where the host itself is not meant. Safe to use for one event at a time.

    Nothing here raises for what a policy, a store or a metric does; see Gate.
    """

    def __init__(
        self,
        gate: Gate,
        calls: OpenCalls,
        *,
        agent: str | None = None,
        project: str | None = None,
        environment: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._gate = gate
        self._calls = calls
        self._agent = agent
        self._project = project
        self._environment = environment
        self._clock = clock

    def rule(self, event: HostEvent) -> PolicyDecision | None:
        """The decision, for events that wait for one."""
        if event.kind == BEFORE:
            return self._before(event)
        if event.kind == PERMISSION:
            return self._permission(event)
        if event.kind in ENDED:
            self._ended(event)
        return None

    def take_back(self, event: HostEvent, decision: PolicyDecision) -> None:
        """Give back what an allow holds that nobody heard of."""
        if event.kind == BEFORE and decision.allowed:
            self._ended(event, heard=False)

    def heard(self, event: HostEvent, decision: PolicyDecision) -> None:
        """The host was told. Never raises."""
        held = decision.reservation_id
        if event.kind != BEFORE or event.host not in _SILENT or not decision.allowed or held is None:
            return
        try:
            call = self.call_of(event)
            self._gate.registry.record_policy_usage(call.agent_id, call.tool_name, None, reservation_id=held)
            known = self._calls.take(event)
            if known is not None:
                self._calls.note(event, known._replace(reservation_id=None))
        except Exception:
            return  # it is held, and settled when the call is over

    def call_of(self, event: HostEvent) -> ToolCall:
        """The call as a policy sees it. What the host says of itself are attributes, never the agent's name."""
        said = (("host", event.host), ("cwd", event.cwd), ("agent_type", event.agent), ("permission_mode", event.mode))
        context = CallContext(
            tenant=self._gate.tenant,
            project=self._project,
            session=event.session,
            args=event.args,
            environment=self._environment,
            attributes={name: value for name, value in said if value is not None},
        )
        return ToolCall(self._agent or event.host, event.tool, None, context)

    def _before(self, event: HostEvent) -> PolicyDecision:
        call = self.call_of(event)
        decision = self._gate.check(call)
        if decision.allowed and self._is_watched:
            kept = OpenCall(
                self._clock(),
                call.agent_id,
                call.context.tenant,
                decision.reservation_id,
                decision.decision_id,
                rules_in_force(self._gate.ruled_by),
            )
            try:
                self._calls.note(event, kept)
            except OSError:
                pass  # the hold lapses by itself; the policy's own store is what an allow depends on
        return decision

    def _permission(self, event: HostEvent) -> PolicyDecision:
        known = self._found(event)
        if known is not None and known.rules is not None and known.rules == rules_in_force(self._gate.ruled_by):
            return _ALLOWED_BEFORE
        return self._gate.preview(self.call_of(event))

    def _found(self, event: HostEvent) -> OpenCall | None:
        try:
            return self._calls.find(event)
        except OSError:
            return None

    def _ended(self, event: HostEvent, *, heard: bool = True) -> None:
        if not self._is_watched:
            return
        try:
            known = self._calls.take(event)
        except OSError:
            known = None
        call = self.call_of(event)
        decision = None
        elapsed = 0.0
        if known is not None:
            elapsed = max(0.0, (self._clock() - known.at) * 1000)
            decision = PolicyDecision(allowed=True, reservation_id=known.reservation_id, decision_id=known.decision_id)
        if not heard:
            if known is not None and known.reservation_id is not None:
                self._release(known.reservation_id)
            return
        outcome = Outcome(
            success=event.kind == AFTER,
            latency_ms=elapsed if event.duration_ms is None else event.duration_ms,
            error_type=event.error,
            decision=decision,
            # Only the host knows the id of a call that nobody let run; without it anybody could say so.
            is_spent=event.error != _NEVER_RAN or event.tool_use_id is None,
        )
        self._gate.record(call, outcome)

    def _release(self, reservation: str) -> None:
        try:
            self._gate.registry.release_policy_reservation(reservation)
        except Exception:
            return  # it lapses by itself, and the call is denied already

    @property
    def _is_watched(self) -> bool:
        registry = self._gate.registry
        return registry.policy is not None or registry.observability is not None
