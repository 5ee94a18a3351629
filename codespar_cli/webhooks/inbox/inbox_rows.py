"""Values of the inbox as rows, and rows as values again, whatever damage may have made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, LiteralString

from codespar_cli.core.clock import from_micros
from codespar_cli.core.text import is_unicode
from codespar_cli.errors import StoreCorrupt, StoreError
from codespar_cli.webhooks.inbox.delivery import STATUSES, Arrival, Body, Delivery, Reading, Told

PORTION_BYTES = 8 << 20
"""How much of the bodies is in memory at once, unless a single one is larger."""

DELIVERY: LiteralString = (
    "delivery.id, delivery.tenant, delivery.provider, delivery.delivery_id, delivery.status, delivery.received_at,"
    " delivery.attempts, delivery.error, delivery.event_type, delivery.severity, delivery.title, delivery.url, event.event,"
    " CAST(delivery.verified AS integer)"
)
"""The columns that `delivery_from` reads; those of `body_from` are these, `raw` and `headers`."""

_EXPECTED = (int, str, str, str, str, int, int, str, str, str, str, str, str, int)
_MAY_BE_MISSING = (3, 7, 8, 9, 10, 11, 12)


def damaged(finding: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"the inbox is damaged: {finding}", hint="keep it, restore a backup; codespar never replaces a damaged store"
    )


def check_storable(arrival: Arrival) -> None:
    """Raises StoreError for a text that no database takes: half a surrogate pair, a NUL."""
    for text in (arrival.tenant, arrival.provider, arrival.delivery_id or ""):
        if "\0" in text or not is_unicode(text):
            raise StoreError("a delivery has a text that cannot be stored", code="unstorable")


def storable(text: str) -> str:
    """The same without what no database takes; for what people are told, not for what things go by."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def columns_of(told: Told) -> tuple[str, str, str, str | None]:
    """Event type, severity, title and URL."""
    url = None if told.url is None else storable(told.url)
    return storable(told.event_type), storable(told.severity), storable(told.title), url


def result_of(reading: Reading) -> tuple[str | None, ...]:
    """Status, error, event type, severity, title and URL of a delivery that was read."""
    if reading.told is not None:
        return ("received" if reading.routes else "dispatched"), None, *columns_of(reading.told)
    if reading.error is not None:
        return "failed", storable(reading.error), None, None, None, None
    return "ignored", None, None, None, None, None


def is_number(id: int) -> bool:
    """Whether a delivery can have this number at all: one that no column holds is no delivery's, and no error."""
    return 0 < id < 1 << 63


def headers_text(headers: Sequence[tuple[str, str]]) -> str:
    """ASCII, so that any text fits."""
    return json.dumps([list(pair) for pair in headers], separators=(",", ":"))


def headers_from(text: Any) -> tuple[tuple[str, str], ...]:
    try:
        pairs = tuple((name, value) for name, value in json.loads(text))
    except (ValueError, TypeError, RecursionError):
        raise damaged("the headers of a delivery are unreadable") from None
    if not all(type(part) is str for pair in pairs for part in pair):
        raise damaged("the headers of a delivery are unreadable")
    return pairs


def delivery_from(row: Sequence[Any]) -> Delivery:
    number, tenant, provider, delivery_id, status, at, attempts, error, event_type, severity, title, url = row[:12]
    event, verified = row[12:14]
    for place, (value, kind) in enumerate(zip(row, _EXPECTED, strict=False)):
        if type(value) is not kind and (value is not None or place not in _MAY_BE_MISSING):
            raise damaged("a delivery is unreadable")
    if status not in STATUSES:
        raise damaged(f"delivery {number} has no status that there is")
    if verified not in {0, 1}:
        raise damaged(f"delivery {number} is neither verified nor not")
    told = None if event is None else Told(event, event_type or "", severity or "", title or "", url)
    try:
        received_at = from_micros(at)
    except OverflowError:
        raise damaged(f"delivery {number} came at no time that there is") from None
    return Delivery(number, tenant, provider, delivery_id, status, received_at, attempts, told, error, verified == 1)


def body_from(row: Sequence[Any]) -> Body:
    raw, headers = row[14:16]
    if type(raw) is not bytes:
        raise damaged("the body of a delivery is unreadable")
    return Body(delivery_from(row), raw, headers_from(headers))


def portions(found: Iterable[tuple[int, int]], most: int = 200) -> Iterator[list[int]]:
    """Ids with the sizes of their bodies, grouped so that each group fits into memory. Every group holds one at least."""
    group: list[int] = []
    total = 0
    for number, size in found:
        if group and (total + size > PORTION_BYTES or len(group) == most):
            yield group
            group, total = [], 0
        group.append(number)
        total += size
    if group:
        yield group
