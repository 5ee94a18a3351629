"""Time zones by IANA name, from the tzdata package: the same rules on every machine, so that a replay decides alike.

Whether a name exists is looked up in the package's list; `zoneinfo` is imported when a wall clock is first needed.
"""

from __future__ import annotations

import os

from codespar_cli.core.light_datetime import UTC, datetime, timedelta, tzinfo
from codespar_cli.core.text import nearest

_SECOND = timedelta(seconds=1)


class Zone:
    """Raises ValueError for a name that IANA does not know."""

    def __init__(self, name: str = "UTC") -> None:
        self.name = name
        self.version: str | None = None
        self._tz: tzinfo | None = UTC if name == "UTC" else None
        if name != "UTC":
            self._find()

    @classmethod
    def known(cls, name: str, version: str | None) -> Zone:
        """One that was found before, in this very version of the package: its name is not looked up again."""
        zone = cls()
        if version is not None:
            zone.name, zone.version, zone._tz = name, version, None
        return zone

    @property
    def tz(self) -> tzinfo:
        if self._tz is None:
            from zoneinfo import ZoneInfo

            with open(os.path.join(package_directory(), "zoneinfo", self.name), "rb") as file:
                self._tz = ZoneInfo.from_file(file, key=self.name)
        return self._tz

    def first_instant(self, wall: datetime) -> datetime:
        """The first UTC moment at which the wall clock shows `wall`, or, in a gap, the moment it jumps over it."""
        early = wall.replace(tzinfo=self.tz, fold=0).astimezone(UTC)
        if early.astimezone(self.tz).replace(tzinfo=None) == wall:
            return early
        # In a gap fold=1 lands before the jump and fold=0 after it.
        return self.jump(wall.replace(tzinfo=self.tz, fold=1).astimezone(UTC), early)

    def jump(self, before: datetime, after: datetime) -> datetime:
        """The moment between two at which the offset changes. They must have different offsets."""
        old = before.astimezone(self.tz).utcoffset()
        low, high = 0, (after - before) // _SECOND
        while high - low > 1:
            middle = (low + high) // 2
            same = (before + middle * _SECOND).astimezone(self.tz).utcoffset() == old
            low, high = (middle, high) if same else (low, middle)
        return before + high * _SECOND

    def _find(self) -> None:
        import tzdata  # type: ignore[import-untyped]  # a constant and a path

        self.version = tzdata.IANA_VERSION
        with open(zones_file(), encoding="ascii") as file:
            names = file.read().split()
        if self.name not in names:
            close = nearest(self.name, names)
            advice = f", did you mean `{close}`?" if close else ""
            raise ValueError(
                f"expected an IANA time zone such as `America/Sao_Paulo`, found `{self.name[:60]}`{advice}"
            )


def package_directory() -> str:
    import tzdata

    return str(os.path.dirname(tzdata.__file__))


def zones_file() -> str:
    """The list of all names; it changes with every version of the package."""
    return os.path.join(package_directory(), "zones")
