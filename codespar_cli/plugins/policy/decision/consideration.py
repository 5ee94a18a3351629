"""The pure part of an evaluation, done before the store is locked: however long one call's arguments take, nobody waits.

What rules find in the call, what a foreign engine says of it, what an approval of it would be bound to, and what an approver
would be shown. Only the clock, the counters and the requests are left to the transaction.
"""

from __future__ import annotations

from codespar_cli.core.light_typing import NamedTuple
from codespar_cli.plugins.policy.decision.approval_state import NO_ARGS, Preview
from codespar_cli.plugins.policy.decision.call import Call
from codespar_cli.plugins.policy.decision.stages import Findings, examine
from codespar_cli.plugins.policy.language.patterns import TooLong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from codespar_cli.plugins.policy.decision.judge import Judgement


class Considered(NamedTuple):
    """`problem` says why the call is none that this policy can judge; `unbound` why no approval can be bound to it."""

    findings: Findings
    problem: str | None = None
    digest: str = ""
    unbound: str | None = None
    preview: Preview = NO_ARGS


_NOTHING = Findings((), (), (), (), None)


def consider(call: Call, now: int, *, asks: bool) -> Considered:
    """Everything about a call that needs no store. `asks`: whether a request for approval may come of it.

    Raises:
        JudgeError: a foreign engine could not answer.
    """
    try:
        findings = examine(call.plan, call.cost, call.context)
    except TooLong as error:
        return Considered(_NOTHING, error.message)
    judgement = _judged(call, now)
    if judgement is not None:
        findings.denies = judgement.denies
        # Approve rules of our own hold as well.
        findings.approvals = (*findings.approvals, *judgement.approvals)
        findings.allow = judgement.allow
    if not asks or not findings.approvals or findings.denies:
        return Considered(findings)
    from codespar_cli.plugins.policy.approvals.args_preview import preview_of
    from codespar_cli.plugins.policy.approvals.binding import digest_of

    try:
        digest = digest_of(call)
    except ValueError as error:
        return Considered(findings, unbound=f"no approval can be bound to this call: {error}")
    args, directory = call.context.args, call.context.attributes.get("cwd")
    shown = NO_ARGS if args is None else preview_of(args, directory if isinstance(directory, str) else None)
    return Considered(findings, digest=digest, preview=shown)


def _judged(call: Call, now: int) -> Judgement | None:
    if call.policy.judge is None:
        return None
    cost = None if call.cost is None else f"{call.cost:f}"
    return call.policy.judge.judge(call.agent, call.plan.names, cost, call.context, now)
