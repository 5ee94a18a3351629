"""Time under a test's control."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from codespar_cli.core.durations import parse_duration

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)  # a Monday, nine o'clock


class FakeClock:
    """A clock as `services.clock` is: called, it answers an aware UTC datetime. It moves only when told to."""

    def __init__(self, start: datetime = START) -> None:
        """Raises ValueError for a start without an offset."""
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware datetime")
        self.now = start.astimezone(UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta | float | str) -> datetime:
        """Move by a timedelta, by seconds or by a duration such as `10m`; back with a negative one. Answers the time."""
        step = by if isinstance(by, timedelta) else parse_duration(by) if isinstance(by, str) else timedelta(seconds=by)
        self.now += step
        return self.now
