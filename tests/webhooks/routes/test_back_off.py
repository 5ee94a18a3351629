"""When a failed attempt is made again: bounds of the back-off, and what `Retry-After` may say."""

from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from routes_world import NOON

from codespar_cli.webhooks.routes.back_off import LONGEST, back_off, retry_after


@given(st.integers(1, 10**9), st.floats(0, 1))
def test_a_wait_is_between_nothing_and_its_step(attempts, random):
    step = min(86_400, 2 * 5 ** min(attempts - 1, 50))
    assert timedelta(0) <= back_off(attempts, random) <= timedelta(seconds=step)
    assert back_off(attempts, 1.0) == timedelta(seconds=step)


@given(st.integers(1, 100))
def test_steps_never_shrink(attempts):
    assert back_off(attempts, 1.0) <= back_off(attempts + 1, 1.0) <= LONGEST


@given(st.integers(0, 10**12))
def test_seconds_are_taken_up_to_a_day(seconds):
    assert retry_after(f" {seconds} ", NOON) == timedelta(seconds=min(seconds, 86_400))


@given(st.integers(-(10**6), 10**6))
def test_a_date_is_taken_up_to_a_day(seconds):
    text = format_datetime(NOON + timedelta(seconds=seconds), usegmt=True)
    assert retry_after(text, NOON) == timedelta(seconds=min(max(seconds, 0), 86_400))


@given(st.text(max_size=60))
def test_any_text_is_a_wait_or_none(text):
    found = retry_after(text, NOON)
    assert found is None or timedelta(0) <= found <= LONGEST


@pytest.mark.parametrize(
    "text",
    [None, "", "soon", "-1", "1.5", "1e9", "Mon, 99 Foo 2026 12:00:00 GMT", "²", "Mon, 01 Jan 99999 00:00:00 GMT"],
)
def test_what_says_nothing_sensible_is_none(text):
    assert retry_after(text, NOON) is None


def test_a_number_of_five_thousand_digits_is_a_day():
    assert retry_after("9" * 5000, NOON) == LONGEST
