"""Anomalies: which injected faults are found, after how many calls, at how many false alarms, at what cost a call?

Clean traffic first: tools with lognormal latencies, a day and a week in their rates, agents that work in bursts, rare
failures, costs with a heavy tail. Then the same with one fault in one tool or agent, and what opens for it in time is a
hit. Everything comes from seeds. Prints recall, the median delay in calls of the tool (for silence: in minutes), in how
many runs an incident ended while the fault lasted and how long after it the last one did, false alarms per 10,000 clean
calls, and microseconds a call. Promises: at most 3 false alarms, at most 10 us.

    python benchmarks/anomalies_seeded.py [SEEDS]
"""

from __future__ import annotations

import math
import random
import statistics
import sys
import time as stopwatch
from collections.abc import Callable, Iterator
from typing import NamedTuple

from codespar_cli.plugins.observability.anomalies.call_watch import CallWatch
from codespar_cli.plugins.observability.anomalies.incident_book import Entry

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
START = 20_000 * DAY  # a Wednesday
DAYS = 12
FAULT_AT = START + 10 * DAY + 10 * HOUR
FAULT_ENDS = FAULT_AT + 8 * HOUR


class Call(NamedTuple):
    time: int
    tenant: str
    agent: str
    tool: str
    latency_ms: float
    success: bool
    cost: float | None


class Tool(NamedTuple):
    name: str
    per_hour: float
    median_ms: float
    sigma: float
    failing: float
    cost: float | None
    office: bool


TOOLS = (
    Tool("search/web", 60, 400, 0.5, 0.01, 0.005, office=False),
    Tool("github/get_issue", 40, 180, 0.35, 0.005, None, office=True),
    Tool("fs/read", 90, 4, 0.8, 0.002, None, office=True),
    Tool("db/query", 50, 60, 1.0, 0.01, None, office=False),
    Tool("llm/complete", 45, 2500, 0.6, 0.02, 0.03, office=True),
    Tool("mail/send", 8, 300, 0.3, 0.01, 0.001, office=True),
    Tool("deploy/staging", 3, 45_000, 0.4, 0.05, None, office=True),
)
SUBJECT = "search/web"
AGENTS = ("researcher", "coder", "ops")


def clean(seed: int, days: int = DAYS) -> Iterator[Call]:
    """In the order of time."""
    rng = random.Random(seed)
    calls: list[Call] = []
    for tool in TOOLS:
        for hour in range(days * 24):
            calls.extend(_hour(rng, tool, START + hour * HOUR))
    calls.sort(key=lambda call: call.time)
    return iter(calls)


def _hour(rng: random.Random, tool: Tool, start: int) -> Iterator[Call]:
    of_day, weekday = start // HOUR % 24, (start // DAY + 3) % 7
    wave = 0.6 + 0.4 * math.sin((of_day - 8) / 24 * 2 * math.pi)
    if tool.office:
        wave = (1.0 if 8 <= of_day < 19 else 0.03) * (0.1 if weekday >= 5 else 1.0)
    # Half comes evenly, half in the sessions of agents: some calls within a minute or two.
    mean = tool.per_hour * wave * rng.lognormvariate(0, 0.15)
    moments = [(start + rng.randrange(HOUR), rng.choice(AGENTS)) for _ in range(_poisson(rng, mean / 2))]
    while mean > 0 and rng.random() < mean / 2 / 8 / (1 + mean / 16):
        mean -= 8
        began, agent = start + rng.randrange(HOUR), rng.choice(AGENTS)
        for _ in range(1 + int(rng.expovariate(1 / 8))):
            began += int(rng.expovariate(1 / 6) * SECOND)
            moments.append((began, agent))
    load = 1 + 0.25 * wave
    for moment, agent in moments:
        latency = tool.median_ms * load * rng.lognormvariate(0, tool.sigma)
        cost = None if tool.cost is None else round(tool.cost * rng.lognormvariate(0, 0.8), 6)
        yield Call(moment, "default", agent, tool.name, latency, rng.random() >= tool.failing, cost)


