from __future__ import annotations

import math
import pickle
import random
import time
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codespar_cli.plugins.observability import DETECT_THRESHOLD, detect
from codespar_cli.plugins.observability.anomalies.detect import VIEWS, SeriesDetector

STAMP = datetime(2026, 4, 1, tzinfo=UTC)
ODD = [float("nan"), float("inf"), float("-inf"), None, "", "x", "7", True, 1e308, -1e308, 5e-324, 10**400, object()]
values = st.lists(st.floats(-1e6, 1e6) | st.integers(-5, 5) | st.sampled_from(ODD), max_size=400)


def stamps(count, minutes=5):
    return [STAMP + timedelta(minutes=minutes * index) for index in range(count)]


def gaussian(seed, count=3000, mean=100.0, deviation=10.0):
    numbers = random.Random(seed)
    return [numbers.gauss(mean, deviation) for _ in range(count)]


def daily(seed, count=3000):
    numbers = random.Random(seed)
    return [50 + 30 * math.sin(2 * math.pi * index / 288) + numbers.gauss(0, 3) for index in range(count)]


def lognormal(seed, count=3000):
    numbers = random.Random(seed)
    return [math.exp(numbers.gauss(5, 0.5)) for _ in range(count)]


def counts(seed, count=3000, usual=10):
    numbers = random.Random(seed)
    return [float(sum(numbers.random() < usual / 100 for _ in range(100))) for _ in range(count)]


def walk(seed, count=3000):
    numbers, value, found = random.Random(seed), 0.0, []
    for _ in range(count):
        value += numbers.gauss(0, 1)
        found.append(value)
    return found


def alarms(series, times=None):
    scores = detect(series, stamps(len(series)) if times is None else times)
    return [index for index, score in enumerate(scores) if score >= DETECT_THRESHOLD]


@given(values, values)
@settings(max_examples=60, deadline=None)
def test_what_comes_later_changes_no_score(past, future):
    whole = detect(past + future, stamps(len(past) + len(future)))
    assert whole[: len(past)] == detect(past, stamps(len(past)))


def test_what_comes_later_changes_no_score_of_a_long_series():
    series = daily(1) + [500.0] * 20 + daily(2)
    whole = detect(series, stamps(len(series)))
    for cut in (90, 150, 1000, 3001, 3010, 4500):
        assert whole[:cut] == detect(series[:cut], stamps(cut))


@given(values)
@settings(max_examples=60, deadline=None)
def test_there_is_one_finite_score_per_value_whatever_the_values(series):
    scores = detect(series, stamps(len(series)))
    assert len(scores) == len(series)
    assert all(0.0 <= score < 1.0 for score in scores)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), None, "x", 10**400, object()])
def test_a_gap_scores_nothing_and_teaches_nothing(odd):
    series = gaussian(3)
    holed = [*series[:2000], odd, odd, *series[2000:]]
    # Without times, for they would shift.
    plain, scored = detect(series), detect(holed)
    assert scored[2000:2002] == [0.0, 0.0]
    assert scored[:2000] + scored[2002:] == plain


def test_one_absurd_value_does_not_blind_the_detector():
    series = gaussian(4)
    series[1500] = 1e308
    series[2500:2510] = [200.0] * 10
    found = alarms(series)
    assert 1500 in found
    assert any(2500 <= index < 2505 for index in found)


def test_numbers_of_other_types_are_numbers():
    series = [float(round(value)) for value in gaussian(5, 600)]
    expected = detect(series)
    assert detect([Decimal(value) for value in series]) == expected
    assert detect([str(value) for value in series]) == expected
    assert detect([int(value) for value in series]) == expected


