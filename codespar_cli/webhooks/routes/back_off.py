"""When a failed attempt is made again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

FIRST = timedelta(seconds=2)
FACTOR = 5
LONGEST = timedelta(days=1)
"""What a receiver may ask for at most, too."""
_STEPS = 12  # by then it is the longest, and the product is still one that timedelta takes


def back_off(attempts: int, random: float) -> timedelta:
    """How long to wait after so many attempts, at least 1: exponential, with full jitter.

    `random` is from 0 to 1. Anything from nothing to the whole step, so that those who failed together do not come back
    together ("Exponential Backoff And Jitter", AWS Architecture Blog). Eight attempts take up to eleven hours.
    """
    step: timedelta = min(LONGEST, FIRST * FACTOR ** min(max(attempts, 1) - 1, _STEPS))
    return step * random


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """What the header says: seconds, or a date (RFC 9110, 10.2.3), at most a day; None when it says nothing sensible."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return LONGEST if len(text) > 9 else min(LONGEST, timedelta(seconds=int(text)))
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return min(LONGEST, max(timedelta(0), moment - now))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
