"""When a window rule is open: spans of wall-clock time on weekdays or dates.

Mon-Fri 08:00-18:00      weekdays, a time of day; the end is exclusive, `24:00` is the end of the day
Fri 22:00-06:00          over midnight: belongs to the day on which it starts
12:00-13:00              every day
2026-12-25               a whole date
2026-12-24..2027-01-01   several
"""

from __future__ import annotations

from codespar_cli.core.light_datetime import date, datetime, timedelta

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MIDNIGHT = 24 * 60
ONE_DAY = timedelta(days=1)
_EXPECTED = "expected days and times such as `Mon-Fri 08:00-18:00`, or a date such as `2026-12-25`"
_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EVERY_DAY = frozenset(range(7))


class Span:
    """`start` and `end` are minutes of the day; `end` before `start` means over midnight."""

    __slots__ = ("dates", "end", "start", "weekdays")

    def __init__(self, weekdays: frozenset[int], dates: tuple[date, date] | None, start: int, end: int) -> None:
        self.weekdays = weekdays
        self.dates = dates
        self.start = start
        self.end = end

    def covers(self, day: date, minute: int) -> bool:
        if self.start < self.end:
            return self.start <= minute < self.end and self.starts_on(day)
        if minute >= self.start:
            return self.starts_on(day)
        return minute < self.end and day > date.min and self.starts_on(day - ONE_DAY)

    def starts_on(self, day: date) -> bool:
        if self.dates is not None:
            return self.dates[0] <= day <= self.dates[1]
        return day.weekday() in self.weekdays


class Schedule:
    """Open during any of `opens` (always, when there is none), except during any of `closes`."""

    __slots__ = ("closes", "opens")

    def __init__(self, opens: tuple[Span, ...], closes: tuple[Span, ...]) -> None:
        self.opens = opens
        self.closes = closes

    def is_open(self, wall: datetime) -> bool:
        day, minute = wall.date(), wall.hour * 60 + wall.minute
        if self.opens and not any(span.covers(day, minute) for span in self.opens):
            return False
        return not any(span.covers(day, minute) for span in self.closes)

    @property
    def spans(self) -> tuple[Span, ...]:
        return (*self.opens, *self.closes)


def parse_span(text: str) -> Span:
    """Raises ValueError."""
    words = text.split()
    if not 1 <= len(words) <= 2:
        raise ValueError(f"{_EXPECTED}, found `{text[:60]}`")
    first, _, last = words[-1].partition("-")
    if all(0 < len(hour) <= 2 and hour.isascii() and hour.isdecimal() for hour in (first, last)):
        raise ValueError(
            f"expected a span such as `08:00-18:00`, found `{text[:60]}`; write `{first:0>2}:00-{last:0>2}:00`"
        )
    times = words.pop() if ":" in words[-1] else None
    start, end = _times(times) if times else (0, MIDNIGHT)
    if not words:
        return Span(_EVERY_DAY, None, start, end)
    if len(words) == 2:
        raise ValueError(f"{_EXPECTED}, found `{text[:60]}`")
    days = words[0]
    if days[0].isdecimal():
        return Span(frozenset(), _dates(days), start, end)
    return Span(_weekdays(days), None, start, end)


def _times(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not dash:
        raise ValueError(f"expected a span such as `08:00-18:00`, found `{text[:60]}`")
    start, end = _minute(first), _minute(last)
    if start == MIDNIGHT:
        raise ValueError("`24:00` can only be an end; start at `00:00` of the next day")
    if start == end:
        raise ValueError(f"`{text}` starts when it ends; a whole day is `00:00-24:00`")
    # 18:00-00:00 is over midnight by nothing at all.
    return start, end or MIDNIGHT


def _minute(text: str) -> int:
    if len(text) == 5 and text[2] == ":" and text.isascii() and (text[:2] + text[3:]).isdecimal():
        hours, minutes = int(text[:2]), int(text[3:])
        if minutes < 60 and (hours < 24 or text == "24:00"):
            return hours * 60 + minutes
    raise ValueError(f"expected a time of day such as `08:00`, found `{text[:60]}`")


def _weekdays(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        start = _weekday(first)
        end = _weekday(last) if dash else start
        found.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    return frozenset(found)


def _weekday(text: str) -> int:
    if text.capitalize() not in DAYS:
        short = text[:3].capitalize()
        hint = f"; write `{short}`" if text.lower() in _LONG_DAYS else ""
        raise ValueError(f"expected a day, one of {', '.join(DAYS)}, found `{text[:60]}`{hint}")
    return DAYS.index(text.capitalize())


def _dates(text: str) -> tuple[date, date]:
    first, dots, last = text.partition("..")
    start = _date(first)
    end = _date(last) if dots else start
    if end < start:
        raise ValueError(f"`{text[:60]}` ends before it starts")
    return start, end


def _date(text: str) -> date:
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"expected a date such as `2026-12-25`, found `{text[:60]}`")