@pytest.mark.parametrize("exponent", [-40, -3, 5, 60])
@pytest.mark.parametrize("series", [gaussian(6), daily(7), counts(8), lognormal(9)])
def test_the_unit_of_the_values_does_not_matter(series, exponent):
    # A power of two scales without rounding: the scores are to be the same to the last bit but for the guard
    # against rounding errors.
    scaled = [value * 2.0**exponent for value in series]
    assert detect(scaled, stamps(3000)) == pytest.approx(detect(series, stamps(3000)), abs=1e-9)


@pytest.mark.parametrize("moved", [-250.0, 1024.0])
def test_where_zero_lies_does_not_matter(moved):
    series = gaussian(10)
    series[2500:2600] = [180.0] * 100
    assert alarms([value + moved for value in series]) == alarms(series)


def test_a_mirrored_series_has_mirrored_alarms():
    series = daily(11)
    series[2500:2505] = [200.0] * 5
    assert 2500 in alarms(series)
    assert alarms([-value for value in series]) == alarms(series)


READINGS = {
    "aware": lambda moment: moment,
    "naive": lambda moment: moment.replace(tzinfo=None),
    "seconds": lambda moment: moment.timestamp(),
    "whole seconds": lambda moment: int(moment.timestamp()),
    "milliseconds": lambda moment: int(moment.timestamp() * 1000),
    "nanoseconds": lambda moment: int(moment.timestamp()) * 10**9,
    "text": lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S"),
    "iso": lambda moment: moment.isoformat(),
    "zulu": lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
}


@pytest.mark.parametrize("reading", READINGS)
def test_times_may_be_written_in_any_usual_way(reading):
    series = daily(12)
    series[2592 + 210 : 2592 + 230] = [50.0] * 20  # usual at dawn, never in the evening
    expected = detect(series, stamps(3000))
    assert detect(series, [READINGS[reading](moment) for moment in stamps(3000)]) == expected


def test_a_value_that_is_usual_at_another_hour_only_is_found_by_its_hour():
    def office_hours(index):
        return 80.0 if 9 <= index * 5 / 60 % 24 < 18 else 20.0

    numbers = random.Random(13)
    series = [office_hours(index) + numbers.uniform(-2, 2) for index in range(288 * 10)]
    begin = 288 * 9 + 108
    for index in range(begin, begin + 108):
        series[index] = 20 + numbers.uniform(-2, 2)  # the peak that does not come
    assert [index for index in alarms(series) if begin <= index < begin + 12]
    assert not [index for index in alarms(series, [None] * len(series)) if begin <= index < begin + 12]


@pytest.mark.parametrize("times", [None, [], ["soon"] * 3000, [None] * 3000, [object()] * 3000, [float("nan")] * 3000])
def test_without_readable_times_the_other_views_go_on(times):
    series = gaussian(14)
    series[2500:2510] = [200.0] * 10
    scores = detect(series, times)
    assert scores[2500] >= DETECT_THRESHOLD
    assert scores == detect(series)


def test_times_may_be_unsorted_doubled_or_too_few_or_too_many():
    series = gaussian(15, 1000)
    shuffled = stamps(1000)
    random.Random(1).shuffle(shuffled)
    for times in (shuffled, [STAMP] * 1000, stamps(10), stamps(2000), [STAMP, "x", None, 5] * 250):
        assert len(detect(series, times)) == 1000


def test_offsets_are_read_by_their_own_wall_clock():
    series = daily(16)
    east = timezone(timedelta(hours=9))
    moved = [moment.replace(tzinfo=east) for moment in stamps(3000)]
    assert detect(series, moved) == detect(series, stamps(3000))


def spike(series, at):
    series[at : at + 3] = [max(series) * 2.5] * 3


def step(series, at):
    series[at : at + 200] = [value * 3 for value in series[at : at + 200]]


def drift(series, at):
    unit = (max(series) - min(series)) / 8
    series[at:] = [value + 0.05 * unit * since for since, value in enumerate(series[at:])]


def silence(series, at):
    series[at : at + 200] = [0.0] * 200


