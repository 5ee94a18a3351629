"""What every policy hook must do, as tests to inherit."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from codespar_cli.core.hooks import CallContext, PolicyDecision
from codespar_cli.core.outcome import Usage
from codespar_cli.testing.hostile import TEXTS, threads

_COSTS: tuple[Any, ...] = (
    None,
    0,
    1,
    0.1,
    "2.50",
    Decimal("0.000001"),
    "-1",
    -1,
    "NaN",
    float("nan"),
    float("inf"),
    Decimal("sNaN"),
    "1e999999",
    10**400,
    "",
    "ten",
)


class PolicyContract:
    """Inherit, and override `make` to return a fresh hook. `agent` and `tool` are names the hook would understand."""

    agent = "agent-1"
    tool = "fs/read"

    def make(self, tmp_path: Path) -> Any:
        raise TypeError("override make(self, tmp_path) to return a fresh hook")

    def test_an_answer_is_a_decision_with_a_plain_allowed(self, tmp_path: Path) -> None:
        _check(self.make(tmp_path).evaluate(self.agent, self.tool))

    def test_the_cost_is_the_third_positional_argument(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        for cost in ("1.50", 1, 1.5, Decimal("1.5"), None):
            _check(hook.evaluate(self.agent, self.tool, cost))

    def test_a_context_may_come_along(self, tmp_path: Path) -> None:
        context = CallContext(
            tenant="acme", project="web", session="s-1", args={"path": "notes.txt"}, environment="test"
        )
        _check(self.make(tmp_path).evaluate(self.agent, self.tool, "0.01", context=context))

    def test_a_pending_approval_is_never_an_allow(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        for tool in (self.tool, "deploy/production", "unheard/of"):
            decision = hook.evaluate(self.agent, tool)
            assert not (decision.requires_approval and decision.allowed), "whoever reads only `allowed` must be safe"

    def test_hostile_names_are_answered(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        for text in TEXTS:
            _check(hook.evaluate(self.agent, text))
            _check(hook.evaluate(text, self.tool))

    def test_hostile_costs_are_answered(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        for cost in _COSTS:
            _check(hook.evaluate(self.agent, self.tool, cost))

    def test_asking_twice_is_answered_alike(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        first, second = hook.evaluate(self.agent, self.tool), hook.evaluate(self.agent, self.tool)
        assert type(first) is type(second)
        assert (first.code is None) == (second.code is None)

    def test_usage_is_taken_as_decimal_float_and_text(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        record = getattr(hook, "record_usage", None)
        if record is None:
            return
        for cost in (Decimal("0.01"), 0.01, "0.01", 0):
            decision = hook.evaluate(self.agent, self.tool, cost)
            record(self.agent, self.tool, cost, reservation_id=decision.reservation_id)

    def test_usages_settled_together_are_each_answered(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        together = getattr(hook, "record_usages", None)
        if together is None:
            return
        held = [hook.evaluate(self.agent, self.tool, "0.01").reservation_id for _ in range(3)]
        usages = [Usage(self.agent, self.tool, None, reservation or "never-given") for reservation in (*held, None)]
        answers = list(together(usages))
        assert len(answers) == len(usages)
        assert isinstance(answers[-1], Exception), "what nobody held cannot be settled"

    def test_a_hold_can_be_given_back(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        decision = hook.evaluate(self.agent, self.tool, "0.01")
        if decision.reservation_id is not None and callable(getattr(hook, "release", None)):
            hook.release(decision.reservation_id)

    def test_many_threads_are_answered(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)

        def ask(number: int) -> None:
            for _ in range(5):
                _check(hook.evaluate(f"agent-{number}", self.tool))

        assert threads(8, ask) == []


def _check(decision: Any) -> None:
    assert isinstance(decision, PolicyDecision), f"expected a PolicyDecision, found {type(decision).__name__}"
    assert isinstance(decision.allowed, bool), "`allowed` must be True or False, nothing that is merely true"
    assert isinstance(decision.requires_approval, bool)
    assert isinstance(decision.reason, str)
    if not decision.allowed:
        assert decision.reason or decision.code, "a refusal says why"
