"""Deliveries of the inbox as payloads to be replayed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from codespar_cli.core.headers import Headers
from codespar_cli.core.webhook_body import parse_body
from codespar_cli.webhooks.inbox.delivery import Body, Delivery
from codespar_cli.webhooks.payload import Payload


def inbox_payloads(bodies: Iterable[Body]) -> Iterator[Payload]:
    """One payload for each, as they come; the source is `inbox:12`."""
    for body in bodies:
        delivery = body.delivery
        payload = Payload(
            f"inbox:{delivery.id}",
            raw=body.raw,
            headers=Headers.of(body.headers),
            provider=delivery.provider,
            tenant=delivery.tenant,
            delivery=delivery.id,
            recorded=recorded_of(delivery),
            received_at=delivery.received_at,
            verified=delivery.verified,
        )
        try:
            yield payload._replace(value=parse_body(body.raw))
        except ValueError as error:  # it was parsed on receipt, perhaps by a version that read more
            yield payload._replace(trouble="malformed", error=str(error))


def recorded_of(delivery: Delivery) -> Mapping[str, Any] | None:
    """The event as it was read; empty when there was none; None while nobody has read it."""
    if delivery.told is None:
        # One that failed without an event was read by a connector that broke: there was none either.
        return None if delivery.status in {"received", "suspected_replay"} else {}
    told = delivery.told
    try:
        event = json.loads(told.event)
    except ValueError:
        event = None
    if isinstance(event, dict):
        return event
    return {"event_type": told.event_type, "severity": told.severity, "title": told.title, "url": told.url}
