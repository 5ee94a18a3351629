"""Arrivals into PostgreSQL, from any number of receivers at once, in two trips for any number of arrivals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from codespar_cli.core.clock import to_micros
from codespar_cli.storage.postgres import Session
from codespar_cli.webhooks.inbox.arrivals import Judged, Known, judge
from codespar_cli.webhooks.inbox.delivery import Arrival
from codespar_cli.webhooks.inbox.inbox_rows import headers_text
from codespar_cli.webhooks.inbox.store import Accepted

_KNOWN: LiteralString = (
    "SELECT place - 1, nextval(pg_get_serial_sequence('delivery', 'id')),"
    " (SELECT id FROM delivery WHERE delivery.delivery_id = asked.delivery_id AND delivery.provider = asked.provider"
    " AND delivery.tenant = asked.tenant AND delivery.verified = asked.verified),"
    " (SELECT min(id) FROM ((SELECT id FROM delivery WHERE delivery.digest = asked.digest"
    " AND delivery.provider = asked.provider AND delivery.tenant = asked.tenant"
    " AND delivery.verified = asked.verified AND NOT replay) UNION ALL"
    " (SELECT id FROM delivery WHERE delivery.digest = asked.digest AND delivery.provider = asked.provider"
    " AND delivery.tenant = asked.tenant AND delivery.verified = asked.verified AND replay ORDER BY id LIMIT 1)) AS same)"
    " FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[], %s::boolean[]) WITH ORDINALITY"
    " AS asked (tenant, provider, delivery_id, digest, verified, place) ORDER BY place"
)
# In the order of the digests: two receivers of the same deliveries then wait for each other in one direction only.
_PUT: LiteralString = (
    "WITH arrival AS MATERIALIZED (SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::bytea[],"
    " %s::boolean[], %s::bigint[], %s::boolean[], %s::text[], %b::bytea[])"
    " AS arrival (id, tenant, provider, delivery_id, digest, verified, received_at, replay, headers, raw)),"
    " put AS (INSERT INTO delivery"
    " (id, tenant, provider, delivery_id, digest, verified, replay, size, received_at, status, unread)"
    " SELECT id, tenant, provider, delivery_id, digest, verified, replay, octet_length(raw), received_at,"
    " CASE WHEN replay THEN 'suspected_replay' ELSE 'received' END, NOT replay FROM arrival ORDER BY digest, id"
    " ON CONFLICT DO NOTHING RETURNING id),"
    " put_body AS (INSERT INTO body (delivery, headers, raw)"
    " SELECT arrival.id, headers, raw FROM arrival JOIN put ON put.id = arrival.id)"
    " SELECT count(*) FROM put"
)


class Overtaken(Exception):
    """Another receiver stored one of these in between: the transaction is to be undone, and all judged anew."""


def accept(session: Session, arrivals: Sequence[Arrival], digests: Sequence[bytes]) -> list[Accepted]:
    """In the caller's write transaction. Raises Overtaken. See `InboxStore.accept`."""
    tenants = [arrival.tenant for arrival in arrivals]
    providers = [arrival.provider for arrival in arrivals]
    own = [arrival.delivery_id for arrival in arrivals]
    verified = [arrival.verified for arrival in arrivals]
    found = session.rows(_KNOWN, (tenants, providers, own, list(digests), verified))
    ids = {place: number for place, number, *_ in found}
    judged = judge(arrivals, digests, {place: Known(by_id, by_bytes) for place, _, by_id, by_bytes in found})
    _put(session, arrivals, digests, ids, judged)
    return [Accepted(each.verdict, ids[each.place] if each.known is None else each.known) for each in judged]


def _put(
    session: Session,
    arrivals: Sequence[Arrival],
    digests: Sequence[bytes],
    ids: dict[int, int],
    judged: Sequence[Judged],
) -> None:
    rows = [
        (
            ids[place],
            arrival.tenant,
            arrival.provider,
            arrival.delivery_id,
            digests[place],
            arrival.verified,
            to_micros(arrival.received_at),
            judged[place].verdict == "suspected_replay",
            headers_text(arrival.headers),
            arrival.raw,
        )
        for place, arrival in enumerate(arrivals)
        if judged[place].is_stored(place)
    ]
    if not rows:
        return
    ((put,),) = session.rows(_PUT, [list(column) for column in zip(*rows, strict=True)])
    if put != len(rows):
        raise Overtaken
