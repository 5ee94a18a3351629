from __future__ import annotations

import random
import statistics

import pytest

from codespar_cli.plugins.observability.histogram import LatencyHistogram, bucket_of, middle_of


def histogram_of(values):
    histogram = LatencyHistogram()
    for value in values:
        histogram.add(1, value, value, value, str(bucket_of(value)))
    return histogram


@pytest.mark.parametrize("exponent", range(-6, 13))
def test_the_middle_of_a_bucket_is_near_everything_in_it(exponent):
    for mantissa in (1.0, 1.7, 3.333, 9.999):
        value = mantissa * 10.0**exponent
        assert middle_of(bucket_of(value)) == pytest.approx(value, rel=0.0091)


def test_one_value_is_every_percentile():
    assert histogram_of([12.5]).quantiles(0.5, 0.95, 0.99) == [12.5, 12.5, 12.5]


def test_zero_is_a_latency():
    histogram = histogram_of([0.0, 0.0, 0.0, 8.0])
    assert histogram.quantiles(0.0, 0.5, 1.0) == [0.0, 0.0, 8.0]
    assert histogram.mean == 2.0


def test_percentiles_of_a_heavy_tail_are_within_one_percent():
    generator = random.Random(7)
    values = [generator.lognormvariate(4, 2) for _ in range(20_000)]
    exact = statistics.quantiles(values, n=100, method="inclusive")
    found = histogram_of(values).quantiles(0.5, 0.95, 0.99)
    assert found == pytest.approx([exact[49], exact[94], exact[98]], rel=0.01)


def test_memory_depends_on_the_spread_not_on_the_count():
    histogram = histogram_of(random.Random(1).uniform(1, 1000) for _ in range(50_000))
    assert len(histogram.buckets) < 800
