"""Over which time a budget counts: a calendar day, week or month, a rolling duration, or for ever.

`key` names the kind and `period` the one now running: counters belong to both. Moments are microseconds since the epoch.
"""

from __future__ import annotations

from codespar_cli.core.clock import MICROSECOND, from_micros, to_micros
from codespar_cli.core.light_cache import lru_cache
from codespar_cli.core.light_datetime import date, datetime, timedelta
from codespar_cli.core.text import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from codespar_cli.plugins.policy.language.zones import Zone

# From the first day of a period, this many days lead into the next one.
_REACH = {"day": 1, "week": 7, "month": 32}
_EXPECTED = "expected `calendar day|week|month`, `rolling <duration>` or `total`"


class Total:
    """Never resets."""

    length = 0
    text = key = "total"

    def period(self, now: int) -> str:
        return ""

    def ends(self, now: int) -> int | None:
        return None


class Rolling(Total):
    """The last `length` microseconds: what was counted at t has left at exactly t + length."""

    def __init__(self, text: str, length: timedelta) -> None:
        self.length = length // MICROSECOND
        self.text = text
        self.key = f"rolling {self.length}"


class Calendar(Total):
    """From one local midnight to another, however many hours lie between them."""

    def __init__(self, unit: str, zone: Zone) -> None:
        self.text = self.key = f"calendar {unit}"
        self._unit = unit
        self._zone = zone
        self._known = (0, 0, "")

    def period(self, now: int) -> str:
        return self._around(now)[2]

    def ends(self, now: int) -> int | None:
        return self._around(now)[1]

    def _around(self, now: int) -> tuple[int, int, str]:
        known = self._known
        if not known[0] <= now < known[1]:
            known = self._known = self._find(now)
        return known

    def _find(self, now: int) -> tuple[int, int, str]:
        moment = from_micros(now)
        # A clock set back over midnight shows yesterday again: what began has begun, so bounds are compared in UTC.
        day = moment.astimezone(self._zone.tz).date() + timedelta(days=1)
        while self._begins(day) > moment:
            day -= timedelta(days=1)
        first = self._first_day(day)
        following = self._first_day(first + timedelta(days=_REACH[self._unit]))
        return to_micros(self._begins(first)), to_micros(self._begins(following)), first.isoformat()

    def _begins(self, day: date) -> datetime:
        midnight = datetime(day.year, day.month, day.day)
        return self._zone.first_instant(midnight)

    def _first_day(self, day: date) -> date:
        if self._unit == "month":
            return day.replace(day=1)
        return day - timedelta(days=day.weekday()) if self._unit == "week" else day


def parse_period(text: str, zone: Zone) -> Total:
    """The window of a budget rule. Raises ValueError."""
    kind, _, rest = text.partition(" ")
    if text == "total":
        return Total()
    if kind == "calendar" and rest in _REACH:
        return Calendar(rest, zone)
    from codespar_cli.core.durations import parse_duration

    if kind == "rolling":
        return Rolling(text, parse_duration(rest))
    try:
        parse_duration(text)
    except ValueError:
        raise ValueError(f"{_EXPECTED}, found `{visible(text[:60])}`") from None
    calendar = "`calendar day`" if text in {"1d", "24h"} else "a calendar window"
    raise ValueError(f"`{text}` is ambiguous: say `rolling {text}` or {calendar}")


@lru_cache(maxsize=1024)
def key_length(key: str) -> int:
    """The length in a counter's own key, for one whose rule may be gone: 0 unless it is rolling."""
    kind, _, rest = key.partition(" ")
    return int(rest.partition(" ")[0]) if kind == "rolling" else 0
