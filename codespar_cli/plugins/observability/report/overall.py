"""All wanted calls as one group: what no grouping answers where a store has several tenants."""

from __future__ import annotations

from datetime import datetime

from codespar_cli.core.administration.metrics import CallStats, MetricFilter
from codespar_cli.plugins.observability.rollup import Rollup
from codespar_cli.plugins.observability.totals import Totals


def overall(rollup: Rollup, wanted: MetricFilter, now: datetime) -> CallStats | None:
    """None without a call. The trend is that against the period of the same length before `since`. Raises StoreError."""
    whole = Totals()
    for part in rollup.totals(wanted, ("tenant",)).values():
        _merge(whole, part)
    if not whole.calls:
        return None
    before = _calls_before(rollup, wanted, now)
    return whole.stats(None, (whole.calls - before) / before if before else None)


def _merge(whole: Totals, part: Totals) -> None:
    latency = part.latency
    # As the histogram spells them: nothing is there once, then each count with its bucket.
    buckets = "|".join(["", *(f"{count}={bucket}" for bucket, count in latency.buckets.items())])
    whole.latency.add(latency.count, latency.total, latency.minimum, latency.maximum, buckets)
    whole.errors += part.errors
    whole.priced += part.priced
    whole.cost_micros += part.cost_micros
    whole.input_tokens = _known_sum(whole.input_tokens, part.input_tokens)
    whole.output_tokens = _known_sum(whole.output_tokens, part.output_tokens)


def _calls_before(rollup: Rollup, wanted: MetricFilter, now: datetime) -> int:
    if wanted.since is None:
        return 0
    try:
        start = wanted.since - ((wanted.until or now) - wanted.since)
    except OverflowError:
        return 0
    return sum(rollup.calls(wanted._replace(since=start, until=wanted.since), ("tenant",)).values())


def _known_sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else other + (one or 0)
