"""The stages that need no store: deny, approval, windows, allow. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from codespar_cli.core.calls import CallContext
    from codespar_cli.plugins.policy.language.policy import Plan
    from codespar_cli.plugins.policy.language.rules import Allow, Approve, Budget, Deny, Rate, Window
    from codespar_cli.plugins.policy.language.zones import Zone


class Findings:
    """Which rules spoke. `counting` are the budgets and rates that apply; `closed` the windows that are shut, once the time
    is known."""

    __slots__ = ("allow", "approvals", "closed", "counting", "denies", "windows")

    def __init__(
        self,
        denies: tuple[Deny, ...],
        approvals: tuple[Approve, ...],
        counting: tuple[Budget | Rate, ...],
        windows: tuple[Window, ...],
        allow: Allow | None,
    ) -> None:
        self.denies = denies
        self.approvals = approvals
        self.counting = counting
        self.windows = windows
        self.closed: tuple[Window, ...] = ()
        self.allow = allow


def examine(plan: Plan, cost: Decimal | None, context: CallContext) -> Findings:
    """What each stage finds, but for the time. Raises TooLong."""
    denies, approvals, counting, windows = plan.denies, plan.approvals, plan.counters, plan.windows
    if plan.conditions:
        denies = tuple([rule for rule in denies if rule.applies(cost, context)])
        approvals = tuple([rule for rule in approvals if rule.applies(cost, context)])
        counting = tuple([rule for rule in counting if rule.applies(cost, context)])
        windows = tuple([rule for rule in windows if rule.applies(cost, context)])
        # All of them, so that what cannot be judged is found whichever comes first.
        allows = [rule for rule in plan.allows if rule.applies(cost, context)]
        return Findings(denies, approvals, counting, windows, allows[0] if allows else None)
    return Findings(denies, approvals, counting, windows, plan.allows[0] if plan.allows else None)


def shut(windows: tuple[Window, ...], zone: Zone, now: datetime) -> tuple[Window, ...]:
    """Of these, the windows that are closed now."""
    if not windows:
        return ()
    wall = now.astimezone(zone.tz)
    return tuple([rule for rule in windows if not rule.schedule.is_open(wall)])
