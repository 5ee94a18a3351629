"""A decision without a store: how long, and does it stay flat from 1 to 1,000 rules?

Every policy holds N allow rules about N tools, one deny rule about arguments, a budget, a rate, a window that is open, an
approval under a condition, and a default of deny; the calls rotate over
the tools, over agents, and over allow, deny and no match. Prints microseconds, and each N as a ratio to N = 1, all of
them measured in the same run, interleaved. Promise: p50 <= 3 us, and 1,000 rules at most 1.3 x 1 rule.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time

from codespar_cli.core.hooks import CallContext
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.stores.memory_store import MemoryStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

SIZES = (1, 10, 100, 1000)
ROUNDS, CALLS = 15, 3000
FORCED = CallContext(args={"force": True})


def engine(size: int) -> PolicyEngine:
    lines = [
        "version: 1",
        "default: deny",
        "costs: {'**': '0.01'}",
        "rules:",
        "  - {id: forced, effect: deny, tools: ['svc/**'], when: {args.force: true}}",
        "  - {id: money, effect: budget, tools: ['svc/**'], limit: '100', per: agent, window: calendar day}",
        "  - {id: pace, effect: rate, tools: ['svc/**'], limit: 100 per 1h, per: agent}",
        "  - {id: hours, effect: window, tools: ['svc/**'], open: ['00:00-24:00']}",
        "  - {id: people, effect: approve, tools: ['svc/**'], when: {args.amount: {gt: 100}}}",
    ]
    for number in range(size):
        tools = f"['svc/{number}/read', 'svc/{number}/list_*']"
        lines.append(f"  - {{id: allow-{number}, effect: allow, agents: ['team-{number % 7}/*'], tools: {tools}}}")
    return PolicyEngine(compile_policy("\n".join(lines).encode(), "bench.yaml"), StoreAddress.of(MemoryStore()))


def calls(size: int) -> list[tuple[str, str, CallContext | None, bool]]:
    found: list[tuple[str, str, CallContext | None, bool]] = []
    for step in range(300):
        number = step * 37 % size
        agent = f"team-{number % 7}/bot"
        found.append((agent, f"svc/{number}/list_all", None, True))
        found.append((agent, f"svc/{number}/read", FORCED, False))
        found.append((agent, "other/tool", None, False))
    return found


def percentiles(subject: PolicyEngine, work: list[tuple[str, str, CallContext | None, bool]]) -> tuple[float, float]:
    decide, now, taken = subject.decide, time.perf_counter_ns, []
    for index in range(CALLS):
        agent, tool, context, _ = work[index % len(work)]
        started = now()
        decide(agent, tool, context=context)
        taken.append(now() - started)
    taken.sort()
    return taken[len(taken) // 2] / 1000, taken[len(taken) * 99 // 100] / 1000


def first_time(subject: PolicyEngine) -> float:
    """A pair of agent and tool never seen before: the index, without the plan of an earlier call."""
    now, taken = time.perf_counter_ns, []
    for index in range(1000):
        started = now()
        subject.decide(f"new-{index}", "svc/0/read")
        taken.append(now() - started)
    return statistics.median(taken) / 1000


def main() -> int:
    subjects = {size: (engine(size), calls(size)) for size in SIZES}
    for subject, work in subjects.values():
        for agent, tool, context, expected in work:
            assert subject.decide(agent, tool, context=context).allowed is expected
    gc.disable()
    p50s: dict[int, list[float]] = {size: [] for size in SIZES}
    p99s: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(ROUNDS):
        for size, (subject, work) in subjects.items():
            p50, p99 = percentiles(subject, work)
            p50s[size].append(p50)
            p99s[size].append(p99)
    floor = statistics.median(p50s[1])
    fresh = {size: first_time(subject) for size, (subject, _) in subjects.items()}
    print("rules    p50 us   p99 us   ratio to 1   first time us   ratio to 1")
    for size in SIZES:
        p50 = statistics.median(p50s[size])
        print(
            f"{size:5d}  {p50:8.2f} {statistics.median(p99s[size]):8.2f}   {p50 / floor:8.2f} x"
            f"   {fresh[size]:11.2f}   {fresh[size] / fresh[1]:8.2f} x"
        )
    worst = statistics.median(p50s[1000])
    kept = worst <= 3 and worst / floor <= 1.3
    print(f"promise (p50 <= 3 us, 1000 rules <= 1.3 x 1 rule): {'kept' if kept else 'BROKEN'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
