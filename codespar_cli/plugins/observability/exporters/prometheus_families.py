"""What is counted beside calls: what checks found, and what did not reach the collector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.administration.tool_checks import CheckFilter
from codespar_cli.plugins.observability.checks.finding_store import kept_findings
from codespar_cli.plugins.observability.exporters.otlp_record import delivery
from codespar_cli.plugins.observability.exporters.prometheus_counters import MAX_PAIRS
from codespar_cli.plugins.observability.exporters.prometheus_text import Family, counter
from codespar_cli.plugins.observability.rollup import OTHERS

_MOST_FINDINGS = 100_000


def families_beside(directory: Path, wanted: MetricFilter) -> Iterator[Family]:
    """Of the stores in this directory. Raises StoreError."""
    found = kept_findings(
        directory,
        CheckFilter(tool=wanted.tool, agent=wanted.agent, tenant=wanted.tenant, since=wanted.since, until=wanted.until),
        _MOST_FINDINGS,
    )
    checks = Counter((finding.result.tool, str(finding.result.check)) for finding in found)
    yield counter("codespar_hallucinations", "What checks found in calls.", ("tool", "check"), capped(checks).items())
    dropped = delivery(directory).dropped
    yield counter("codespar_otlp_dropped", "Calls that did not reach the OTLP collector.", (), [((), dropped)])


def capped(counts: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """Those of MAX_PAIRS, the largest first; all others together under the name of their second part."""
    kept: Counter[tuple[str, str]] = Counter()
    for number, ((name, kind), count) in enumerate(_largest_first(counts.items())):
        kept[(name, kind) if number < MAX_PAIRS else (OTHERS, kind)] += count
    return kept


def _largest_first(items: Iterable[tuple[tuple[str, str], int]]) -> list[tuple[tuple[str, str], int]]:
    return sorted(items, key=lambda item: (-item[1], item[0]))
