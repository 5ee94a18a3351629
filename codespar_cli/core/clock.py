"""Time as a dependency: a clock is a callable that answers an aware UTC datetime."""

from __future__ import annotations

from codespar_cli.core.light_datetime import UTC, datetime, timedelta
from codespar_cli.core.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

Clock: TypeAlias = "Callable[[], datetime]"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def system_clock() -> datetime:
    return datetime.now(UTC)


def to_micros(moment: datetime) -> int:
    """Whole microseconds since the epoch: exact, unlike `timestamp()`, which is a float."""
    return (moment - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def iso(moment: datetime) -> str:
    """`2026-11-23T09:00:00.000000Z`: one width, so that text sorts as time does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def iso_second(moment: datetime) -> str:
    """`2026-11-23T09:00:00Z`: to the second, rounded up. At the time that is shown it has happened."""
    return (moment + timedelta(seconds=1) - MICROSECOND).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_moment(text: str) -> datetime:
    """An ISO 8601 time; without an offset it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text.strip())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