def stuck(series, at):
    series[at : at + 200] = [sorted(series)[len(series) // 2]] * 200


@pytest.mark.parametrize("fault", [spike, step, drift, silence, stuck])
@pytest.mark.parametrize("shape", [gaussian, lognormal, daily])
def test_a_fault_is_found_soon_by_the_shipped_threshold(shape, fault):
    found = 0
    for seed in range(8):
        series = shape(seed)
        fault(series, 2000)
        found += any(2000 <= index < 2100 for index in alarms(series))
    assert found >= 7


@pytest.mark.parametrize(
    ("shape", "most"),
    [(gaussian, 3), (lognormal, 3), (daily, 3), (counts, 3), (walk, 3)],
)
def test_clean_series_raise_at_most_three_alarms_in_ten_thousand(shape, most):
    found = sum(len(alarms(shape(seed, 10_000))) for seed in range(100, 105))
    assert found <= most * 5


@pytest.mark.parametrize(
    "series", [[7.0] * 10_000, [float(index % 50) for index in range(10_000)], [0.1 + 0.2, 0.3] * 5000, [0.0] * 10_000]
)
def test_a_series_that_only_repeats_itself_raises_none(series):
    assert alarms(series) == []


def test_the_first_change_of_a_constant_series_is_an_alarm():
    assert alarms([7.0] * 500 + [8.0] + [7.0] * 100) == [500]


def test_one_incident_is_one_alarm_and_one_that_lasts_is_said_a_few_times():
    series = gaussian(17, 4000)
    series[2000:2070] = [300.0] * 70
    assert [index for index in alarms(series) if 2000 <= index < 2300] == [2000]
    for_ever = gaussian(18, 2000) + gaussian(19, 6000, mean=300.0)
    assert 1 <= len([index for index in alarms(for_ever) if index >= 2000]) <= 8


def test_what_happens_again_and_again_becomes_usual():
    series = gaussian(20, 9000)
    at = range(2000, 9000, 350)
    for index in at:
        series[index] = 250.0
    said = [index for index in alarms(series) if index in at]
    assert said[0] == 2000
    assert len(said) <= 6


def test_the_detector_says_why_and_what_is_usual():
    detector = SeriesDetector()
    assert detector.usual is None
    for moment, value in zip(stamps(2000), gaussian(21, 2000), strict=True):
        detector.score(moment, value)
    low, high = detector.usual
    assert 60 < low < 85 < 115 < high < 140
    assert detector.score(stamps(2001)[-1], 400.0) >= DETECT_THRESHOLD
    assert detector.why == "value"
    assert detector.why in VIEWS


def test_memory_does_not_grow_with_the_series():
    detector, sizes = SeriesDetector(), []
    for index, value in enumerate(lognormal(22, 60_000)):
        detector.score(1_400_000_000 + 300 * index, value)
        if index in (5000, 59_999):
            sizes.append(len(pickle.dumps(detector)))
    assert sizes[1] <= 1.1 * sizes[0] < 20_000


@pytest.mark.slow
def test_a_million_values_need_no_more_memory_than_thousands():
    numbers, detector = random.Random(23), SeriesDetector()
    for index in range(1_000_000):
        detector.score(1_400_000_000 + 60 * index, numbers.lognormvariate(5, 0.5))
    assert detector.seen == 1_000_000
    assert len(pickle.dumps(detector)) < 20_000


def test_a_value_costs_no_more_than_150_of_the_simplest_average():
    series = gaussian(24, 20_000)

    class Average:
        mean = 0.0

        def score(self, _time, value):
            self.mean += 0.02 * (value - self.mean)
            return abs(value - self.mean)

    def cost(detector):
        started = time.process_time()
        for index, value in enumerate(series):
            detector.score(index, value)
        return time.process_time() - started

    trivial = min(cost(Average()) for _ in range(5))
    ours = min(cost(SeriesDetector()) for _ in range(5))
    assert ours / trivial < 150
