"""Settling and releasing, as transactions of their own."""

from __future__ import annotations

from codespar_cli.core.administration.policy import Settlement
from codespar_cli.core.calls import CallContext, Cost
from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.core.text import visible
from codespar_cli.errors import CodesparError, NotFoundError, UsageError
from codespar_cli.plugins.policy.decision.call import Call, problem_with
from codespar_cli.plugins.policy.decision.ledger import Usage, count_unreserved, release_hold, settle_hold
from codespar_cli.plugins.policy.language.money import as_amount
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.language.rules import Budget
from codespar_cli.plugins.policy.stores.counters import Hold
from codespar_cli.plugins.policy.stores.store import Snapshot
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codespar_cli.core.outcome import Usage as Spent


def record_usage(
    address: StoreAddress,
    policy: Policy,
    spent: tuple[str, str, Cost | None, CallContext],
    *,
    reservation_id: str | None,
    space: str,
    now: int,
) -> Settlement:
    """See PolicyEngine.record_usage."""
    usage = _usage(policy, spent, space)
    if reservation_id is None and not _counts(usage) and not _has_hold(address, usage, now):
        return Settlement(None, usage.cost, unreserved=True)
    if reservation_id is not None and not address.exists:
        raise _unknown(reservation_id)
    with address.store.write() as transaction:
        seen = max(transaction.clock(now), transaction.latest())
        hold = _oldest(transaction, usage, seen) if reservation_id is None else _held(transaction, reservation_id)
        if hold is not None:
            return settle_hold(transaction, hold, usage, seen)
        if usage.cost is None:
            return Settlement(None, None, unreserved=True)
        return count_unreserved(transaction, usage, seen)


def settle_all(
    address: StoreAddress, policy: Policy, spent: Sequence[Spent], context: CallContext, *, space: str, now: int
) -> list[Settlement | CodesparError]:
    """See PolicyEngine.record_usages. What is wrong with one shows before anything is counted of it."""
    if not address.exists:
        return [_unknown(one.reservation_id) for one in spent]
    answers: list[Settlement | CodesparError] = []
    with address.store.write() as transaction:
        seen = max(transaction.clock(now), transaction.latest())
        for agent, tool, cost, reservation_id in spent:
            try:
                usage = _usage(policy, (agent, tool, cost, context), space)
                hold = _held(transaction, reservation_id)
            except (UsageError, NotFoundError) as error:
                answers.append(error)
            else:
                answers.append(settle_hold(transaction, hold, usage, seen))
    return answers


def release(address: StoreAddress, reservation_id: str, *, now: int) -> bool:
    """See PolicyEngine.release."""
    if not address.exists:
        return False
    with address.store.write() as transaction:
        hold = transaction.hold(reservation_id)
        if hold is None or hold.state != "open":
            return False
        release_hold(transaction, hold, max(transaction.clock(now), transaction.latest()))
        return True


def _usage(policy: Policy, spent: tuple[str, str, Cost | None, CallContext], space: str) -> Usage:
    agent, tool, cost, context = spent
    problem = problem_with(agent, tool, cost, context)
    if problem is not None:
        raise UsageError(problem, code="invalid_request")
    call = Call(agent, tool, cost, context, policy)
    return Usage(call, None if cost is None else as_amount(cost), space)


def _held(snapshot: Snapshot, reservation_id: str) -> Hold:
    hold = snapshot.hold(reservation_id)
    if hold is None:
        raise _unknown(reservation_id)
    return hold


def _counts(usage: Usage) -> bool:
    call = usage.call
    return any(isinstance(rule, Budget) and rule.applies(usage.cost, call.context) for rule in call.plan.counters)


def _has_hold(address: StoreAddress, usage: Usage, now: int) -> bool:
    """Whether a policy of yesterday left a hold on a call that no budget of today is about."""
    with address.reading().read() as snapshot:
        return _oldest(snapshot, usage, snapshot.clock(now)) is not None


def _oldest(snapshot: Snapshot, usage: Usage, now: int) -> Hold | None:
    call = usage.call
    return snapshot.oldest_hold(usage.space, call.context.tenant, call.agent, call.plan.counted, now)


def _unknown(reservation_id: str) -> NotFoundError:
    return NotFoundError(
        f"there is no reservation `{visible(str(reservation_id)[:60])}`",
        hint="codespar policy check TOOL --reserve prints the id of a new one",
    )
