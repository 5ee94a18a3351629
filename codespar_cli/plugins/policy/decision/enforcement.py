"""Making a ruling real, inside its transaction: tokens and holds for an allow, and the record for every answer."""

from __future__ import annotations

import os

from codespar_cli.core.calls import CallContext
from codespar_cli.core.light_typing import NamedTuple
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.policy.decision.counting import consume_rate, hold_until
from codespar_cli.plugins.policy.decision.record import Spelled, decision_body, put_args, shown, spell
from codespar_cli.plugins.policy.decision.ruling import Ruling, answer
from codespar_cli.plugins.policy.language.rules import Budget
from codespar_cli.plugins.policy.stores.counters import Hold

TYPE_CHECKING = False
if TYPE_CHECKING:
    from codespar_cli.core.calls import PolicyDecision
    from codespar_cli.plugins.policy.approvals.approval import Approval
    from codespar_cli.plugins.policy.decision.approval_state import Preview
    from codespar_cli.plugins.policy.decision.call import Call
    from codespar_cli.plugins.policy.stores.store import Transaction
    from codespar_cli.plugins.policy.stores.store_address import StoreAddress


class Asked(NamedTuple):
    """The request as it came, whatever it is."""

    agent: object
    tool: object
    cost: object
    context: object


def enforce(
    transaction: Transaction,
    asked: Asked,
    call: Call | None,
    ruling: Ruling,
    space: str,
    *,
    preview: Preview,
    spelled: Spelled,
    nobody: CallContext,
    record_args: bool,
) -> tuple[PolicyDecision, Approval | None]:
    """Take what an allow takes, and record the answer; and the request for approval, if this call made one.

    `space` is `observe` or `enforce`, `preview` what an approver is shown, `spelled` what the record keeps of the context."""
    token = os.urandom(10).hex()
    decision_id, reservation = f"de-{token[:16]}", None
    standing, request = ruling.standing, None
    if call is not None and ruling.failure is None:
        reservation = take(transaction, call, ruling, space, f"rs-{transaction.serial():010x}{token[:10]}")
        if standing.approval is not None:
            transaction.put_approval(standing.approval._replace(used_by=decision_id, preview=None))
    elif call is not None and standing.digest and standing.state == "none" and ruling.verdict == "approve":
        request = _asked_for(transaction, call, ruling, preview)
    decision = answer(
        ruling,
        observe=space == "observe",
        decision_id=decision_id,
        reservation_id=reservation,
        approval_id=None if request is None else request.token,
    )
    _record(transaction, asked, ruling, decision, space, spelled, nobody, record_args=record_args)
    return decision, request


def record_failure(
    address: StoreAddress, asked: Asked, ruling: Ruling, error: Exception, space: str, *, nobody: CallContext
) -> None:
    """Record that the engine itself failed, if the store is not the reason."""
    if isinstance(error, CodesparError):
        return
    try:
        spelled = spell(asked.context)
        with address.store.write() as transaction:
            decision = answer(ruling, observe=space == "observe")
            _record(transaction, asked, ruling, decision, space, spelled, nobody, record_args=False)
    except Exception:
        return  # the answer is a deny already, and there is nowhere to write it


def _asked_for(transaction: Transaction, call: Call, ruling: Ruling, preview: Preview) -> Approval:
    from codespar_cli.plugins.policy.approvals.standing import new_request

    while True:
        digest = ruling.standing.digest
        request = new_request(call, ruling.approvals, digest, ruling.seen, preview=preview, also=ruling.also)
        if transaction.approval(request.token) is None:
            transaction.put_approval(request)
            return request


def take(transaction: Transaction, call: Call, ruling: Ruling, space: str, id: str) -> str | None:
    """Rate tokens and holds. The id of the hold, or None when no budget applies."""
    now = ruling.seen
    expires_at = now + call.policy.hold_ttl
    parts = {}
    for one in ruling.counted:
        if isinstance(one.rule, Budget):
            parts[one.key] = hold_until(one.rule, now, expires_at)
        else:
            consume_rate(one, transaction, now)
    if not parts:
        return None
    assert call.micros is not None
    hold = Hold(id, space, call.context.tenant, call.agent, call.plan.counted, now, expires_at, call.micros)
    transaction.take(hold, parts)
    return id


def _record(
    transaction: Transaction,
    asked: Asked,
    ruling: Ruling,
    decision: PolicyDecision,
    space: str,
    spelled: Spelled,
    nobody: CallContext,
    *,
    record_args: bool,
) -> None:
    context = asked.context if isinstance(asked.context, CallContext) else nobody
    body = decision_body(
        decision,
        agent=asked.agent,
        tool=asked.tool,
        cost=asked.cost,
        context=context,
        counted=ruling.counted,
        clock=None if ruling.seen == ruling.now else ruling.now,
        mode=space,
        verdict=ruling.verdict,
        zones=ruling.policy.zone.version,
        spelled=spelled,
    )
    if context.args is not None:
        put_args(body, spelled, transaction.secret(), whole=record_args)
    transaction.record(ruling.seen, "decision", shown(asked.agent), body)
