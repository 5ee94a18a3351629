"""An event as the inbox keeps it: JSON for routes, and the few words that lists and filters need."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from codespar_cli.core.hooks import SEVERITIES, IntegrationEvent
from codespar_cli.core.text import clean_block, clean_line
from codespar_cli.webhooks.inbox.delivery import Told

_MAX_URL = 2048
_MAX_TYPE = 200
_MAX_BLOCK = 65_536
_MAX_FILES = 300
_MAX_NATIVE = 65_536
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def told_of(event: IntegrationEvent) -> Told:
    """The event as its connector made it. Raises ValueError where it cannot be told as JSON."""
    at = event.occurred_at
    document = {
        "source": event.source,
        "event_type": event.event_type,
        "severity": event.severity,
        "title": event.title,
        "detail": event.detail,
        "url": event.url,
        "occurred_at": at.isoformat() if at is not None else None,
        "delivery_id": event.delivery_id,
        "external_id": event.external_id,
        "actor": event.actor,
        "project": event.project,
        "affected_files": event.affected_files,
        "stack_trace": event.stack_trace,
        "native": event.native,
    }
    try:
        return Told(_encode(document), event.event_type, event.severity, event.title, event.url)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("an event that cannot be told as JSON") from None


def made_fit(event: IntegrationEvent) -> IntegrationEvent:
    """What our own connectors promise of an event, kept for another's, which may have put anything into it.

    Raises ValueError, with a line that says what, for what cannot be made fit.
    """
    event_type = _line(event.event_type, _MAX_TYPE)
    if not event_type:
        raise ValueError("an event without a type")
    if event.severity not in SEVERITIES:
        raise ValueError(f"an event whose severity is none of {', '.join(SEVERITIES)}")
    try:
        return IntegrationEvent(
            source=_line(event.source, _MAX_TYPE) or "",
            event_type=event_type,
            severity=event.severity,
            title=_line(event.title, 300) or event_type,
            detail=_block(event.detail),
            url=event.url if _is_link(event.url) else None,
            occurred_at=event.occurred_at if isinstance(event.occurred_at, datetime) else None,
            delivery_id=_line(event.delivery_id, 200),
            external_id=_line(event.external_id, 200),
            actor=_line(event.actor, 200),
            project=_line(event.project, 200),
            affected_files=tuple(name for name in map(_file, tuple(event.affected_files)[:_MAX_FILES]) if name),
            stack_trace=_block(event.stack_trace),
            native=_native(dict(event.native)),
        )
    except (TypeError, ValueError, RecursionError):
        raise ValueError("an event that cannot be told as JSON") from None


def _native(native: dict[str, Any]) -> dict[str, Any]:
    """Raises TypeError, ValueError for what is no JSON."""
    return native if len(_encode(native)) <= _MAX_NATIVE else {}


def _file(value: Any) -> str | None:
    return _line(value, 1024)


def _line(value: Any, limit: int) -> str | None:
    return (clean_line(value, limit) or None) if isinstance(value, str) else None


def _block(value: Any) -> str | None:
    return (clean_block(value, _MAX_BLOCK) or None) if isinstance(value, str) else None


def _is_link(url: Any) -> bool:
    return (
        isinstance(url, str)
        and len(url) <= _MAX_URL
        and url.startswith(("https://", "http://"))
        and clean_line(url, _MAX_URL) == url
    )