def _poisson(rng: random.Random, mean: float) -> int:
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


Fault = Callable[[random.Random, Iterator[Call]], Iterator[Call]]


def _within(call: Call) -> bool:
    return call.tool == SUBJECT and FAULT_AT <= call.time < FAULT_ENDS


def step(rng: random.Random, calls: Iterator[Call]) -> Iterator[Call]:
    return (call._replace(latency_ms=call.latency_ms * 3) if _within(call) else call for call in calls)


def drift(rng: random.Random, calls: Iterator[Call]) -> Iterator[Call]:
    """From x1 to x3 within 36 hours."""
    for call in calls:
        if call.tool == SUBJECT and call.time >= FAULT_AT:
            grown = min((call.time - FAULT_AT) / (36 * HOUR), 1.0)
            yield call._replace(latency_ms=call.latency_ms * (1 + 2 * grown))
        else:
            yield call


def spike(rng: random.Random, calls: Iterator[Call]) -> Iterator[Call]:
    """Five calls in a row take ten times as long."""
    left = 5
    for call in calls:
        if left and _within(call):
            left -= 1
            yield call._replace(latency_ms=call.latency_ms * 10)
        else:
            yield call


def silence(rng: random.Random, calls: Iterator[Call]) -> Iterator[Call]:
    return (call for call in calls if not _within(call))


def burst(rng: random.Random, calls: Iterator[Call]) -> Iterator[Call]:
    """An agent in a loop: a call a second for five minutes."""
    extra = [
        Call(FAULT_AT + second * SECOND, "default", "coder", SUBJECT, 500 * rng.lognormvariate(0, 0.5), True, None)
        for second in range(300)
    ]
    return iter(sorted([*calls, *extra], key=lambda call: call.time))


def half_slower(rng: random.Random, calls: Iterator[Call]) -> Iterator[Call]:
    return (call._replace(latency_ms=call.latency_ms * 1.5) if _within(call) else call for call in calls)


def failing(share: float, hours: int) -> Fault:
    """So many more fail."""

    def fails(rng: random.Random, call: Call) -> bool:
        return call.tool == SUBJECT and 0 <= call.time - FAULT_AT < hours * HOUR and rng.random() < share

    return lambda rng, calls: (call._replace(success=call.success and not fails(rng, call)) for call in calls)


def dearer(rng: random.Random, calls: Iterator[Call]) -> Iterator[Call]:
    """Every call of one agent costs 80 % more, for the rest of the time."""
    for call in calls:
        if call.agent == "researcher" and call.time >= FAULT_AT and call.cost is not None:
            yield call._replace(cost=call.cost * 1.8)
        else:
            yield call


class Case(NamedTuple):
    name: str
    fault: Fault
    kind: str
    tool: str | None
    agent: str | None
    ends: int
    over: int | None = None
    """When the fault itself is over, for those that last and have an end."""


CASES = (
    Case("latency step x3", step, "latency", SUBJECT, None, FAULT_ENDS, FAULT_ENDS),
    Case("latency step x1.5", half_slower, "latency", SUBJECT, None, FAULT_ENDS, FAULT_ENDS),
    Case("latency drift to x3", drift, "latency", SUBJECT, None, FAULT_AT + 36 * HOUR),
    Case("latency spike, 5 calls x10", spike, "latency", SUBJECT, None, FAULT_ENDS),
    Case("silence, 8 hours", silence, "silence", SUBJECT, None, FAULT_ENDS),
    Case("burst, 1/s for 5 min", burst, "call_rate", SUBJECT, None, FAULT_AT + HOUR),
    Case("errors 1 -> 10 %, 8 h", failing(0.09, 8), "error_rate", SUBJECT, None, FAULT_ENDS, FAULT_ENDS),
    Case(
        "errors 1 -> 5 %, 7 h", failing(0.04, 7), "error_rate", SUBJECT, None, FAULT_AT + 7 * HOUR, FAULT_AT + 7 * HOUR
    ),
    Case("errors 1 -> 3 %, 24 h", failing(0.02, 24), "error_rate", SUBJECT, None, FAULT_AT + DAY, FAULT_AT + DAY),
    Case("agent's cost +80 %", dearer, "cost", None, "researcher", START + DAYS * DAY),
)


