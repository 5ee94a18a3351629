"""Where people look at requests for approval and vote on them."""

from __future__ import annotations

from typing import NamedTuple

from codespar_cli.core.administration.policy import ApprovalState, NeedState, VoteState
from codespar_cli.core.clock import from_micros
from codespar_cli.core.text import visible
from codespar_cli.errors import CodesparError, NotFoundError
from codespar_cli.plugins.policy.approvals.approval import Approval, Need, Vote, as_token, voted
from codespar_cli.plugins.policy.stores.store import Snapshot
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

_LONGEST_REASON = 300


class Ballot(NamedTuple):
    token: str
    name: str
    approves: bool
    reason: str


def states(
    snapshot: Snapshot, tenant: str, policy_hash: str, now: int, *, unexpired: bool = False
) -> list[ApprovalState]:
    seen = _seen(snapshot, now)
    found = snapshot.approvals(tenant, after=seen) if unexpired else snapshot.approvals(tenant)
    return [_state(approval, policy_hash, seen) for approval in found]


def state_of(snapshot: Snapshot, tenant: str, policy_hash: str, token: str, now: int) -> ApprovalState:
    """Raises NotFoundError."""
    return _state(_found(snapshot, tenant, token), policy_hash, _seen(snapshot, now))


def cast_vote(address: StoreAddress, tenant: str, policy_hash: str, ballot: Ballot, now: int) -> ApprovalState:
    """See PolicyEngine.vote."""
    if not address.exists:
        raise _unknown(ballot.token)
    with address.store.write() as transaction:
        seen = _seen(transaction, now)
        approval = _found(transaction, tenant, ballot.token)
        if _is_void(approval, policy_hash, seen):
            raise CodesparError(
                f"{approval.token} is void: the policy has changed since it was asked for", code="approval_closed"
            )
        reason = visible(ballot.reason)[:_LONGEST_REASON]
        approval = voted(approval, Vote(ballot.name, ballot.approves, seen, reason))
        transaction.put_approval(approval)
        transaction.record(seen, "approval", approval.votes[-1].name, _body(approval, ballot.approves, reason, seen))
    return _state(approval, policy_hash, seen)


def _body(approval: Approval, approves: bool, reason: str, now: int) -> dict[str, object]:
    body: dict[str, object] = {
        "approval": approval.token,
        "tenant": approval.tenant,
        "agent": approval.agent,
        "tool": approval.tool,
        "digest": approval.digest,
        "policy": approval.policy,
        "outcome": "approved" if approves else "denied",
        "status": approval.status(now),
    }
    return {**body, "reason": reason} if reason else body


def _seen(snapshot: Snapshot, now: int) -> int:
    return max(snapshot.clock(now), snapshot.latest())


def _found(snapshot: Snapshot, tenant: str, token: str) -> Approval:
    named = as_token(token)
    approval = snapshot.approval(named) if named.isascii() else None
    if approval is None or approval.tenant != tenant:
        raise _unknown(token)
    return approval


def _unknown(token: str) -> NotFoundError:
    return NotFoundError(f"there is no approval `{visible(token[:60])}`", hint="codespar approvals list --all")


def _is_void(approval: Approval, policy_hash: str, now: int) -> bool:
    return approval.policy != policy_hash and approval.status(now) in {"pending", "approved"}


def _state(approval: Approval, policy_hash: str, now: int) -> ApprovalState:
    return ApprovalState(
        token=approval.token,
        status="void" if _is_void(approval, policy_hash, now) else approval.status(now),
        agent=approval.agent,
        tool=approval.tool,
        cost=approval.cost,
        project=approval.project,
        args=approval.preview,
        also_denied=approval.also,
        created_at=from_micros(approval.created_at),
        expires_at=from_micros(approval.expires_at),
        needs=tuple(_need(approval, need) for need in approval.needs),
        votes=tuple(VoteState(vote.name, vote.approves, from_micros(vote.at), vote.reason) for vote in approval.votes),
        policy_hash=approval.policy,
        digest=approval.digest,
        environment=approval.environment,
        requesters=approval.requesters,
        hidden=approval.hidden,
        complete=approval.complete,
        notified=approval.notified,
    )


def _need(approval: Approval, need: Need) -> NeedState:
    counted = tuple(vote.name for vote in approval.votes if vote.approves and approval.counts(vote.name, need))
    return NeedState(need.rule, need.quorum, len(counted), need.approvers, counted)
