from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.clock import from_micros, to_micros
from codespar_cli.plugins.policy.language.periods import Calendar, key_length, parse_period
from codespar_cli.plugins.policy.language.zones import Zone


def around(unit: str, zone: str, moment: str) -> tuple[str, str]:
    period = Calendar(unit, Zone(zone))
    now = to_micros(datetime.fromisoformat(moment).astimezone(UTC))
    ends = period.ends(now)
    assert ends is not None
    return period.period(now), from_micros(ends).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("unit", "zone", "moment", "period", "ends"),
    [
        ("day", "America/Sao_Paulo", "2026-11-23T02:59:59Z", "2026-11-22", "2026-11-23T03:00:00Z"),
        ("day", "America/Sao_Paulo", "2026-11-23T03:00:00Z", "2026-11-23", "2026-11-24T03:00:00Z"),
        ("week", "UTC", "2026-11-29T23:59:59Z", "2026-11-23", "2026-11-30T00:00:00Z"),
        ("month", "UTC", "2026-12-31T00:00:00Z", "2026-12-01", "2027-01-01T00:00:00Z"),
        ("month", "Asia/Tokyo", "2026-11-30T15:00:00Z", "2026-12-01", "2026-12-31T15:00:00Z"),
        # 23 and 25 hours
        ("day", "America/New_York", "2026-03-08T12:00:00Z", "2026-03-08", "2026-03-09T04:00:00Z"),
        ("day", "America/New_York", "2026-11-01T12:00:00Z", "2026-11-01", "2026-11-02T05:00:00Z"),
        # midnights that never were
        ("day", "America/Sao_Paulo", "2018-11-04T02:59:59Z", "2018-11-03", "2018-11-04T03:00:00Z"),
        ("day", "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04", "2018-11-05T02:00:00Z"),
        ("day", "America/Santiago", "2026-09-06T03:59:59Z", "2026-09-05", "2026-09-06T04:00:00Z"),
        ("day", "Africa/Cairo", "2026-04-23T22:00:00Z", "2026-04-24", "2026-04-24T21:00:00Z"),
        # Apia had no 2011-12-30: the day after the 29th was the 31st, and the month one day shorter
        ("day", "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29", "2011-12-30T10:00:00Z"),
        ("day", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31", "2011-12-31T10:00:00Z"),
        ("month", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-01", "2011-12-31T10:00:00Z"),
        # half an hour at a time
        ("day", "Australia/Lord_Howe", "2026-10-03T14:00:00Z", "2026-10-04", "2026-10-04T13:00:00Z"),
        # St. John's set its clock back at 00:01: the new day has begun and does not end again
        ("day", "America/St_Johns", "2010-11-07T02:30:30Z", "2010-11-07", "2010-11-08T03:30:00Z"),
        ("day", "America/St_Johns", "2010-11-07T02:45:00Z", "2010-11-07", "2010-11-08T03:30:00Z"),
    ],
)
def test_a_calendar_period_runs_from_local_midnight_to_local_midnight(unit, zone, moment, period, ends):
    assert around(unit, zone, moment) == (period, ends)


@given(
    st.sampled_from(["day", "week", "month"]),
    st.sampled_from(
        [
            "UTC",
            "America/Sao_Paulo",
            "America/Santiago",
            "Africa/Cairo",
            "America/St_Johns",
            "Asia/Kathmandu",
            "Pacific/Apia",
            "Europe/Lisbon",
            "Australia/Lord_Howe",
        ]
    ),
    st.datetimes(datetime(1995, 1, 1), datetime(2035, 1, 1)),
)
def test_periods_follow_each_other_without_gap_or_overlap(unit, zone, start):
    period = Calendar(unit, Zone(zone))
    now = to_micros(start.replace(tzinfo=UTC))
    name, ends = period.period(now), period.ends(now)
    assert ends is not None
    assert ends > now
    assert period.period(ends - 1) == name
    assert period.period(ends) > name
    fresh = Calendar(unit, Zone(zone))
    assert fresh.period(ends - 1) == name


def test_rolling_and_total():
    rolling = parse_period("rolling 24h", Zone())
    assert rolling.length == 24 * 3600 * 10**6
    assert rolling.key == parse_period("rolling 1d", Zone()).key
    assert key_length(f"{rolling.key} USD") == rolling.length
    total = parse_period("total", Zone())
    assert (total.length, total.ends(0), total.period(0), key_length("total USD")) == (0, None, "", 0)


def test_an_unknown_zone_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="America/Sao_Paulo`, found `America/Sao_Paolo`, did you mean"):
        Zone("America/Sao_Paolo")


def test_a_zone_knows_its_version():
    assert Zone("America/Sao_Paulo").version
    assert Zone("Europe/Berlin").tz.utcoffset(datetime(2026, 7, 1)) == timedelta(hours=2)
