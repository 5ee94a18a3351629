"""The six effects a rule can have, compiled. What they say of a call is in stages.py and counting.py."""

from __future__ import annotations

from codespar_cli.core.calls import TraceStep
from codespar_cli.plugins.policy.language.money import grouped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from decimal import Decimal

    from codespar_cli.core.calls import CallContext
    from codespar_cli.plugins.policy.language.conditions import Condition
    from codespar_cli.plugins.policy.language.patterns import Pattern
    from codespar_cli.plugins.policy.language.periods import Total
    from codespar_cli.plugins.policy.language.rates import Bucket, Sliding
    from codespar_cli.plugins.policy.language.schedule import Schedule


class About:
    """Which calls a rule is about; no patterns means all."""

    __slots__ = ("agents", "id", "line", "reason", "tools", "when")

    def __init__(
        self,
        id: str,
        line: int,
        tools: tuple[Pattern, ...] = (),
        agents: tuple[Pattern, ...] = (),
        when: Condition | None = None,
        reason: str = "",
    ) -> None:
        self.id = id
        self.line = line
        self.tools = tools
        self.agents = agents
        self.when = when
        self.reason = reason


class Rule:
    """`step` is this rule's line in a trace, made once."""

    effect = ""
    stage = ""
    outcome = "fail"

    def __init__(self, about: About) -> None:
        self.id = about.id
        self.line = about.line
        self.tools = about.tools
        self.agents = about.agents
        self.when = about.when
        self.reason = about.reason
        self.step = TraceStep(self.stage, self.outcome, self.id, self.reason)

    def applies(self, cost: Decimal | None, context: CallContext) -> bool:
        return self.when is None or self.when.holds(cost, context)

    def covers_agent(self, agent: str) -> bool:
        return not self.agents or any(pattern.matches(agent) for pattern in self.agents)


class Deny(Rule):
    effect = stage = "deny"


class Allow(Rule):
    effect = stage = "allow"
    outcome = "pass"


class Approve(Rule):
    """`expires` in microseconds. No approvers named: anyone may approve."""

    effect, stage, outcome = "approve", "approval", "approve"

    def __init__(self, about: About, quorum: int, approvers: tuple[str, ...], expires: int, allow_self: bool) -> None:
        super().__init__(about)
        self.quorum = quorum
        self.approvers = approvers
        self.expires = expires
        self.allow_self = allow_self
        self.step = TraceStep(self.stage, self.outcome, self.id, self.needs)

    @property
    def needs(self) -> str:
        """`needs 2 of release-lead, sre-oncall, cto`."""
        if self.approvers:
            return f"needs {self.quorum} of {', '.join(self.approvers)}"
        return f"needs {self.quorum} approval{'s' if self.quorum > 1 else ''}"


class Window(Rule):
    effect = stage = "window"

    def __init__(self, about: About, schedule: Schedule) -> None:
        super().__init__(about)
        self.schedule = schedule


class Budget(Rule):
    """`limit` in millionths of `currency`."""

    effect = stage = "budget"

    def __init__(self, about: About, limit: int, per: tuple[str, ...], period: Total, currency: str) -> None:
        super().__init__(about)
        self.limit = limit
        self.per = per
        self.period = period
        self.currency = currency
        self.window = f"{period.key} {currency}"
        self.limit_text = f"{grouped(limit)} {currency}"


class Rate(Rule):
    effect = stage = "rate"

    def __init__(self, about: About, limit: Sliding | Bucket, per: tuple[str, ...], text: str) -> None:
        super().__init__(about)
        self.limit = limit
        self.per = per
        self.text = text
        self.window = f"rolling {limit.length} calls" if limit.kind == "sliding" else "bucket"


SCOPES = ("agent", "project", "tool", "tenant")


def scope_of(per: tuple[str, ...], tenant: str, agent: str, tool: str, project: str | None) -> str:
    """The name of one counter among those a rule keeps: `agent=procurement-7, project=web`.

    No project is a scope of its own. Values are escaped where they could be taken for the next part.
    """
    values = {"agent": agent, "project": project, "tool": tool, "tenant": tenant}
    if len(per) == 1:
        return _part(per[0], values[per[0]])
    return ", ".join([_part(name, values[name]) for name in per])


def _part(name: str, value: str | None) -> str:
    return f"no {name}" if value is None else f"{name}={_escaped(value)}"


def _escaped(value: str) -> str:
    return value.replace("%", "%25").replace(",", "%2C") if "," in value or "%" in value else value
