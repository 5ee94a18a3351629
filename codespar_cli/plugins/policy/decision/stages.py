"""The stages that need no store: deny, approval, windows, allow. Pure, with the clock read once."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from codespar_cli.core.hooks import CallContext
from codespar_cli.plugins.policy.language.policy import Plan
from codespar_cli.plugins.policy.language.rules import Allow, Approve, Budget, Deny, Rate, Window
from codespar_cli.plugins.policy.language.zones import Zone


class Findings:
    """Which rules spoke. `closed` are the windows that are shut, `counting` the budgets and rates that apply."""

    __slots__ = ("allow", "approvals", "closed", "counting", "denies", "windows")

    def __init__(
        self,
        denies: tuple[Deny, ...],
        approvals: tuple[Approve, ...],
        counting: tuple[Budget | Rate, ...],
        windows: tuple[Window, ...],
        closed: tuple[Window, ...],
        allow: Allow | None,
    ) -> None:
        self.denies = denies
        self.approvals = approvals
        self.counting = counting
        self.windows = windows
        self.closed = closed
        self.allow = allow


def examine(plan: Plan, zone: Zone, cost: Decimal | None, context: CallContext, now: datetime | None) -> Findings:
    """What each stage finds. `now` may be None when the plan has no windows. Raises TooLong."""
    denies, approvals, counting, windows = plan.denies, plan.approvals, plan.counters, plan.windows
    if denies:
        denies = tuple([rule for rule in denies if rule.applies(cost, context)])
    if approvals:
        approvals = tuple([rule for rule in approvals if rule.applies(cost, context)])
    if counting:
        counting = tuple([rule for rule in counting if rule.applies(cost, context)])
    closed: tuple[Window, ...] = ()
    if windows and now is not None:
        wall = now.astimezone(zone.tz)
        windows = tuple([rule for rule in windows if rule.applies(cost, context)])
        closed = tuple([rule for rule in windows if not rule.schedule.is_open(wall)])
    # All of them, so that what cannot be judged is found whichever comes first.
    allows = [rule for rule in plan.allows if rule.applies(cost, context)]
    return Findings(denies, approvals, counting, windows, closed, allows[0] if allows else None)
