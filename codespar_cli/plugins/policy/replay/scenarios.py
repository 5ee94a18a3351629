"""Playing scenarios: the real engine over an empty store in memory, with a clock that stands until a call moves it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from codespar_cli.core.administration.policy_scenarios import ScenarioFailure, ScenarioResult
from codespar_cli.core.clock import EPOCH, iso
from codespar_cli.core.hooks import CallContext, PolicyDecision
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.replay.scenario_reader import NEVER, NONE, Expected, Scenario, ScenarioCall, Suite
from codespar_cli.plugins.policy.stores.memory_store import MemoryStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

_MICROS = 10**6
_ANSWERED = {"allow": "allowed", "deny": "denied", "approve": "told to wait"}


def play_all(suite: Suite) -> list[ScenarioResult]:
    return [play(suite, scenario) for scenario in suite.scenarios]


def play(suite: Suite, scenario: Scenario) -> ScenarioResult:
    """One scenario, up to its first call that is not answered as expected."""
    stage, started = _Stage(suite.policy), time.perf_counter()
    failure, made = None, 0
    for made, call in enumerate(scenario.calls, 1):
        failure = stage.failure_of(made, call)
        if failure is not None:
            break
    return ScenarioResult(suite.file, scenario.name, scenario.line, made, time.perf_counter() - started, failure)


class _Answered(NamedTuple):
    decision: PolicyDecision
    refused_votes: tuple[str, ...] = ()


class _Stage:
    """An engine of its own, so that no scenario sees what another one counted."""

    def __init__(self, policy: Policy) -> None:
        self._store = StoreAddress.of(MemoryStore())
        self._policy = policy
        self._moment = EPOCH
        self._engines: dict[str, PolicyEngine] = {}

    def failure_of(self, number: int, call: ScenarioCall) -> ScenarioFailure | None:
        """Make one call; None when the answer is the one expected."""
        self._moment = call.moment
        answered = self._answer(call)
        decision = answered.decision
        if (expected := expected_text(call.expected)) != (found := _found_text(decision, call.expected)):
            explained = (*answered.refused_votes, *_why(decision, call.moment))
            return ScenarioFailure(number, call.line, expected, found, explained)
        try:
            self._close(call, decision)
        except CodesparError as error:
            return ScenarioFailure(number, call.line, "what the call holds is settled", "an error", (str(error),))
        return None

    def _answer(self, call: ScenarioCall) -> _Answered:
        engine = self._engine(call.tenant)
        decision = self._evaluate(engine, call)
        voters = [(name, True) for name in call.approve_as] + [(name, False) for name in call.deny_as]
        if not voters:
            return _Answered(decision)
        token = decision.approval_id
        if not decision.requires_approval or token is None:
            return _Answered(
                decision, (f"nobody was asked to vote: the call was {_ANSWERED[_verdict(decision)]} at once",)
            )
        refused = []
        for name, approves in voters:
            try:
                engine.vote(token, name, approves=approves)
            except CodesparError as error:
                refused.append(f"the vote of {name} was refused: {error}")
        return _Answered(self._evaluate(engine, call), tuple(refused))

    def _evaluate(self, engine: PolicyEngine, call: ScenarioCall) -> PolicyDecision:
        context = CallContext(
            tenant=call.tenant,
            project=call.project,
            session=call.session,
            args=call.args,
            environment=call.environment,
            attributes=call.attributes,
        )
        return engine.evaluate(call.agent, call.tool, call.cost, context=context)

    def _close(self, call: ScenarioCall, decision: PolicyDecision) -> None:
        held = decision.reservation_id
        if held is not None and call.release:
            self._engine(call.tenant).release(held)
        elif held is not None and call.settle is not None:
            self._engine(call.tenant).record_usage(call.agent, call.tool, call.settle, reservation_id=held)

    def _engine(self, tenant: str) -> PolicyEngine:
        """Votes are cast within a tenant; the store is one for all."""
        if tenant not in self._engines:
            self._engines[tenant] = PolicyEngine(self._policy, self._store, tenant=tenant, clock=lambda: self._moment)
        return self._engines[tenant]


def expected_text(expected: Expected) -> str:
    """`deny budget_exceeded by rule day, retry after 600s`: only what the file asks for."""
    return _answer_text(expected.verdict, expected.code, expected.rule_id, expected.retry_after)


def _found_text(decision: PolicyDecision, expected: Expected) -> str:
    """The answer, as far as the file asks for it; the whole of it where the verdict is another."""
    verdict = _verdict(decision)
    whole = verdict != expected.verdict
    wait: int | str | None = NEVER if decision.never else None
    if decision.retry_after is not None:
        wait = round(decision.retry_after * _MICROS)
    return _answer_text(
        verdict,
        decision.code or "no code" if whole or expected.code is not None else None,
        decision.rule_id or "none" if whole or expected.rule_id is not None else None,
        (NONE if wait is None else wait) if expected.retry_after is not None and not (whole and wait is None) else None,
    )


def _answer_text(verdict: str, code: str | None, rule_id: str | None, wait: int | str | None) -> str:
    text = verdict if code is None or (code == "no code" and verdict == "allow") else f"{verdict} {code}"
    if rule_id is not None and rule_id != "none":
        text += f" by rule {rule_id}"
    elif rule_id is not None and verdict != "allow":
        text += " by no rule"
    if wait is None:
        return text
    return f"{text}, retry after {wait if isinstance(wait, str) else _seconds(wait)}"


def _seconds(micros: int) -> str:
    whole, rest = divmod(micros, _MICROS)
    return f"{whole}.{rest:06d}".rstrip("0") + "s" if rest else f"{whole}s"


def _verdict(decision: PolicyDecision) -> str:
    if decision.allowed:
        return "allow"
    return "approve" if decision.requires_approval else "deny"


def _why(decision: PolicyDecision, moment: datetime) -> Iterator[str]:
    """The lines of the trace that decided, or for an allow, all that spoke."""
    yield f"at {iso(moment)}: {decision.reason}"
    for step in decision.trace:
        decisive = step.outcome in {"fail", "approve"} or (decision.allowed and step.rule_id is not None)
        if decisive and step.outcome != "skip":
            yield " ".join(part for part in (step.stage, step.outcome, step.rule_id, step.detail) if part)
