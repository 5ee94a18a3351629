from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.plugins.policy.language.openings import all_open, next_open
from codespar_cli.plugins.policy.language.schedule import Schedule, parse_span
from codespar_cli.plugins.policy.language.zones import Zone


def schedule(*opens: str, closed: tuple[str, ...] = ()) -> Schedule:
    return Schedule(tuple(map(parse_span, opens)), tuple(map(parse_span, closed)))


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("spans", "closed", "moment", "expected"),
    [
        (["Mon-Fri 08:00-18:00"], (), "2026-11-23T08:00", True),
        (["Mon-Fri 08:00-18:00"], (), "2026-11-23T07:59:59.999999", False),
        (["Mon-Fri 08:00-18:00"], (), "2026-11-23T18:00", False),
        (["Mon-Fri 08:00-18:00"], (), "2026-11-22T12:00", False),
        (["Fri 22:00-06:00"], (), "2026-11-28T05:59", True),  # Saturday morning belongs to Friday
        (["Fri 22:00-06:00"], (), "2026-11-27T03:00", False),  # Friday morning belongs to Thursday
        (["Fri 22:00-06:00"], (), "2026-11-27T22:00", True),
        (["22:00-00:00"], (), "2026-11-27T23:59", True),
        (["22:00-24:00"], (), "2026-11-28T00:00", False),
        (["Sat-Mon"], (), "2026-11-22T12:00", True),
        (["Sat-Mon"], (), "2026-11-24T12:00", False),
        (["mon,WED 10:00-11:00"], (), "2026-11-25T10:30", True),
        ([], ("2026-12-25",), "2026-12-25T23:59", False),
        ([], ("2026-12-25",), "2026-12-26T00:00", True),
        ([], ("2026-12-24 22:00-02:00",), "2026-12-25T01:00", False),
        ([], ("2026-12-24..2027-01-01",), "2026-12-31T12:00", False),
        (["Fri"], ("2026-12-25",), "2026-12-25T12:00", False),
        (["Mon 08:00-09:00", "Mon 10:00-11:00"], (), "2026-11-23T10:30", True),
    ],
)
def test_membership_is_wall_clock(spans, closed, moment, expected):
    assert schedule(*spans, closed=closed).is_open(wall(moment)) is expected


def opening(spans, closed=(), zone="UTC", after="2026-11-23T12:00:00+00:00"):
    moment = next_open([schedule(*spans, closed=closed)], Zone(zone), datetime.fromisoformat(after).astimezone(UTC))
    return None if moment is None else moment.isoformat()


def test_the_next_opening_skips_what_is_closed():
    assert opening(["Sun 08:00-18:00"]) == "2026-11-29T08:00:00+00:00"
    assert opening(["Fri 10:00-11:00"], ("2026-11-27", "2026-12-04")) == "2026-12-11T10:00:00+00:00"
    assert opening([], ("2026-11-23..2027-03-01",)) == "2027-03-02T00:00:00+00:00"
    assert opening(["2026-11-22"]) is None
    assert opening(["Mon 08:00-09:00"], ("Mon 07:00-10:00",)) is None


def test_an_opening_in_a_gap_is_the_moment_of_the_jump():
    # New York, 2026-03-08: 02:00 becomes 03:00 at 07:00 UTC; 02:30 never comes.
    found = opening(["02:30-04:00"], zone="America/New_York", after="2026-03-08T06:00:00+00:00")
    assert found == "2026-03-08T07:00:00+00:00"


def test_both_passes_of_a_repeated_hour_count():
    # New York, 2026-11-01: 01:00-02:00 comes twice.
    zone = Zone("America/New_York")
    subject = [schedule("01:00-02:00")]
    for minute in (0, 30, 60, 119):
        assert all_open(subject, zone, datetime(2026, 11, 1, 5, 0, tzinfo=UTC) + timedelta(minutes=minute))
    assert not all_open(subject, zone, datetime(2026, 11, 1, 7, 0, tzinfo=UTC))


def test_a_day_that_never_was():
    # Apia had no 2011-12-30.
    found = opening(["Fri 10:00-11:00"], zone="Pacific/Apia", after="2011-12-29T12:00:00+00:00")
    assert found == "2012-01-05T20:00:00+00:00"


def test_an_opening_before_the_clocks_change_that_day_is_not_passed_over():
    # New York, 2018-11-04: midnight is at 04:00 UTC, the clocks go back at 06:00 UTC.
    found = opening(["00:00-12:00", "Sun 08:00-18:00"], zone="America/New_York", after="2018-11-03T23:00:00+00:00")
    assert found == "2018-11-04T04:00:00+00:00"


ZONES = (
    "UTC", "America/Sao_Paulo", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo",
    "Europe/Lisbon", "Asia/Kathmandu", "Pacific/Apia",
)  # fmt: skip
TIMES = st.tuples(st.integers(0, 47), st.integers(0, 48)).filter(lambda pair: pair[0] != pair[1] % 48)


@st.composite
def spans(draw):
    start, end = draw(TIMES)
    days = draw(st.sampled_from(["", "Mon ", "Mon-Fri ", "Sat,Sun ", "Fri-Mon "]))
    return f"{days}{start // 2:02d}:{start % 2 * 30:02d}-{end // 2:02d}:{end % 2 * 30:02d}"


@given(
    st.lists(spans(), min_size=1, max_size=3),
    st.lists(spans(), max_size=2),
    st.sampled_from(ZONES),
    # Half of the moments lie in the days before clocks change somewhere.
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1))
    | st.sampled_from([(3, 7), (3, 28), (4, 4), (4, 23), (9, 5), (10, 3), (10, 28), (10, 31)]).flatmap(
        lambda day: st.datetimes(datetime(2026, *day), datetime(2026, *day) + timedelta(hours=36))
    ),
)
def test_the_next_opening_is_open_and_nothing_before_it_is(opens, closes, zone, start):
    zone, after = Zone(zone), start.replace(tzinfo=UTC)
    subject = [schedule(*opens, closed=tuple(closes))]
    found = next_open(subject, zone, after)
    # Every edge lies on a quarter of an hour in every zone here, so looking at each quarter sees every opening.
    quarter = after.replace(minute=0, second=0, microsecond=0)
    looked = [quarter + timedelta(minutes=15 * step) for step in range(15 * 24 * 4)]
    expected = next(
        (moment for moment in [after, *looked] if moment >= after and all_open(subject, zone, moment)), None
    )
    assert found == expected
    if found is not None and found != after:
        assert not all_open(subject, zone, found - timedelta(microseconds=1))
