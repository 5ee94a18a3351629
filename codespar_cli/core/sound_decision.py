"""Make a policy's answer sound: a plain PolicyDecision whose every field is of its type, or a refusal.

An answer may be of a subclass with ideas of its own, a stand-in, or half built. Nothing of it is handed on: its fields are
read once, here, and copied.
"""

from __future__ import annotations

from codespar_cli.core.calls import PolicyDecision, TraceStep
from codespar_cli.core.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

GATE_STAGE = "gate"
POLICY_ERROR = "policy_error"
STORE_UNREACHABLE = "store_unreachable"
BROKEN = frozenset((POLICY_ERROR, STORE_UNREACHABLE))
"""Codes of a policy that could not decide; without a `decision_id` it could not even record that."""


def sound(answer: object) -> PolicyDecision:
    """The same decision, with nothing odd in it, or a refusal with the hold that is to be given back.

    What decides must be right: a flag that is no bool or an id that is no text is nonsense. What only informs is dropped
    when it is odd: a reason of None, a `retry_after` that is no time, a trace that is none. May raise what the answer's
    own properties raise.
    """
    if not isinstance(answer, PolicyDecision):
        close_forgotten(answer)
        return refusal(POLICY_ERROR, f"the policy answered nonsense: {type(answer).__name__}")
    hold: str | None = None
    try:
        hold = _text(answer, "reservation_id")
        decision = _copied(answer, hold)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        what = str(error) if type(error) is _OddFieldError else f"a decision that raises {type(error).__name__}"
        return refusal(POLICY_ERROR, f"the policy answered nonsense: {what}", hold)
    return decision


def refusal(code: str, reason: str, hold: str | None = None) -> PolicyDecision:
    """The gate's own deny, for a policy that could not say it. A hold in it is for the gate to give back."""
    return PolicyDecision(allowed=False, reason=reason, code=code, stage=GATE_STAGE, reservation_id=hold)


def close_forgotten(answer: object) -> bool:
    """Whether an answer is a coroutine: a method was made `async` by mistake. It is closed, so that nobody is warned."""
    from types import CoroutineType

    if not isinstance(answer, CoroutineType):
        return False
    answer.close()
    return True


class _OddFieldError(Exception):
    """A field that decides is not of its type. The message never holds the value."""


def _copied(answer: Any, hold: str | None) -> PolicyDecision:
    allowed, requires_approval = _flag(answer, "allowed"), _flag(answer, "requires_approval")
    code = _text(answer, "code")
    if allowed and requires_approval:
        # Both at once is what older hooks say for "ask first"; the safe reading is that nobody has been asked.
        allowed, code = False, code or "approval_required"
    return PolicyDecision(
        allowed=allowed,
        reason=_text(answer, "reason") or "",
        requires_approval=requires_approval,
        code=code,
        rule_id=_text(answer, "rule_id"),
        stage=_text(answer, "stage"),
        retry_after=_seconds(answer.retry_after),
        never=_flag(answer, "never"),
        reservation_id=hold,
        approval_id=_text(answer, "approval_id"),
        policy_hash=_text(answer, "policy_hash"),
        decision_id=_text(answer, "decision_id"),
        trace=_trace(answer.trace),
    )


def _flag(answer: Any, name: str) -> bool:
    value = getattr(answer, name)
    if value is True or value is False:
        return bool(value)
    raise _OddFieldError(f"`{name}` is {type(value).__name__}, not bool")


def _text(answer: Any, name: str) -> str | None:
    value = getattr(answer, name)
    if value is None or type(value) is str:
        return value
    if isinstance(value, str):
        return str.__str__(value)  # of a subclass, the text alone
    raise _OddFieldError(f"`{name}` is {type(value).__name__}, not str")


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    from math import isfinite

    try:
        seconds: float = value if type(value) in {int, float} else float(value)
        return seconds if isfinite(seconds) and seconds >= 0 else None
    except OverflowError:  # an int beyond every float
        return None


def _trace(steps: Any) -> tuple[TraceStep, ...]:
    # Exact types: a subclass may iterate for ever.
    return tuple(steps) if type(steps) in {tuple, list} and all(map(_is_step, steps)) else ()


def _is_step(step: Any) -> bool:
    if type(step) is not TraceStep:
        return False
    required = type(step.stage) is str and type(step.outcome) is str and type(step.detail) is str
    return required and (step.rule_id is None or type(step.rule_id) is str)
