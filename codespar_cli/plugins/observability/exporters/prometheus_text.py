"""Counters as text: Prometheus' exposition format 0.0.4, or OpenMetrics 1.0, which differs in three places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import accumulate
from typing import Literal, NamedTuple

from codespar_cli.core.administration.metrics import money_text
from codespar_cli.core.text import visible
from codespar_cli.plugins.observability.exporters.prometheus_counters import BOUNDS, CallCounters, Durations

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Family(NamedTuple):
    """A counter, named without its `_total`, or a gauge: what is now, and may be less the next time."""

    name: str
    help: str
    labels: tuple[str, ...]
    samples: Sequence[tuple[tuple[str, ...], str]]
    kind: Literal["counter", "gauge"] = "counter"


def families_of(counters: CallCounters) -> list[Family]:
    return [
        Family("codespar_tool_calls", "Calls of tools.", ("tool", "agent", "outcome"), _counts(counters.calls.items())),
        Family(
            "codespar_tool_cost_usd",
            "What calls cost where that is known, by how it is known.",
            ("tool", "agent", "source"),
            [(key, _money(micros)) for key, micros in sorted(counters.cost_micros.items())],
        ),
        Family(
            "codespar_tool_unknown_cost_calls",
            "Calls that cost nobody knows what.",
            ("tool", "agent"),
            _counts(counters.unpriced.items()),
        ),
        Family("codespar_tool_tokens", "Tokens of calls.", ("tool", "agent", "type"), _counts(counters.tokens.items())),
    ]


def exposition(counters: CallCounters, others: Iterable[Family] = (), *, openmetrics: bool = False) -> Iterator[str]:
    """Lines with their ends, family by family."""
    for family in (*families_of(counters), *others):
        yield from _numbers(family, openmetrics=openmetrics)
    yield from _histogram(counters.durations)
    if openmetrics:
        yield "# EOF\n"


def counter(name: str, help: str, labels: tuple[str, ...], counts: Iterable[tuple[tuple[str, ...], int]]) -> Family:
    return Family(name, help, labels, _counts(counts))


def gauge(name: str, help: str, labels: tuple[str, ...], counts: Iterable[tuple[tuple[str, ...], int]]) -> Family:
    return Family(name, help, labels, _counts(counts), "gauge")


def _counts(counts: Iterable[tuple[tuple[str, ...], int]]) -> list[tuple[tuple[str, ...], str]]:
    return [(key, str(count)) for key, count in sorted(counts)]


def _numbers(family: Family, *, openmetrics: bool) -> Iterator[str]:
    sample = f"{family.name}_total" if family.kind == "counter" else family.name
    # OpenMetrics names a family without the suffix of its samples.
    name = family.name if openmetrics else sample
    yield f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n"
    for values, number in family.samples:
        yield f"{sample}{_labels(family.labels, values)} {number}\n"


def _histogram(durations: Mapping[tuple[str, str], Durations]) -> Iterator[str]:
    name = "codespar_tool_call_duration_seconds"
    yield f"# HELP {name} How long calls took.\n# TYPE {name} histogram\n"
    for pair, each in sorted(durations.items()):
        running = list(accumulate(each.counts))
        for bound, count in zip((*map(repr, BOUNDS), "+Inf"), running, strict=True):
            yield f"{name}_bucket{_labels(('tool', 'agent', 'le'), (*pair, bound))} {count}\n"
        labels = _labels(("tool", "agent"), pair)
        yield f"{name}_sum{labels} {each.seconds!r}\n{name}_count{labels} {running[-1]}\n"


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    if not names:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)) + "}"


def _escaped(value: str) -> str:
    # Spelled out first: a dashboard and a terminal are shown what an agent called its tool.
    return visible(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _money(micros: int) -> str:
    return money_text(Decimal(micros).scaleb(-6)) or "0"
