"""What the policy commands need of a backend beyond `PolicyHook`. A backend offers what it can."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from codespar_cli.core.hooks import CallContext, Cost, PolicyDecision


class BudgetState(NamedTuple):
    """One counter of one budget rule. `left` is negative after an overrun; `resets_at` is None where time alone does
    not empty it at once (rolling windows, totals)."""

    rule_id: str
    scope: str
    window: str
    limit: Decimal
    spent: Decimal
    held: Decimal
    left: Decimal
    resets_at: datetime | None
    currency: str


class Settlement(NamedTuple):
    """What `record_usage` did. `repeated`: it had been settled before, and nothing was counted. `unreserved`: there was
    no hold to settle. `overrun` is by how much the worst counter is now over its limit."""

    reservation_id: str | None
    cost: Decimal | None
    rules: tuple[str, ...] = ()
    overrun: Decimal = Decimal(0)
    repeated: bool = False
    unreserved: bool = False


class Finding(NamedTuple):
    """Something in the rules that cannot be meant. `file` and `line` say where."""

    rule_id: str | None
    code: str
    message: str
    line: int | None
    file: str = ""


class NeedState(NamedTuple):
    """What one approve rule needs of a request, and who has approved so far. No `approvers`: anyone else."""

    rule_id: str
    quorum: int
    approved: int
    approvers: tuple[str, ...]
    approved_by: tuple[str, ...] = ()


class VoteState(NamedTuple):
    name: str
    approves: bool
    at: datetime
    reason: str


class ApprovalState(NamedTuple):
    """One request for approval. `status` is pending, approved, denied, expired, used or void (the policy has changed
    since). `args` is what may be shown of the arguments, as JSON text: without `hidden` values that sound secret, cut
    short unless `complete`, and None when there were none or the request is used up. `also_denied` says what would deny
    the call even if it were approved, `requesters` who asked, `notified` whether somebody has been told."""

    token: str
    status: str
    agent: str
    tool: str
    cost: str | None
    project: str | None
    args: str | None
    also_denied: str | None
    created_at: datetime
    expires_at: datetime
    needs: tuple[NeedState, ...]
    votes: tuple[VoteState, ...]
    policy_hash: str
    digest: str
    environment: str | None = None
    requesters: tuple[str, ...] = ()
    hidden: int = 0
    complete: bool = True
    notified: bool = False


class KeepsApprovals(Protocol):
    def approvals(self, *, unexpired: bool = False) -> list[ApprovalState]:
        """Every request, or those whose time is not over, oldest first."""

    def approval(self, token: str) -> ApprovalState:
        """Raises NotFoundError."""

    def vote(self, token: str, name: str, *, approves: bool, reason: str = "") -> ApprovalState:
        """Raises NotFoundError, and CodesparError when this person may not vote on it, or not any more."""

    def remind(self) -> list[str]:
        """Tell people again of what nobody has been told of, and say what failed. Optional."""


class PreviewsPolicy(Protocol):
    def preview(
        self, agent_id: str, tool_name: str, estimated_cost: Cost | None = None, *, context: CallContext | None = None
    ) -> PolicyDecision:
        """The answer `evaluate` would give now, leaving nothing behind."""


class KeepsBudgets(Protocol):
    def record_usage(
        self, agent_id: str, tool_name: str, cost: Cost | None, *, reservation_id: str | None = None
    ) -> Settlement:
        """Settle a hold. Raises NotFoundError for an id that was never given, UsageError for no amount of money."""

    def release(self, reservation_id: str) -> bool:
        """Give a hold back; False when there was none open."""

    def budgets(self) -> list[BudgetState]: ...


class LintsPolicy(Protocol):
    def lint(self, tools: Sequence[str] | None = None) -> list[Finding]:
        """`tools` are all the tools there are, where somebody knows them."""
