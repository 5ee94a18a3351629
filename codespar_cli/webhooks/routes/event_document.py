"""The one document that every deed gets: what happened, and how codespar came to know of it.

Whatever an outsider wrote stands in fields below `event`, marked as untrusted: data for an agent to look at, never
instructions for it to follow. The document of a delivery and a route is the same at every attempt.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from codespar_cli.core.clock import iso
from codespar_cli.webhooks.inbox.delivery import Delivery


class EventDocument(NamedTuple):
    """`id` names this delivery for this route, the same at every attempt: what a receiver knows a repetition by."""

    id: str
    content: Mapping[str, Any]

    @property
    def event(self) -> Mapping[str, Any]:
        return self.content["data"]["event"]  # type: ignore[no-any-return]  # made below

    @property
    def delivery(self) -> Mapping[str, Any]:
        return self.content["data"]["delivery"]  # type: ignore[no-any-return]  # made below

    @property
    def body(self) -> bytes:
        """JSON in ASCII: half a surrogate pair, which a payload may hold, has no UTF-8."""
        return json.dumps(self.content, separators=(",", ":")).encode()


def event_document(delivery: Delivery, route: str) -> EventDocument:
    """Raises ValueError when there is no event to tell of."""
    told = delivery.told
    try:
        event = None if told is None else json.loads(told.event)
    except (ValueError, RecursionError):
        event = None
    if told is None or not isinstance(event, dict):
        raise ValueError("the inbox holds no event of this delivery")
    name = _id_of(delivery, route)
    facts = {
        "id": delivery.id,
        "tenant": delivery.tenant,
        "provider": delivery.provider,
        "delivery_id": delivery.delivery_id,
        "verified": delivery.verified,
        "received_at": iso(delivery.received_at),
        "route": route,
        "webhook_id": name,
    }
    content = {
        "type": told.event_type,
        "timestamp": iso(delivery.received_at),
        "data": {"event": {**event, "untrusted": True}, "delivery": facts},
    }
    return EventDocument(name, content)


def _id_of(delivery: Delivery, route: str) -> str:
    """Another inbox counts its deliveries from 1, too: the time tells them apart."""
    parts = (delivery.tenant, delivery.provider, str(delivery.id), iso(delivery.received_at), route)
    return "evt_" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
