"""Deliveries of the inbox, as rows and lines for people and as values for programs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from codespar_cli.core.clock import iso, iso_second

if TYPE_CHECKING:
    from codespar_cli.webhooks.inbox.delivery import Body, Delivery

HEADERS = ("id", "received", "provider", "verified", "event", "severity", "status", "attempts", "title")
REDACTED = "[redacted]"
_SHUT = ("signature", "sign", "auth", "cookie", "token", "secret", "password", "api-key", "apikey", "credential", "jwt")


def delivery_json(delivery: Delivery) -> dict[str, Any]:
    """What is not known is null."""
    told = delivery.told
    return {
        "id": delivery.id,
        "provider": delivery.provider,
        "tenant": delivery.tenant,
        "delivery_id": delivery.delivery_id,
        "event_type": told and told.event_type,
        "severity": told and told.severity,
        "title": told and told.title,
        "url": told and told.url,
        "status": delivery.status,
        "received_at": iso(delivery.received_at),
        "attempts": delivery.attempts,
        "verified": delivery.verified,
    }


def delivery_row(delivery: Delivery) -> tuple[object, ...]:
    told = delivery.told
    return (
        delivery.id,
        iso_second(delivery.received_at.replace(microsecond=0)),  # within that second, not after it
        delivery.provider,
        _yes_or_no(delivery.verified),
        told.event_type if told else "-",
        told.severity if told else "-",
        delivery.status,
        delivery.attempts,
        told.title if told else delivery.error or "-",
    )


def body_json(body: Body, tasks: Sequence[tuple[str, str, int, str | None]], routes: Collection[str]) -> dict[str, Any]:
    """What `list` says, and the rest: `size` in bytes, headers as pairs, the whole event, tasks. `routes` are the names
    of those that are configured."""
    told = body.delivery.told
    return {
        **delivery_json(body.delivery),
        "error": body.delivery.error,
        "size": len(body.raw),
        "headers": [[name, shown_header(name, value)] for name, value in body.headers],
        "event": _event(told.event) if told else None,
        "tasks": [
            {"route": route, "state": state, "attempts": attempts, "error": error, "configured": route in routes}
            for route, state, attempts, error in tasks
        ],
    }


def body_lines(body: Body, tasks: Sequence[tuple[str, str, int, str | None]], routes: Collection[str]) -> Iterator[str]:
    delivery, told = body.delivery, body.delivery.told
    facts = [
        ("delivery", str(delivery.id)),
        ("provider", delivery.provider),
        ("tenant", delivery.tenant),
        ("delivery id", delivery.delivery_id),
        ("received", iso(delivery.received_at)),
        ("verified", _yes_or_no(delivery.verified)),
        ("status", delivery.status),
        ("error", delivery.error),
        ("event", told and f"{told.event_type} ({told.severity})"),
        ("title", told and told.title),
        ("url", told and told.url),
        ("body", f"{len(body.raw)} bytes"),
    ]
    yield from (f"{name:<12} {value}" for name, value in facts if value)
    for name, value in body.headers:
        yield f"{'header':<12} {name}: {shown_header(name, value)}"
    for route, state, attempts, error in tasks:
        times = f"{attempts} attempt{'' if attempts == 1 else 's'}"
        lost = state == "waiting" and route not in routes
        words = (times, error, "waits for a route of this name, which plugins.toml does not have" if lost else None)
        yield f"{'route':<12} {route}: {state}, {', '.join(filter(None, words))}"


def shown_header(name: str, value: str) -> str:
    """The value, but of none that proves who somebody is: with a signature and its body a delivery can be made again."""
    return REDACTED if any(word in name.lower() for word in _SHUT) else value


def _yes_or_no(verified: bool) -> str:
    return "yes" if verified else "no"


def _event(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
