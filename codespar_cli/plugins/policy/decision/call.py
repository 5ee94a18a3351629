"""One call as the engine sees it: checked, priced, and matched to the rules that are about it."""

from __future__ import annotations

from decimal import Decimal

from codespar_cli.core.calls import CallContext
from codespar_cli.core.text import visible
from codespar_cli.plugins.policy.language.money import as_amount, to_micros
from codespar_cli.plugins.policy.language.patterns import TOOL_CHARACTERS
from codespar_cli.plugins.policy.language.policy import Plan, Policy
from codespar_cli.plugins.policy.language.tool_names import MOST_READINGS, is_too_ambiguous

_LONGEST, _LONGEST_TOOL = 256, 128


class Call:
    """`cost` is what the caller estimates, else the policy's price, else None; `micros` the same for counters."""

    __slots__ = ("agent", "context", "cost", "micros", "plan", "policy", "tool")

    def __init__(self, agent: str, tool: str, cost: object, context: CallContext, policy: Policy) -> None:
        self.agent = agent
        self.tool = tool
        self.context = context
        self.policy = policy
        self.plan: Plan = policy.plan(agent, tool)
        self.cost: Decimal | None = self.plan.price if cost is None else as_amount(cost)
        self.micros: int | None = None if self.cost is None or not self.plan.counters else to_micros(self.cost)


def problem_with(agent: object, tool: object, cost: object, context: object) -> str | None:
    """Why this is no request that a policy can judge, or None."""
    if type(tool) is not str or not 0 < len(tool) <= _LONGEST_TOOL or tool.strip(TOOL_CHARACTERS):
        return f"a tool name is 1 to 128 letters, digits and `_.:/@-`, found {_shown(tool)}"
    if is_too_ambiguous(tool):
        return f"a tool name parts server and tool in at most {MOST_READINGS} places, found {_shown(tool)}"
    if not _is_name(agent) or agent == "":
        return f"an agent id is 1 to {_LONGEST} printable characters, found {_shown(agent)}"
    if context is not None:
        if not isinstance(context, CallContext):
            return f"the context is not a CallContext but a {type(context).__name__}"
        if problem := problem_with_context(context):
            return problem
    if cost is not None:
        try:
            as_amount(cost)
        except ValueError as error:
            return f"the cost is not usable: {error}, found {_shown(cost)}"
    return None


def problem_with_context(context: CallContext) -> str | None:
    if is_sound(context):
        return None
    for name in ("tenant", "project", "session", "environment", "approval_id"):
        value = getattr(context, name)
        if not _is_name(value) and (value is not None or name == "tenant"):
            return f"the {name} is at most {_LONGEST} printable characters, found {_shown(value)}"
    return f"a tenant is 1 to {_LONGEST} printable characters"


def is_sound(context: CallContext) -> bool:
    """Whether every name in it can be told, counted and recorded."""
    return (
        _is_name(context.tenant)
        and context.tenant != ""
        and (context.project is None or _is_name(context.project))
        and (context.session is None or _is_name(context.session))
        and (context.environment is None or _is_name(context.environment))
        and (context.approval_id is None or _is_name(context.approval_id))
    )


def _is_name(text: object) -> bool:
    # No control, bidi or invisible characters and no lone surrogates: two ids that look alike are alike.
    return type(text) is str and len(text) <= _LONGEST and text.isprintable()


def _shown(value: object) -> str:
    # By type, since `__class__` can say anything; and what a derived class holds, not what it says.
    kind = type(value)
    if issubclass(kind, str):
        text = str.__str__(value)
        return f"`{visible(text[:60])}`{'…' if len(text) > 60 else ''}" if text else "an empty string"
    if kind in {bool, float, Decimal}:
        return f"`{visible(str(value)[:40])}`"
    if issubclass(kind, int):
        whole = int.__int__(value)  # type: ignore[arg-type]
        return f"`{whole}`" if abs(whole) < 10**30 else "a huge number"
    return f"a {kind.__name__}"
