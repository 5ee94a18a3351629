"""The same rules and the same calls in Cedar and in the engine: how much longer does a decision take in Cedar?

N allow rules "agent i may call everything under svc<i>/" and one deny rule about an argument; the calls rotate over an
allow, a deny and no match. Cedar gets every advantage that its Python binding offers: the policies and the groups of
tools are parsed once (`PolicySet`, `Entities`), a call is one request with its context as ready text, and only the
decision is read. The engine's `decide` gives a whole answer with its reason and trace; it is asked both for calls like
ones it has answered, and for pairs of agent and tool that it has never seen. Answers are compared before anything is
timed. Also shown: our own `cedar` backend, which asks for every name of a tool and maps the answer.
Promise: the engine is at least 50 x faster than cedarpy, at 100 and at 1,000 rules.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cedarpy

from codespar_cli.core.hooks import CallContext
from codespar_cli.core.services import Services
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.foreign.cedar import from_options
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.stores.memory_store import MemoryStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

SIZES = (100, 1000)
ROUNDS, CALLS = 7, 300
PROMISE = 50
FORCED, PLAIN = {"force": True}, {"force": False}
Call = tuple[str, str, dict[str, bool], bool]


def calls(size: int) -> list[Call]:
    found: list[Call] = []
    for step in range(100):
        number = step * 37 % size
        found.append((f"agent-{number}", f"svc{number}/read", PLAIN, True))
        found.append((f"agent-{number}", f"svc{number}/read", FORCED, False))
        found.append((f"agent-{number}", "other/read", PLAIN, False))
    return found


def native(size: int) -> PolicyEngine:
    lines = ["rules:", "- {id: forced, effect: deny, tools: ['**'], when: {args.force: true}}"]
    lines += [f"- {{id: a{n}, effect: allow, agents: [agent-{n}], tools: ['svc{n}/*']}}" for n in range(size)]
    return PolicyEngine(compile_policy("\n".join(lines).encode(), "bench.yaml"), StoreAddress.of(MemoryStore()))


def cedar_text(size: int) -> str:
    lines = ["forbid(principal, action, resource) when { context.args.force };"]
    lines += [f'permit(principal == Agent::"agent-{n}", action, resource in ToolGroup::"svc{n}");' for n in range(size)]
    return "\n".join(lines)


def cedar_asks(size: int) -> Callable[[str, str, CallContext], bool]:
    policies = cedarpy.PolicySet.from_str(cedar_text(size))
    tools = [(f"svc{n}/read", f"svc{n}") for n in range(size)] + [("other/read", "other")]
    listed = [
        {"uid": {"type": "Tool", "id": tool}, "attrs": {}, "parents": [{"type": "ToolGroup", "id": group}]}
        for tool, group in tools
    ]
    entities = cedarpy.Entities.from_json_str(json.dumps(listed))
    # Ready requests: what a caller would have to build for each call is Cedar's for nothing.
    texts = {False: json.dumps({"args": PLAIN}), True: json.dumps({"args": FORCED})}
    requests = {
        (agent, tool, args["force"]): {
            "principal": {"type": "Agent", "id": agent},
            "action": {"type": "Action", "id": "call"},
            "resource": {"type": "Tool", "id": tool},
            "context": texts[args["force"]],
        }
        for agent, tool, args, _ in calls(size)
    }

    def ask(agent: str, tool: str, context: CallContext) -> bool:
        return cedarpy.is_authorized(requests[agent, tool, context.args["force"]], policies, entities).allowed

    return ask


def foreign(size: int, directory: Path) -> PolicyEngine:
    (directory / "policy.cedar").write_text(cedar_text(size))
    return from_options({"policies": "policy.cedar"}, Services(directory / "state", config_dir=directory))


def p50(ask: Callable[[str, str, CallContext], object], work: list[tuple[str, str, CallContext]]) -> float:
    now, taken = time.perf_counter_ns, []
    for index in range(CALLS):
        agent, tool, context = work[index % len(work)]
        started = now()
        ask(agent, tool, context)
        taken.append(now() - started)
    return statistics.median(taken) / 1000


def first_times(size: int, work: list[tuple[str, str, CallContext]]) -> float:
    """Calls by pairs of agent and tool of which the engine keeps no plan."""
    subject, now, taken = native(size), time.perf_counter_ns, []
    for agent, tool, context in work:
        subject._policy.plans.clear()
        started = now()
        subject.decide(agent, tool, context=context)
        taken.append(now() - started)
    return statistics.median(taken) / 1000


def measure(size: int, directory: Path) -> tuple[float, float, float, float]:
    engine, cedar, ours = native(size), cedar_asks(size), foreign(size, directory)
    work = [(agent, tool, CallContext(args=args)) for agent, tool, args, _ in calls(size)]
    for (agent, tool, _, expected), (_, _, context) in zip(calls(size), work, strict=True):
        answers = (
            engine.decide(agent, tool, context=context).allowed,
            cedar(agent, tool, context),
            ours.decide(agent, tool, context=context).allowed,
        )
        assert answers == (expected,) * 3, (agent, tool, answers)
    asks: tuple[Callable[[str, str, CallContext], object], ...] = (
        lambda agent, tool, context: engine.decide(agent, tool, context=context),
        cedar,
        lambda agent, tool, context: ours.decide(agent, tool, context=context),
    )
    rounds = [[*(p50(ask, work) for ask in asks), first_times(size, work)] for _ in range(ROUNDS)]
    again, cedarpy_p50, backend, first = (statistics.median(column) for column in zip(*rounds, strict=True))
    return again, first, cedarpy_p50, backend


def main() -> int:
    gc.disable()
    kept = True
    print("rules  engine p50 us  first time us  cedarpy p50 us      ratio   to first time  `cedar` backend p50 us")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as directory:
            again, first, cedar, backend = measure(size, Path(directory))
        kept = kept and cedar / again >= PROMISE
        print(
            f"{size:5d}  {again:13.2f}  {first:13.2f}  {cedar:14.1f}  {cedar / again:7.0f} x  {cedar / first:12.0f} x"
            f"  {backend:22.1f}"
        )
    print(f"promise (at least {PROMISE} x faster than cedarpy): {'kept' if kept else 'BROKEN'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
