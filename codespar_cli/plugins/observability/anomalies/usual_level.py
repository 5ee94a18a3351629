"""What a positive quantity of one series usually is (a latency, the price of a call), and when it is no more.

Values are looked at as logarithms. Their distribution is kept as a histogram that fades day by day; its median and its
spread make a value comparable. Three things are unusual: a run of values that together lie too high (a CUSUM, which
finds a step within some calls and a drift sooner or later), higher by far than any such run before; and a single value
far beyond the tail and the record.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from math import exp, log
from typing import Any, NamedTuple

from codespar_cli.plugins.observability.anomalies.back_to_usual import LevelBack

__all__ = ["LevelRule", "Unusual", "UsualLevel"]

BUCKET = 0.125
"""The width of a bucket in nats: quantiles are within 6 % before they are interpolated."""
NARROWEST = 0.1
"""A spread below a tenth of the value is none that matters."""
CLIPPED = 4.0
RUN = 64
AFTER_SINGLE = 4
RARE = 13.8
"""A single value is unusual where the tail says once in a million values."""
RECORD = 1.5
"""How far beyond the record."""
REFRESH = 1.5


class LevelRule(NamedTuple):
    """`slack` in spreads is ignored, `limit` is what the run's sum has to reach, `least` the ratio worth telling; so many
    `steady` values after a single one say whether it stays the only one."""

    warm_up: int
    slack: float
    limit: float
    least: float
    steady: int
    memory_days: float


class Unusual(NamedTuple):
    """`values` is how many: 1 is a single one. `observed` and the usual range are this `share` of as many values: the
    median, or the 95th percentile if that stands out more."""

    values: int
    share: float
    observed: float
    middle: float
    low: float
    high: float
    started: int


class UsualLevel:
    """Fed in the order of time, one value at a time; a few hundred numbers are kept."""

    __slots__ = (
        "_after",
        "_back",
        "_buckets",
        "_day",
        "_edge",
        "_middle",
        "_peak",
        "_recent",
        "_record",
        "_refresh_at",
        "_rule",
        "_run_began",
        "_runs",
        "_seen",
        "_spread",
        "_sum",
        "_top",
        "_wild",
        "opened",
    )

    def __init__(self, rule: LevelRule) -> None:
        self._rule = rule
        self.opened = 0
        self._back = LevelBack()
        self._forget()

    def _forget(self) -> None:
        self._buckets: dict[int, float] = {}
        self._day = -1
        self._seen = 0
        self._refresh_at = self._rule.warm_up
        self._middle = self._spread = 0.0
        self._edge = float("inf")
        self._top = float("-inf")
        self._restart()
        self._record = 0.0

    def _restart(self) -> None:
        self._wild: list[float] = []  # a single value: its time, itself, what is usual
        self._after: list[float] = []
        self._end_run()

    def _end_run(self) -> None:
        self._sum = self._peak = 0.0
        self._runs = 0
        self._run_began = 0
        self._recent: list[float] = []

    def add(self, time: int, day: int, value: float) -> Unusual | None:
        """What is unusual as of this value, which is above 0. While an incident is open nothing is learnt."""
        number = log(value)
        if self.opened:
            score = (number - self._middle) / self._spread
            self._back.add(time, min(max(score, -CLIPPED), CLIPPED))
            return None
        found = self._judge(time, number) if self._seen >= self._rule.warm_up else None
        if found is None:
            self._learn(day, number)
        return found

    def open(self, time: int, found: Unusual) -> None:
        """An incident was opened for what was found."""
        self.opened = time
        self._back.start(time, min((log(found.middle) - self._middle) / self._spread, CLIPPED))
        self._restart()

    def settled(self, now: int) -> bool:
        """Whether the last values are as usual, while an incident is open."""
        return self._back.is_sure(now)

    def close(self, *, adopt: bool = False) -> None:
        """The incident is over. `adopt`: since what was unusual has become usual, and is learnt from the beginning."""
        self.opened = 0
        if adopt:
            self._forget()
        self._restart()

    @property
    def is_known(self) -> bool:
        return self._seen >= self._rule.warm_up

    def usual(self) -> float:
        return exp(self._middle)

    # ── inside ──

    def _judge(self, time: int, number: float) -> Unusual | None:
        single = self._since_single(number)
        if number > self._edge and number > self._top + log(RECORD):
            self._keep_single(time, number)
        return self._run_with(time, number) or single

    def _run_with(self, time: int, number: float) -> Unusual | None:
        score = (number - self._middle) / self._spread
        score = CLIPPED if score > CLIPPED else max(score, -CLIPPED)
        total = self._sum + score - self._rule.slack
        if total <= 0.0:
            if self._runs:
                self._record = max(self._record, self._peak)
                self._end_run()
            return None
        if not self._runs:
            self._run_began = time
        self._sum = total
        self._runs += 1
        recent = self._recent
        recent.append(number)
        if len(recent) > RUN:
            del recent[0]
        if total > self._peak:
            self._peak = total
            if total > max(self._rule.limit, RECORD * self._record):
                return self._run()
        return None

    def _run(self) -> Unusual | None:
        ordered = sorted(self._recent)
        if ordered[len(ordered) // 2] < self._middle + log(self._rule.least):
            return None
        self._record = max(self._record, self._sum)
        shown = max((self._shown(ordered, share) for share in (0.5, 0.95)), key=lambda each: each[1] / each[3])
        return Unusual(self._runs, shown[0], shown[1], exp(ordered[len(ordered) // 2]), *shown[2:], self._run_began)

    def _shown(self, ordered: Sequence[float], share: float) -> tuple[float, float, float, float]:
        """The share, its value, and between what it lies, nine times out of ten, for as many usual values."""
        count = len(ordered)
        off = 1.65 * (share * (1 - share) / count) ** 0.5
        low, high = self._quantiles([max(share - off, 0.05), min(share + off, 0.999)])
        return share, exp(ordered[round(share * (count - 1))]), exp(low), exp(high)

    def _keep_single(self, time: int, number: float) -> None:
        """Whether it stays the only one is seen by the next values."""
        self._top = number
        self._wild = [time, exp(number), exp(self._middle), exp(self._quantiles([0.99])[0])]
        self._after = []

    def _since_single(self, number: float) -> Unusual | None:
        """A wild value is told once some usual ones came after it; else a run is what there is to tell."""
        if not self._wild:
            return None
        self._after.append(number)
        if len(self._after) < AFTER_SINGLE:
            return None
        usual = sorted(self._after)[len(self._after) // 2] <= self._middle + self._rule.slack * self._spread
        if not usual and len(self._after) < self._rule.steady:
            return None
        (time, value, low, high), self._wild = self._wild, []
        return Unusual(1, 1.0, value, value, low, high, int(time)) if usual else None

    def _learn(self, day: int, number: float) -> None:
        if day != self._day:
            self._turn(day)
        bucket = int(number // BUCKET)
        self._buckets[bucket] = self._buckets.get(bucket, 0.0) + 1.0
        self._seen += 1
        self._top = max(self._top, number)
        if self._seen >= self._refresh_at:
            self._refresh()

    def _turn(self, day: int) -> None:
        if self._day >= 0:
            kept = exp(-max(day - self._day, 0) / self._rule.memory_days)
            faded = {bucket: count * kept for bucket, count in self._buckets.items() if count * kept > 0.02}
            # A series that was away for a year knows more than nothing.
            self._buckets = faded if sum(faded.values()) >= self._rule.warm_up / 2 else self._buckets
            if self._seen >= self._rule.warm_up:
                self._refresh()
        self._day = day

    def _refresh(self) -> None:
        low, middle, high, far, farther = self._quantiles([0.25, 0.5, 0.75, 0.9, 0.99])
        self._middle = middle
        # The upper side counts where it is the wider one: what is looked for is above.
        self._spread = max((high - low) / 1.349, (far - middle) / 1.2816, NARROWEST)
        tail = max((farther - far) / log(10), self._spread / 4)
        self._edge = far + tail * (RARE - log(10))
        self._refresh_at = max(int(self._seen * REFRESH), self._rule.warm_up)

    def _quantiles(self, shares: Sequence[float]) -> list[float]:
        ordered = sorted(self._buckets.items())
        sums = list(accumulate(count for _, count in ordered))
        found = []
        for share in shares:
            rank = share * sums[-1]
            at = min(bisect_left(sums, rank), len(ordered) - 1)
            bucket, count = ordered[at]
            part = (rank - (sums[at] - count)) / count if count else 0.5
            found.append((bucket + min(max(part, 0.0), 1.0)) * BUCKET)
        return found

    def dump(self) -> list[Any]:
        return [
            list(self._buckets.items()), self._day, self._seen, self._refresh_at, self._middle, self._spread,
            None if self._edge == float("inf") else self._edge, None if self._top == float("-inf") else self._top,
            self._sum, self._peak, self._runs, self._run_began, self._recent, self._record, self.opened, self._wild, self._after,
            self._back.dump(),
        ]  # fmt: skip

    def load(self, dumped: Sequence[Any]) -> UsualLevel:
        buckets, self._day, self._seen, self._refresh_at, self._middle, self._spread, edge, top, *rest = dumped
        self._buckets = dict(map(tuple, buckets))
        self._edge = float("inf") if edge is None else edge
        self._top = float("-inf") if top is None else top
        (
            self._sum,
            self._peak,
            self._runs,
            self._run_began,
            self._recent,
            self._record,
            self.opened,
            self._wild,
            self._after,
            back,
        ) = rest
        self._back.load(back)
        if self._seen >= self._rule.warm_up and not self._spread >= NARROWEST:
            raise ValueError("a known level has no spread")
        return self
