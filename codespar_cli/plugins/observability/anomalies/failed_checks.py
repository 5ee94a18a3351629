"""Repeatedly failed checks as incidents: an agent that keeps calling what is not there, or keeps going in circles."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from codespar_cli.core.administration.anomalies import AnomalySeverity
from codespar_cli.core.administration.tool_checks import CheckFinding
from codespar_cli.core.clock import to_micros
from codespar_cli.core.durations import render_duration
from codespar_cli.plugins.observability.anomalies.incident_book import COOLDOWN_US, Entry, Subject

__all__ = ["hallucinations"]

REPEATED = 5
WITHIN_US = 10 * 60_000_000
QUIET_US = COOLDOWN_US
CRITICAL = 20


def hallucinations(findings: Iterable[CheckFinding], now: int) -> list[Entry]:
    """5 failed checks within 10 minutes for one agent and tool begin an incident; half an hour without ends it."""
    of: dict[Subject, list[tuple[int, str]]] = defaultdict(list)
    for finding in findings:
        subject = Subject(finding.tenant, finding.result.tool, finding.agent, "hallucination")
        of[subject].append((to_micros(finding.time), finding.result.check))
    return [entry for subject, times in of.items() for entry in _of_subject(subject, sorted(times), now)]


def _of_subject(subject: Subject, found: Sequence[tuple[int, str]], now: int) -> Iterable[Entry]:
    streak: list[tuple[int, str]] = []
    cool = found[0][0]
    for each in found:
        if streak and each[0] - streak[-1][0] >= QUIET_US:
            ended = streak[-1][0] + QUIET_US
            for entry in _of_streak(subject, streak, ended):
                yield entry
                cool = ended + COOLDOWN_US
            streak = []
        if each[0] >= cool:
            streak.append(each)
    if streak:
        quiet = streak[-1][0] + QUIET_US
        yield from _of_streak(subject, streak, quiet if now >= quiet else None)


def _of_streak(subject: Subject, streak: Sequence[tuple[int, str]], ended: int | None) -> Iterable[Entry]:
    for at in range(REPEATED - 1, len(streak)):
        first = streak[at - REPEATED + 1][0]
        if streak[at][0] - first <= WITHIN_US:
            break
    else:
        return
    rest = streak[at - REPEATED + 1 :]
    severity: AnomalySeverity = "critical" if len(rest) >= CRITICAL else "warning"
    kinds = ", ".join(f"{check} {count}x" for check, count in sorted(Counter(check for _, check in rest).items()))
    seconds = (rest[-1][0] - first) / 1e6
    words = f"{len(rest)} failed checks in {render_duration(max(seconds, 1))}, usual 0: {kinds}"
    yield Entry(subject, severity, first, ended, words, float(len(rest)), 0.0)
