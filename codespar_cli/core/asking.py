"""Ask a policy one question, and get a decision whatever the policy does.

Raising, exiting, hanging and nonsense are each a deny with its own code and the stage `gate`.
"""

from __future__ import annotations

from codespar_cli.core.calls import PolicyDecision, ToolCall
from codespar_cli.core.light_typing import TYPE_CHECKING, replace
from codespar_cli.core.sound_decision import POLICY_ERROR, refusal, sound

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_VAR_KEYWORDS = 0x08  # inspect.CO_VARKEYWORDS, without the import
_MOST_WRAPPERS = 32
_FunctionType = type(lambda: None)
_LEAVES = frozenset((str, int, float, bool, type(None)))


def ask(
    evaluate: Callable[..., object],
    call: ToolCall,
    deadline_s: float | None,
    give_back: Callable[[PolicyDecision], object],
) -> PolicyDecision:
    """What `evaluate` answers, made sound. With a deadline it runs on a thread of its own.

    The decision of a refusal may still hold a `reservation_id`, for the caller to give back; one that comes after the
    deadline goes to `give_back`. Only KeyboardInterrupt passes.
    """

    def answer() -> PolicyDecision:
        keywords: dict[str, Any] = {"context": call.context} if takes(evaluate, "context") else {}
        return sound(evaluate(call.agent_id, call.tool_name, call.estimated_cost, **keywords))

    try:
        if deadline_s is None:
            return answer()
        from codespar_cli.core.handover import within

        return within(deadline_s, answer, give_back)
    except TimeoutError as error:
        return refusal("policy_timeout", f"the policy did not answer in time: {type(error).__name__}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit counts as raising: a plugin cannot end the agent to be let through
        # The class alone: a message may hold what the call was about.
        return refusal(POLICY_ERROR, f"the policy failed: {type(error).__name__}")


def prepared(
    call: ToolCall, protection: Callable[[ToolCall], PolicyDecision | None] | None
) -> tuple[ToolCall, PolicyDecision | None]:
    """The call in plain forms, and the refusal of one that cannot be read or that no policy can allow."""
    try:
        call = plainly(call)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an argument's own: the class alone, as a message may hold its value
        return call, refusal(POLICY_ERROR, f"the arguments cannot be read: {type(error).__name__}")
    return call, None if protection is None else protection(call)


def plainly(call: ToolCall) -> ToolCall:
    """The call with its arguments as a policy reads them; see plain_arguments.py. What came as JSON is passed as it is.

    Raises whatever an argument's own methods raise.
    """
    args = call.context.args
    if args is None or _is_plain(args):
        return call
    from codespar_cli.core.plain_arguments import plain_arguments

    return replace(call, context=replace(call.context, args=plain_arguments(args)))


def _is_plain(args: object) -> bool:
    """Whether everything in it is of the very types that JSON is read into. Each table and list is looked at once."""
    waiting: list[Any] = [args]
    seen: set[int] = set()
    while waiting:
        value = waiting.pop()
        kind = type(value)
        if kind in _LEAVES:
            continue
        if id(value) in seen:
            continue
        seen.add(id(value))
        if kind is dict:
            if any(type(key) is not str and isinstance(key, str) for key in value):
                return False
            waiting.extend(value.values())
        elif kind is list:
            waiting.extend(value)
        else:
            return False
    return True


def takes(function: Callable[..., Any], keyword: str) -> bool:
    """Whether a hook has this keyword; one written to the older, positional contract would choke on it."""
    inner: Any = function
    for _ in range(_MOST_WRAPPERS):  # an object that answers every attribute wraps itself for ever
        wrapped = getattr(inner, "__wrapped__", None)
        if wrapped is None:
            break
        inner = wrapped
    inner = getattr(inner, "__func__", inner)
    if not isinstance(inner, _FunctionType):
        return True
    code = inner.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return keyword in names or bool(code.co_flags & _VAR_KEYWORDS)
