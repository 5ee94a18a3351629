"""An unregistered hook against a plain no-op method call: at most 1.3.

Both take the same two arguments and are called from the same kind of loop; the loop itself is subtracted.
"""

import timeit

from codespar_cli.core.registry import PluginRegistry


class Plain:
    def noop(self, agent_id, tool_name):
        return None


registry, plain = PluginRegistry(), Plain()
CALLS = 500_000


def through_registry():
    for _ in range(CALLS):
        registry.evaluate_policy("agent", "tool")


def through_method():
    for _ in range(CALLS):
        plain.noop("agent", "tool")


def empty():
    for _ in range(CALLS):
        pass


def main():
    best = {f.__name__: [] for f in (empty, through_registry, through_method)}
    for _ in range(9):
        for function in (empty, through_registry, through_method):
            best[function.__name__].append(timeit.timeit(function, number=1))
    loop = min(best["empty"])
    ours, floor = min(best["through_registry"]) - loop, min(best["through_method"]) - loop
    print(f"no-op method      {floor / CALLS * 1e9:6.1f} ns")
    print(f"evaluate_policy   {ours / CALLS * 1e9:6.1f} ns   ratio {ours / floor:.2f} (at most 1.3)")


main()
