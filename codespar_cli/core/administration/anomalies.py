"""What `metrics anomalies`, alerts and reports ask of an observability plugin that watches for anomalies.

All values are frozen, and know their JSON shape (docs/anomalies.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, get_args

from codespar_cli.core.clock import iso

AnomalyKind: TypeAlias = Literal["latency", "error_rate", "call_rate", "silence", "cost", "hallucination"]
AnomalySeverity: TypeAlias = Literal["info", "warning", "critical"]
ANOMALY_KINDS: tuple[AnomalyKind, ...] = get_args(AnomalyKind)
ANOMALY_SEVERITIES: tuple[AnomalySeverity, ...] = get_args(AnomalySeverity)
"""The least first."""


class Incident(NamedTuple):
    """Something unusual from `started_at` on. `resolved_at` is None while it lasts.

    `id` follows from who, what and when it started: the same calls make the same incidents with the same ids. `tool` is
    None where an agent is meant whatever it calls, `agent` where the tool is, whoever calls it. `observed` and `expected`
    are milliseconds (latency), shares from 0 to 1 (error_rate), calls (call_rate, silence), money (cost) or failed checks
    (hallucination).
    """

    id: str
    tenant: str
    tool: str | None
    agent: str | None
    kind: AnomalyKind
    severity: AnomalySeverity
    started_at: datetime
    resolved_at: datetime | None
    explanation: str
    observed: float
    expected: float

    def document(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "tool": self.tool,
            "agent": self.agent,
            "kind": self.kind,
            "severity": self.severity,
            "started_at": iso(self.started_at),
            "resolved_at": None if self.resolved_at is None else iso(self.resolved_at),
            "explanation": self.explanation,
            "observed": self.observed,
            "expected": self.expected,
        }


class AnomalyFilter(NamedTuple):
    """Which incidents are meant: those that lasted at any time from `since` on. `tool` and `agent` are globs."""

    tool: str | None = None
    agent: str | None = None
    tenant: str | None = None
    since: datetime | None = None


ALL_INCIDENTS = AnomalyFilter()


class AnomalyWatch(Protocol):
    """An observability plugin that finds anomalies in what it recorded."""

    def anomalies(self, wanted: AnomalyFilter | None = None) -> Sequence[Incident]:
        """By their beginning, oldest first. A store that does not exist yet is an empty one. Raises StoreError."""
        ...


def is_at_least(severity: AnomalySeverity, least: AnomalySeverity) -> bool:
    return ANOMALY_SEVERITIES.index(severity) >= ANOMALY_SEVERITIES.index(least)
