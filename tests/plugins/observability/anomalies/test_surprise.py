"""Surprises are bounds: never more than the exact tail says, and large where it is tiny."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.plugins.observability.anomalies.surprise import count_surprise, failure_surprise, silence_surprise


def binomial_tail(failed, calls, usual):
    return sum(
        math.comb(calls, k) * usual**k * (1 - usual) ** (calls - k) for k in range(failed, calls + 1)
    )  # fmt: skip


@given(st.integers(1, 60), st.integers(0, 60), st.floats(0.001, 0.999))
def test_failures_are_no_more_surprising_than_the_binomial_tail(calls, failed, usual):
    failed = min(failed, calls)
    exact = binomial_tail(failed, calls, usual)
    assert math.exp(-failure_surprise(failed, calls, usual)) >= exact * (1 - 1e-9)


@given(st.integers(0, 80), st.floats(0.01, 50))
def test_counts_are_no_more_surprising_than_the_poisson_tail(count, mean):
    below = sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count))
    assert math.exp(-count_surprise(count, mean, 1.0)) >= max(1 - below, 0.0) * (1 - 1e-6) - 1e-12


@given(st.integers(0, 80), st.floats(0.5, 20), st.floats(1.1, 10))
def test_counts_are_no_more_surprising_than_the_negative_binomial_tail(count, mean, dispersion):
    size, share = mean / (dispersion - 1), 1 / dispersion
    below = sum(
        math.exp(
            math.lgamma(size + k) - math.lgamma(size) - math.lgamma(k + 1)
            + size * math.log(share) + k * math.log(1 - share)
        )
        for k in range(count)
    )  # fmt: skip
    assert math.exp(-count_surprise(count, mean, dispersion)) >= max(1 - below, 0.0) * (1 - 1e-6) - 1e-12


@given(st.floats(0.1, 100), st.floats(1.0, 20))
def test_silence_is_the_probability_of_zero(mean, dispersion):
    expected = mean if dispersion <= 1.001 else mean / (dispersion - 1) * math.log(dispersion)
    assert silence_surprise(mean, dispersion) == pytest.approx(expected)
    assert silence_surprise(mean, dispersion) <= mean + 1e-9


def test_what_never_fails_and_never_calls():
    assert failure_surprise(1, 10, 0.0) == math.inf
    assert failure_surprise(0, 10, 0.0) == 0.0
    assert failure_surprise(10, 10, 0.5) == pytest.approx(10 * math.log(2))
    assert count_surprise(1, 0.0, 1.0) == math.inf
    assert count_surprise(0, 0.0, 1.0) == 0.0


def test_bursts_make_a_count_less_surprising():
    rng = random.Random(1)
    for _ in range(100):
        mean, count = rng.uniform(1, 20), rng.randint(20, 100)
        assert count_surprise(count, mean, 5.0) <= count_surprise(count, mean, 1.0)
