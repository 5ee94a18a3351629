from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from codespar_cli.plugins.observability.anomalies.day_profile import DayProfile, time_of_day

SIX = datetime(2026, 4, 1, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    "moment", [SIX, SIX.replace(tzinfo=None), "2026-04-01T06:00:00", "2026-04-01 06:00:00.000000", "20260401T060000Z"]
)
def test_a_wall_clock_is_read(moment):
    assert time_of_day(moment) == (SIX.toordinal(), 0.25)


@pytest.mark.parametrize("parts", [1, 1e3, 1e6, 1e9])
def test_an_epoch_number_is_read_whatever_its_unit(parts):
    assert time_of_day(SIX.timestamp() * parts)[1] == pytest.approx(0.25)


@pytest.mark.parametrize("moment", [None, "", "soon", object(), [], b"x", float("nan"), float("inf"), 10**400, 1e300])
def test_what_is_no_time_is_none(moment):
    assert time_of_day(moment) is None


@pytest.mark.parametrize("moment", [-1, -0.0, 1e-300, -1e-300, -1e12, 86_399.999_999_999_99, 5e11])
def test_the_part_of_the_day_is_below_one(moment):
    assert 0.0 <= time_of_day(moment)[1] < 1.0


def filled(days, value):
    profile = DayProfile()
    for day in range(days):
        for hour in range(24):
            profile.surprise(day, hour / 24, value(hour))
            profile.learn(hour / 24, value(hour))
    return profile


def test_a_daily_rhythm_explains_only_after_three_days():
    assert not filled(2, lambda hour: 10.0 * hour).explains
    profile = filled(4, lambda hour: 10.0 * hour)
    assert profile.explains
    assert profile.surprise(4, 6 / 24, 75.0) == pytest.approx(15.0)


def test_noise_is_not_explained_by_the_time_of_day():
    numbers = random.Random(1)
    assert not filled(20, lambda _hour: numbers.gauss(50, 5)).explains
    assert not filled(20, lambda _hour: 5.0).explains
