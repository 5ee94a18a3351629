"""Streams of calls from seeds: clean ones of several shapes, and what goes wrong in them."""

import math
import random
from typing import NamedTuple

from codespar_cli.plugins.observability.anomalies.call_watch import CallWatch

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 20_000 * DAY  # a Wednesday


class Call(NamedTuple):
    time: int
    tenant: str = "default"
    agent: str = "bot"
    tool: str = "search/web"
    latency_ms: float = 100.0
    success: bool = True
    cost: float | None = None


def steady(seed, count=2000, every_s=60, tool="search/web", **fields):
    """A Poisson stream with lognormal latencies, 1 % failures and priced calls."""
    rng, time, calls = random.Random(seed), START, []
    for _ in range(count):
        time += 1 + int(rng.expovariate(1 / every_s) * SECOND)
        latency, failed = 400 * rng.lognormvariate(0, 0.5), rng.random() < 0.01
        cost = 0.01 * rng.lognormvariate(0, 0.6)
        calls.append(Call(time, "default", rng.choice(("bot", "coder")), tool, latency, not failed, cost))
    return [call._replace(**fields) for call in calls]


def metronome(seed):
    return [Call(START + number * MINUTE, cost=0.01) for number in range(10_000)]


def heavy_tails(seed):
    rng, calls = random.Random(seed), []
    for number in range(20):
        time = START
        for _ in range(500):
            time += int(rng.expovariate(1 / 600) * SECOND)
            cost = 0.01 * rng.paretovariate(1.5)
            latency = rng.lognormvariate(5, 1.5)
            calls.append(Call(time, "default", f"a{number % 4}", f"t{number}", latency, rng.random() > 0.005, cost))
    return calls


def sessions(seed):
    """One agent by day: bursts of calls, minutes of thought, nights."""
    rng, time, calls = random.Random(seed), START + 9 * HOUR, []
    middle = {"read": 1, "edit": 2, "bash": 6, "grep": 3, "web": 7}
    for _ in range(350):
        time += int(rng.expovariate(1 / 1800) * SECOND)
        if time // HOUR % 24 >= 19:
            time += 13 * HOUR
        for _ in range(rng.randint(1, 60)):
            time += int(rng.expovariate(1 / 3) * SECOND)
            tool = rng.choice(("read", "read", "read", "edit", "bash", "bash", "grep", "web"))
            calls.append(
                Call(time, "default", "coder", tool, rng.lognormvariate(middle[tool], 0.9), rng.random() > 0.04)
            )
    return calls


def office_and_nights(seed):
    """A job that runs every night, an API that is called on working days."""
    rng, calls = random.Random(seed), []
    for day in range(40):
        for _ in range(150):
            time = START + day * DAY + 2 * HOUR + rng.randrange(HOUR // 2)
            calls.append(Call(time, "default", "batch", "etl", rng.lognormvariate(8, 0.3), rng.random() > 0.01, 0.1))
        if (day + 2) % 7 < 5:
            for _ in range(150):
                time = START + day * DAY + int(rng.gauss(13, 2) * HOUR)
                calls.append(
                    Call(time, "default", "web", "api", rng.lognormvariate(4, 0.5), rng.random() > 0.01, 0.001)
                )
    return calls


def one_hour(seed):
    rng, time, calls = random.Random(seed), START, []
    for _ in range(10_000):
        time += int(rng.expovariate(1 / 0.3) * SECOND)
        who = rng.choice(("x", "y")), rng.choice(("t", "u", "v", "w"))
        calls.append(Call(time, "default", *who, rng.lognormvariate(4, 0.6), rng.random() > 0.01, 0.01))
    return calls


def wave(seed):
    """Rates and latencies that follow the day."""
    rng, calls = random.Random(seed), []
    for hour in range(24 * 14):
        load = 1 + 0.8 * math.sin(hour / 24 * 2 * math.pi)
        for _ in range(round(40 * load * rng.lognormvariate(0, 0.15))):
            latency = 200 * (1 + 0.2 * load) * rng.lognormvariate(0, 0.5)
            time = START + hour * HOUR + rng.randrange(HOUR)
            calls.append(Call(time, "default", "bot", rng.choice(("a", "b")), latency, rng.random() > 0.01))
    return calls


CLEAN = (steady, metronome, heavy_tails, sessions, office_and_nights, one_hour, wave)


def watch_all(calls, watch=None):
    watch = watch or CallWatch()
    for call in sorted(calls, key=lambda call: call.time):
        watch.add(*call)
    return watch


def entries(calls):
    return watch_all(calls).book.entries()
