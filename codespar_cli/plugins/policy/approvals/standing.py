"""What the store knows of approval for one call: nothing, a request that waits, one that was granted or refused."""

from __future__ import annotations

import os
from collections.abc import Sequence

from codespar_cli.core.light_typing import Protocol
from codespar_cli.plugins.policy.approvals.approval import Approval, Need, as_token, new_token
from codespar_cli.plugins.policy.decision.approval_state import NO_ARGS, Preview, Standing
from codespar_cli.plugins.policy.decision.call import Call
from codespar_cli.plugins.policy.language.rules import Approve
from codespar_cli.plugins.policy.stores.store import Snapshot

# Attributes that say on whose behalf an agent acts: that person asked, and cannot approve.
_OWNERS = ("owner", "user")
MOST_WAITING = 100
"""How many requests of one agent may wait at once: a queue that nobody can read through is approved unread."""


class Bound(Protocol):
    """What an approval of a call would be bound to, or why it cannot be."""

    @property
    def digest(self) -> str: ...

    @property
    def unbound(self) -> str | None: ...


def standing_of(call: Call, rules: Sequence[Approve], bound: Bound, snapshot: Snapshot, now: int) -> Standing:
    """Look the call up: by the token that was presented, else by the digest that an approval is bound to."""
    if bound.unbound is not None:
        return Standing("refused", reason=bound.unbound)
    digest = bound.digest
    token, tenant = call.context.approval_id, call.context.tenant
    if token is None:
        approval = snapshot.approval_for(tenant, digest)
        if approval is None or _is_over(approval, now):
            return _room_for_one(call, digest, snapshot, now)
        found = _read(approval, rules, call, digest, now)
        # One that was granted for less than is needed now is no answer: ask for what is needed.
        too_little = found.state == "refused" and approval.status(now) == "approved"
        return _room_for_one(call, digest, snapshot, now) if too_little else found
    approval = snapshot.approval(as_token(token))
    if approval is None or approval.tenant != tenant:
        return Standing("refused", digest, reason="there is no such approval")
    if approval.digest != digest:
        return Standing("refused", digest, reason=_difference(approval, call))
    return _read(approval, rules, call, digest, now)


def new_request(
    call: Call, rules: Sequence[Approve], digest: str, now: int, *, preview: Preview = NO_ARGS, also: str | None
) -> Approval:
    """A request for this call. `also` says what would deny it even if it were approved."""
    context = call.context
    return Approval(
        token=new_token(os.urandom(5)),
        tenant=context.tenant,
        digest=digest,
        agent=call.agent,
        tool=call.tool,
        created_at=now,
        expires_at=now + min(rule.expires for rule in rules),
        cost=None if call.cost is None else f"{call.cost:f}",
        project=context.project,
        policy=call.policy.hash,
        needs=tuple(need_of(rule) for rule in rules),
        requesters=_requesters(call),
        preview=preview.text or None,
        hidden=preview.hidden,
        complete=preview.complete,
        environment=context.environment,
        also=also,
    )


def need_of(rule: Approve) -> Need:
    return Need(rule.id, rule.quorum, rule.approvers, rule.allow_self)


def _requesters(call: Call) -> tuple[str, ...]:
    owners = [call.context.attributes.get(name) for name in _OWNERS]
    return (call.agent, *(owner for owner in owners if isinstance(owner, str) and owner))


def _is_over(approval: Approval, now: int) -> bool:
    """Whether the same call may ask anew. A veto stands as long as the request would have: no nagging."""
    return approval.used_by is not None or now >= approval.expires_at


def _room_for_one(call: Call, digest: str, snapshot: Snapshot, now: int) -> Standing:
    waiting = snapshot.waiting(call.context.tenant, call.agent, call.policy.hash, now)
    if waiting < MOST_WAITING:
        return Standing("none", digest)
    return Standing(
        "refused", digest, reason=f"too many requests of `{call.agent}` wait for approval already: {waiting}"
    )


def _read(approval: Approval, rules: Sequence[Approve], call: Call, digest: str, now: int) -> Standing:
    status = approval.status(now)
    if status in {"used", "expired", "denied"}:
        return Standing("refused", digest, approval, f"approval {approval.token} {_why(approval, status)}")
    # The rules of now and those who ask now, not of when it was asked for: attributes may have changed, and with them
    # what is needed and on whose behalf the call is made.
    as_asked_now = approval._replace(requesters=(*approval.requesters, *_requesters(call)))
    if all(as_asked_now.meets(need_of(rule)) for rule in rules):
        return Standing("granted", digest, approval)
    if status == "pending":
        return Standing("waiting", digest, approval)
    return Standing("refused", digest, approval, f"approval {approval.token} does not cover what is needed now")


def _why(approval: Approval, status: str) -> str:
    if status == "used":
        return "has been used"
    if status == "expired":
        return "has expired"
    veto = next(vote for vote in approval.votes if not vote.approves)
    return f"was denied by {veto.name}" + (f": {veto.reason}" if veto.reason else "")


def _difference(approval: Approval, call: Call) -> str:
    """Which part of the call is not what was approved. Arguments are never told."""
    if approval.policy != call.policy.hash:
        return f"approval {approval.token} was given under another policy"
    for name, was, given in (
        ("agent", approval.agent, call.agent),
        ("tool", approval.tool, call.tool),
        ("project", approval.project, call.context.project),
        ("environment", approval.environment, call.context.environment),
    ):
        if was != given:
            return f"approval {approval.token} was given for another {name}"
    return f"approval {approval.token} was given for another cost, other arguments or another directory"
