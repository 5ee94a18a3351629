"""The next moment at which some schedules are all open.

Whether a schedule is open depends on the wall clock alone, so it can change only where the wall clock passes an edge of
a span, or jumps. All such moments near `after` and near the dates that spans name are listed and tried in order: gaps,
repeated hours and days that never were need no thought of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from codespar_cli.plugins.policy.language.schedule import MIDNIGHT, ONE_DAY, Schedule
from codespar_cli.plugins.policy.language.zones import Zone

# Spans repeat weekly; two more weeks cover a clock change that swallows an opening.
_AHEAD = 22


def all_open(schedules: Iterable[Schedule], zone: Zone, moment: datetime) -> bool:
    wall = moment.astimezone(zone.tz)
    return all(schedule.is_open(wall) for schedule in schedules)


def next_open(schedules: Sequence[Schedule], zone: Zone, after: datetime) -> datetime | None:
    """The least moment at or after `after` at which all are open; None when they never are again."""
    if all_open(schedules, zone, after):
        return after
    minutes = {edge for schedule in schedules for span in schedule.spans for edge in (span.start, span.end)}
    for moment in _in_order(zone, _days(schedules, after.astimezone(zone.tz).date()), minutes):
        if moment > after and all_open(schedules, zone, moment):
            return moment
    return None


def _in_order(zone: Zone, days: Iterable[date], minutes: Iterable[int]) -> Iterator[datetime]:
    """The edges of all days, the earliest first. A day's own edges may reach into the next one, where clocks change."""
    waiting: set[datetime] = set()
    for day in days:
        waiting |= _edges(zone, day, minutes)
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone.tz).astimezone(UTC)
        # Whatever a later day adds is after this day's noon.
        ready = sorted(moment for moment in waiting if moment <= noon)
        waiting.difference_update(ready)
        yield from ready
    yield from sorted(waiting)


def _days(schedules: Sequence[Schedule], today: date) -> list[date]:
    near = [today]
    for schedule in schedules:
        for span in schedule.spans:
            if span.dates is not None:
                near.extend(day for day in span.dates if day > today)
    found: set[date] = set()
    for day in near:
        found.update(day + timedelta(days=step) for step in range(-1, _AHEAD) if _in_calendar(day, step))
    return sorted(found)


def _in_calendar(day: date, step: int) -> bool:
    # Conversions to UTC need a little room at both ends of the calendar.
    return date.min.toordinal() + 2 < day.toordinal() + step < date.max.toordinal() - 2


def _edges(zone: Zone, day: date, minutes: Iterable[int]) -> set[datetime]:
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001  a wall clock
    found: set[datetime] = set()
    for minute in minutes:
        wall = midnight + timedelta(minutes=min(minute, MIDNIGHT))
        for fold in (0, 1):
            found.add(wall.replace(tzinfo=zone.tz, fold=fold).astimezone(UTC))
    before = (midnight - ONE_DAY / 2).replace(tzinfo=zone.tz).astimezone(UTC)
    after = (midnight + ONE_DAY * 1.5).replace(tzinfo=zone.tz).astimezone(UTC)
    if before.astimezone(zone.tz).utcoffset() != after.astimezone(zone.tz).utcoffset():
        found.add(zone.jump(before, after))
    return found
