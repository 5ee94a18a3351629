"""One `[[routes]]` table as a value, and which events it wants."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, NamedTuple, TypeAlias

from codespar_cli.core.durations import parse_duration
from codespar_cli.core.globs import matches
from codespar_cli.core.hooks import SEVERITIES, IntegrationEvent

DeedName: TypeAlias = Literal["forward", "run", "call"]
ATTEMPTS = 8
CONCURRENCY = 4
TIMEOUTS: Mapping[DeedName, timedelta] = {
    "forward": timedelta(seconds=20),  # the specification of Standard Webhooks asks for 15 to 30 s
    "run": timedelta(minutes=5),
    "call": timedelta(minutes=5),
}


class Route(NamedTuple):
    """`target` is the URL, the command as a list, or the entry point's name, as `deed` says.

    A pattern is a glob as core.globs has it; of several one must match. `severity` is the least that is wanted.
    """

    name: str
    deed: DeedName
    target: Any
    providers: tuple[str, ...] = ("**",)
    events: tuple[str, ...] = ("**",)
    tenants: tuple[str, ...] = ("**",)
    severity: str = SEVERITIES[-1]
    secret: str | None = None
    allow_private: bool = False
    attempts: int = ATTEMPTS
    concurrency: int = CONCURRENCY
    timeout: timedelta = TIMEOUTS["forward"]

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Route:
        """From a table that core.webhook_options found to be in order."""
        when = table.get("when", {})
        deed: DeedName = "forward" if "forward" in table else "run" if "run" in table else "call"
        return cls(
            name=table["name"],
            deed=deed,
            target=tuple(table[deed]) if deed == "run" else table[deed],
            providers=_patterns(when.get("provider")),
            events=_patterns(when.get("event")),
            tenants=_patterns(when.get("tenant")),
            severity=when.get("severity", SEVERITIES[-1]),
            secret=table.get("secret"),
            allow_private=table.get("allow_private", False),
            attempts=table.get("attempts", ATTEMPTS),
            concurrency=table.get("concurrency", CONCURRENCY),
            timeout=parse_duration(table["timeout"]) if "timeout" in table else TIMEOUTS[deed],
        )

    def wants(self, event: IntegrationEvent, tenant: str) -> bool:
        return (
            _is_at_least(event.severity, self.severity)
            and _any(self.providers, event.source)
            and _any(self.events, event.event_type)
            and _any(self.tenants, tenant)
        )


def _patterns(said: str | list[str] | None) -> tuple[str, ...]:
    if said is None:
        return ("**",)
    return (said,) if isinstance(said, str) else tuple(said)


def _any(patterns: tuple[str, ...], name: str) -> bool:
    return any(pattern == "**" or matches(pattern, name) for pattern in patterns)


def _is_at_least(severity: str, least: str) -> bool:
    """A connector of another's may say a severity that there is not; that one is no more than `info`."""
    last = len(SEVERITIES) - 1
    rank = SEVERITIES.index(severity) if severity in SEVERITIES else last
    return rank <= SEVERITIES.index(least)
