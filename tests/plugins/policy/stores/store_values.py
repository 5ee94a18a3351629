"""Values that stores are tested with."""

from policy_world import NOON

from codespar_cli.core.clock import to_micros
from codespar_cli.plugins.policy.approvals.approval import Approval, Need
from codespar_cli.plugins.policy.stores.counters import CounterKey

NOW = to_micros(NOON)
HOUR = 3600 * 10**6


def key(window="total USD", **more):
    return CounterKey(
        **{"space": "enforce", "tenant": "t", "rule": "r", "scope": "s", "window": window, "period": "", **more}
    )


def request(number=1, tenant="t"):
    return Approval(
        token=f"ap-0000000{number}",
        tenant=tenant,
        digest="digest",
        agent="a",
        tool="tool",
        cost="1.00",
        project=None,
        policy="p",
        created_at=NOW,
        expires_at=NOW + HOUR,
        needs=(Need("ask", 1, ("lead",), False),),
    )
