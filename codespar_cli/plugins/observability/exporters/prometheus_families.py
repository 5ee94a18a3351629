"""What is counted beside calls: what checks found, and what did not reach the collector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from codespar_cli.core.administration.anomalies import AnomalyFilter, AnomalyWatch
from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.administration.tool_checks import CheckFilter
from codespar_cli.plugins.observability.checks.finding_store import kept_findings
from codespar_cli.plugins.observability.drift.pin_store import PinStore
from codespar_cli.plugins.observability.exporters.otlp_record import delivery
from codespar_cli.plugins.observability.exporters.prometheus_counters import MAX_PAIRS
from codespar_cli.plugins.observability.exporters.prometheus_text import Family, counter, gauge
from codespar_cli.plugins.observability.rollup import OTHERS

_MOST_FINDINGS = 100_000


def families_beside(directory: Path, wanted: MetricFilter, watch: AnomalyWatch) -> Iterator[Family]:
    """Of the stores in this directory; of `wanted` its names, and its times for what has one. Raises StoreError."""
    found = kept_findings(
        directory,
        CheckFilter(tool=wanted.tool, agent=wanted.agent, tenant=wanted.tenant, since=wanted.since, until=wanted.until),
        _MOST_FINDINGS,
    )
    checks = Counter((finding.result.tool, str(finding.result.check)) for finding in found)
    yield counter("codespar_hallucinations", "What checks found in calls.", ("tool", "check"), capped(checks).items())
    incidents = Counter(
        (incident.tool or "", str(incident.kind))
        for incident in watch.anomalies(AnomalyFilter(wanted.tool, wanted.agent, wanted.tenant, wanted.since))
        if _is_within(incident.started_at, wanted)
    )
    yield counter("codespar_anomalies", "What began to be unusual.", ("tool", "kind"), capped(incidents).items())
    yield gauge(
        "codespar_tool_drift", "Changes of tools that nobody approved.", ("server", "severity"), _drift(directory)
    )
    dropped = delivery(directory).dropped
    yield counter("codespar_otlp_dropped", "Calls that did not reach the OTLP collector.", (), [((), dropped)])


def _is_within(moment: datetime, wanted: MetricFilter) -> bool:
    return (wanted.since is None or wanted.since <= moment) and (wanted.until is None or moment < wanted.until)


def _drift(directory: Path) -> Iterable[tuple[tuple[str, str], int]]:
    with closing(PinStore(directory)) as pins:
        return capped(Counter((change.server, str(change.grade)) for change in pins.drift())).items()


def capped(counts: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """Those of MAX_PAIRS, the largest first; all others together under the name of their second part."""
    kept: Counter[tuple[str, str]] = Counter()
    for number, ((name, kind), count) in enumerate(_largest_first(counts.items())):
        kept[(name, kind) if number < MAX_PAIRS else (OTHERS, kind)] += count
    return kept


def _largest_first(items: Iterable[tuple[tuple[str, str], int]]) -> list[tuple[tuple[str, str], int]]:
    return sorted(items, key=lambda item: (-item[1], item[0]))