class Found(NamedTuple):
    entry: Entry
    at: int
    call: int


def seconds_of(calls: list[Call]) -> float:
    """Of the processor, for the watch alone."""
    watch = CallWatch()
    began = stopwatch.process_time()
    for call in calls:
        watch.add(*call)
    return stopwatch.process_time() - began


def watched(calls: list[Call], subject: Case | None = None) -> tuple[list[Found], int, list[Entry]]:
    """What was opened, when and at which call of the subject; how many calls it had before the fault; all as it ended."""
    watch = CallWatch()
    found: list[Found] = []
    seen: set[object] = set()
    of_subject = before = 0
    for call in calls:
        watch.add(*call)
        if subject is not None and (call.tool == subject.tool or call.agent == subject.agent):
            of_subject += 1
            before += call.time < FAULT_AT
        for entry in watch.book.open.values():
            name = (entry.subject, entry.started)
            if name not in seen:
                seen.add(name)
                found.append(Found(entry, call.time, of_subject))
    return found, before, watch.book.entries()


def main(seeds: int = 10) -> None:
    alarms: list[Found] = []
    calls, seconds = 0, 0.0
    for seed in range(seeds):
        stream = list(clean(seed))
        found, _, _ = watched(stream)
        alarms += found
        calls += len(stream)
        seconds += seconds_of(stream)
    print(f"clean traffic: {calls:,} calls in {seeds} runs of {DAYS} days, {len(TOOLS)} tools")
    print(f"false alarms per 10,000 calls: {10_000 * len(alarms) / calls:.2f}   (promise: 3)")
    for alarm in alarms[:40]:
        print(f"    {alarm.entry.subject[1:]}: {alarm.entry.explanation}")
    print(f"{1e6 * seconds / calls:.1f} us a call   (promise: 10)\n")
    print(
        f"{'fault':<28}{'recall':>8}{'delay, calls':>14}{'minutes':>9}{'too early':>11}{'after, min':>12}  an explanation"
    )
    for case in CASES:
        hits, delays, minutes, after, early, words = 0, [], [], [], 0, ""
        for seed in range(seeds):
            found, before, entries = watched(list(case.fault(random.Random(seed), clean(seed))), case)
            wanted = [
                each
                for each in found
                if each.entry.subject[1:] == (case.tool, case.agent, case.kind) and FAULT_AT <= each.at < case.ends
            ]
            if wanted:
                hits += 1
                delays.append(wanted[0].call - before)
                minutes.append((wanted[0].at - FAULT_AT) / 60 / SECOND)
                words = wanted[0].entry.explanation
                if case.over is not None:
                    ends = _ends(case, entries, FAULT_AT)
                    early += any(end < case.over for end in ends)
                    after += [(end - case.over) / 60 / SECOND for end in ends[-1:] if end >= case.over]
        delay = f"{statistics.median(delays):.0f}" if delays else "-"
        minute = f"{statistics.median(minutes):.0f}" if minutes else "-"
        last = f"{statistics.median(after):.0f}" if after else "-"
        too_early = f"{early / max(hits, 1):.2f}" if case.over is not None else "-"
        print(f"{case.name:<28}{hits / seeds:>8.2f}{delay:>14}{minute:>9}{too_early:>11}{last:>12}  {words}")


def _ends(case: Case, entries: list[Entry], since: int) -> list[int]:
    """Of the incidents that lasted at any time of the fault."""
    assert case.over is not None
    return sorted(
        entry.resolved
        for entry in entries
        if entry.subject[1:] == (case.tool, case.agent, case.kind)
        and entry.started < case.over
        and entry.resolved is not None
        and entry.resolved >= since
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
