"""What a replay would change: an event as it is read now, beside what was recorded of an earlier reading."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from codespar_cli.core.hooks import IntegrationEvent
from codespar_cli.webhooks.told_event import told_of

_MISSING = object()
EVENT = "event"
"""Stands for the whole event, where there was none, or would be none."""


class Change(NamedTuple):
    """One field: what was recorded, and what it would be now."""

    was: Any
    would_be: Any


def changes(recorded: Mapping[str, Any], event: IntegrationEvent | None) -> dict[str, Change]:
    """The fields that differ, by name, of those that were recorded; none when a replay would change nothing.

    An event is compared as the inbox would keep it. Where a whole event is recorded, so are all of its fields; a record
    in a file may hold a few. Raises ValueError for an event that could not be kept.
    """
    was_one = any(value is not None for value in recorded.values())
    if event is None:
        return {EVENT: Change(recorded.get("event_type"), None)} if was_one else {}
    now: dict[str, Any] = json.loads(told_of(event).event)
    if not was_one:
        return {EVENT: Change(None, now["event_type"])}
    return {
        name: Change(recorded[name], value)
        for name, value in now.items()
        if recorded.get(name, _MISSING) is not _MISSING and recorded[name] != value
    }
