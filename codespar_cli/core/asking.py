"""Ask a policy one question, and get a decision whatever the policy does.

Raising, exiting, hanging and nonsense are each a deny with its own code and the stage `gate`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import replace
from types import CoroutineType
from typing import Any

from codespar_cli.core.hooks import PolicyDecision, ToolCall

GATE_STAGE = "gate"
POLICY_ERROR = "policy_error"
_VAR_KEYWORDS = 0x08  # inspect.CO_VARKEYWORDS, without the import


def ask(evaluate: Callable[..., object], call: ToolCall, deadline_s: float | None) -> PolicyDecision:
    """What `evaluate` answers, made sound. With a deadline it runs on a thread of its own.

    An answer that allows and asks for approval at once is not an allow; its hold is left in `reservation_id` for the
    caller to give back. Only KeyboardInterrupt passes.
    """
    arguments = (call.agent_id, call.tool_name, call.estimated_cost)
    keywords: dict[str, Any] = {"context": call.context} if takes(evaluate, "context") else {}
    try:
        if deadline_s is None:
            answer = evaluate(*arguments, **keywords)
        else:
            answer = _within(deadline_s, lambda: evaluate(*arguments, **keywords))
    except TimeoutError as error:
        return _refusal("policy_timeout", f"the policy did not answer in time: {type(error).__name__}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit counts as raising: a plugin cannot end the agent to be let through
        # The class alone: a message may hold what the call was about.
        return _refusal(POLICY_ERROR, f"the policy failed: {type(error).__name__}")
    if not isinstance(answer, PolicyDecision) or not isinstance(answer.allowed, bool):
        if isinstance(answer, CoroutineType):
            answer.close()
        return _refusal(POLICY_ERROR, f"the policy answered nonsense: {type(answer).__name__}")
    if answer.allowed and answer.requires_approval:
        # Both at once is what older hooks say for "ask first"; the safe reading is that nobody has been asked.
        return replace(answer, allowed=False, code=answer.code or "approval_required")
    return answer


def takes(function: Callable[..., Any], keyword: str) -> bool:
    """Whether a hook has this keyword; one written to the older, positional contract would choke on it."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return True
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return keyword in names or bool(code.co_flags & _VAR_KEYWORDS)


def _refusal(code: str, reason: str) -> PolicyDecision:
    return PolicyDecision(allowed=False, reason=reason, code=code, stage=GATE_STAGE)


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
