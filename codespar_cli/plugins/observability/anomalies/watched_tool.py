"""Everything that is watched of one tool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codespar_cli.core.administration.anomalies import ANOMALY_KINDS, AnomalyKind
from codespar_cli.plugins.observability.anomalies import wording
from codespar_cli.plugins.observability.anomalies.call_bursts import CallBursts
from codespar_cli.plugins.observability.anomalies.call_gaps import LONGEST_US, CallGaps
from codespar_cli.plugins.observability.anomalies.failure_level import FailureLevel
from codespar_cli.plugins.observability.anomalies.incident_book import IncidentBook, Subject
from codespar_cli.plugins.observability.anomalies.usual_level import LevelRule, UsualLevel
from codespar_cli.plugins.observability.anomalies.watched_cost import ADOPTED_US, WatchedCost
from codespar_cli.plugins.observability.anomalies.week_profile import HOUR_US, WeekProfile

__all__ = ["WARM_UP", "WatchedTool"]

WARM_UP = 100
"""A tool with fewer calls opens no incident."""
SHORTEST_MS = 0.001
LATENCY_RULE = LevelRule(warm_up=WARM_UP, slack=0.75, limit=14.0, least=1.5, steady=20, memory_days=7.0)
CHECK_EVERY_US = 10 * 60_000_000


class WatchedTool:
    """Calls are told in the order of their times."""

    __slots__ = ("_bursts", "_cost", "_failures", "_gaps", "_latency", "_profile", "calls", "name", "tenant")

    def __init__(self, tenant: str, name: str, time: int, others: int) -> None:
        self.tenant = tenant
        self.name = name
        self.calls = 0
        self._latency = UsualLevel(LATENCY_RULE)
        self._failures = FailureLevel()
        self._profile = WeekProfile(time // HOUR_US)
        self._bursts = CallBursts()
        self._gaps = CallGaps(time, others)
        self._cost: WatchedCost | None = None

    def add(
        self, time: int, day: int, latency_ms: float, failed: bool, cost: float | None, others: int, book: IncidentBook
    ) -> None:
        self.calls += 1
        self._add_gap(time, others, book)
        profile, bursts = self._profile, self._bursts
        profile.count += 1
        burst = bursts.add(time, profile)
        if (
            burst is not None
            and not bursts.opened
            and self.calls > WARM_UP
            and book.begin(self._subject("call_rate"), time, burst.started, *wording.of_burst(burst))
        ):
            bursts.open(time, burst)
        self._add_outcome(time, failed, book)
        if not failed:
            self._add_latency(time, day, max(latency_ms, SHORTEST_MS), book)
        if cost is not None:
            self._add_cost(time, day, cost, book)

    @property
    def price(self) -> float | None:
        return None if self._cost is None else self._cost.price

    def _add_gap(self, time: int, others: int, book: IncidentBook) -> None:
        gaps, profile = self._gaps, self._profile
        silent = gaps.silent_since
        gaps.add(time, others, profile)
        hour = time // HOUR_US
        if hour != profile.hour:
            profile.turn(hour)
        if silent:
            book.end(self._subject("silence"), time)

    def _add_outcome(self, time: int, failed: bool, book: IncidentBook) -> None:
        failures = self._failures
        more = failures.add(time, failed)
        if more is not None:
            if book.begin(self._subject("error_rate"), time, more.started, *wording.of_failures(more)):
                failures.open(time, more)
        elif failures.opened and failures.settled(time):
            failures.close()
            book.end(self._subject("error_rate"), time)

    def _add_latency(self, time: int, day: int, latency_ms: float, book: IncidentBook) -> None:
        latency = self._latency
        unusual = latency.add(time, day, latency_ms)
        if unusual is not None:
            told = wording.of_latency(unusual, latency.usual())
            if book.begin(self._subject("latency"), time, unusual.started, *told):
                latency.open(time, unusual)
        elif latency.opened and latency.settled(time):
            latency.close()
            book.end(self._subject("latency"), time)

    def _add_cost(self, time: int, day: int, cost: float, book: IncidentBook) -> None:
        if self._cost is None:
            self._cost = WatchedCost(self._subject("cost"))
        self._cost.add(time, day, cost, book)

    # ── as time passes ──

    def due(self, now: int) -> int:
        """When to look whether there is anything to tell without a call."""
        due = self._gaps.due(now, self._profile)
        is_open = self._latency.opened or self._failures.opened or self._bursts.opened or self._gaps.silent_since
        if is_open or (self._cost is not None and self._cost.opened):
            due = min(due, now + CHECK_EVERY_US)
        return due

    def check(self, now: int, others: int, *, busiest: bool, book: IncidentBook) -> bool:
        """False when the tool has not been called for a week: it is not in use any more."""
        self._check_open(now, book)
        gaps = self._gaps
        if now - gaps.last > LONGEST_US:
            return False
        if not gaps.silent_since and self.calls >= WARM_UP:
            expected = gaps.judge(now, self.calls, others, self._profile, busiest=busiest)
            if expected is not None:
                told = wording.of_silence((now - gaps.last) / 1e6, expected)
                if book.begin(self._subject("silence"), now, gaps.last, *told):
                    gaps.silent_since = now
        return True

    def _check_open(self, now: int, book: IncidentBook) -> None:
        if self._bursts.opened:
            over = self._bursts.over_at(now)
            if over is not None:
                self._bursts.close()
                book.end(self._subject("call_rate"), over)
        lasting: tuple[tuple[AnomalyKind, UsualLevel | FailureLevel], ...] = (
            ("latency", self._latency),
            ("error_rate", self._failures),
        )
        for kind, level in lasting:
            if not level.opened:
                continue
            settled = level.settled(now)
            if settled or now - level.opened >= ADOPTED_US:
                level.close(adopt=not settled)
                book.end(self._subject(kind), now)
        if self._cost is not None:
            self._cost.check(now, book)

    def drop(self, now: int, book: IncidentBook) -> None:
        """It is watched no more: what is open ends."""
        for kind in ANOMALY_KINDS:
            book.end(self._subject(kind), now)

    def _subject(self, kind: AnomalyKind) -> Subject:
        return Subject(self.tenant, self.name, None, kind)

    def dump(self) -> list[Any]:
        return [
            self.tenant, self.name, self.calls, self._latency.dump(), self._failures.dump(), self._profile.dump(),
            self._bursts.dump(), self._gaps.dump(), None if self._cost is None else self._cost.dump(),
        ]  # fmt: skip

    @classmethod
    def load(cls, dumped: Sequence[Any]) -> WatchedTool:
        tenant, name, calls, latency, failures, profile, bursts, gaps, cost = dumped
        tool = cls(tenant, name, 0, 0)
        tool.calls = calls
        tool._latency.load(latency)
        tool._failures = FailureLevel.load(failures)
        tool._profile = WeekProfile.load(profile)
        tool._bursts = CallBursts.load(bursts)
        tool._gaps = CallGaps.load(gaps)
        if cost is not None:
            tool._cost = WatchedCost(tool._subject("cost")).load(cost)
        return tool
