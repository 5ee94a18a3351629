"""What `metrics anomalies` shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from codespar_cli.core.administration.anomalies import ANOMALY_SEVERITIES, Incident
from codespar_cli.core.clock import iso_second

HEADERS = ("severity", "kind", "tool", "agent", "started", "resolved", "what")


def rows(incidents: Iterable[Incident]) -> list[tuple[str, ...]]:
    return [
        (
            each.severity,
            each.kind,
            each.tool or "",
            each.agent or "",
            iso_second(each.started_at),
            "still open" if each.resolved_at is None else iso_second(each.resolved_at),
            each.explanation,
        )
        for each in incidents
    ]


def summary(incidents: Sequence[Incident]) -> str:
    """`3 anomalies: 1 critical, 2 warning; 1 still open`, the worst first."""
    counts = {
        severity: sum(each.severity == severity for each in incidents) for severity in reversed(ANOMALY_SEVERITIES)
    }
    told = ", ".join(f"{count} {severity}" for severity, count in counts.items() if count)
    still = sum(each.resolved_at is None for each in incidents)
    noun = "anomaly" if len(incidents) == 1 else "anomalies"
    return f"{len(incidents)} {noun}: {told}; {still or 'none'} still open"
