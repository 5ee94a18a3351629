"""Arrivals into inbox.db: few statements for any number of them.

Each step of a statement gives up Python's interpreter lock and has to win it back from a busy event loop, so what costs
is the number of steps, hardly what they do: a batch is four, however many arrivals it holds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate

import apsw

from codespar_cli.core.clock import to_micros
from codespar_cli.webhooks.inbox.arrivals import Known, judge
from codespar_cli.webhooks.inbox.delivery import Arrival
from codespar_cli.webhooks.inbox.inbox_rows import damaged, headers_text
from codespar_cli.webhooks.inbox.store import Accepted

# `LIMIT 1` takes the first entry of the index: `min` would read all that repeat a body, and a replayed one may have many.
_KNOWN = (
    "SELECT json_group_array(json_array(place, by_id, by_bytes)) FROM (SELECT asked.key AS place,"
    " (SELECT id FROM delivery WHERE delivery_id = asked.value ->> 2 AND provider = asked.value ->> 1"
    " AND tenant = asked.value ->> 0 AND verified = asked.value ->> 4 LIMIT 1) AS by_id,"
    " (SELECT id FROM delivery WHERE digest = unhex(asked.value ->> 3) AND provider = asked.value ->> 1"
    " AND tenant = asked.value ->> 0 AND verified = asked.value ->> 4 ORDER BY id LIMIT 1) AS by_bytes"
    " FROM json_each(?) AS asked) WHERE by_id IS NOT NULL OR by_bytes IS NOT NULL"
)
_PUT = (
    "INSERT INTO delivery (tenant, provider, delivery_id, digest, verified, size, received_at, status, unread)"
    " SELECT value ->> 0, value ->> 1, value ->> 2, unhex(value ->> 3), value ->> 4, value ->> 5, value ->> 6, value ->> 7,"
    " value ->> 8 FROM json_each(?) ORDER BY key"
)
# All bodies come as one value, of which each row takes its part; a part of nothing is NULL.
_PUT_BODIES = (
    "INSERT INTO body (delivery, headers, raw)"
    " SELECT ? + key, value ->> 2, coalesce(substr(?, value ->> 0, value ->> 1), x'') FROM json_each(?) ORDER BY key"
)
_compact = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def accept(connection: apsw.Connection, arrivals: Sequence[Arrival], digests: Sequence[bytes]) -> list[Accepted]:
    """In the caller's write transaction. See `InboxStore.accept`."""
    names = [
        (arrival.tenant, arrival.provider, arrival.delivery_id, digest.hex(), int(arrival.verified))
        for arrival, digest in zip(arrivals, digests, strict=True)
    ]
    ((found,),) = connection.execute(_KNOWN, (_compact(names),))
    judged = judge(arrivals, digests, {place: Known(*ids) for place, *ids in json.loads(found)})
    places = [place for place, judgement in enumerate(judged) if judgement.is_stored(place)]
    ids: dict[int, int] = {}
    if places:
        rows = []
        for place in places:
            at, replay = to_micros(arrivals[place].received_at), judged[place].verdict == "suspected_replay"
            status = "suspected_replay" if replay else "received"
            rows.append((*names[place], len(arrivals[place].raw), at, status, int(not replay)))
        connection.execute(_PUT, (_compact(rows),))
        if connection.changes() != len(places):
            raise damaged("it did not take what it was given")
        first = connection.last_insert_rowid() - len(places) + 1
        ids = {place: first + offset for offset, place in enumerate(places)}
        _put_bodies(connection, first, [arrivals[place] for place in places])
    return [Accepted(each.verdict, ids[each.place] if each.known is None else each.known) for each in judged]


def _put_bodies(connection: apsw.Connection, first: int, arrivals: Sequence[Arrival]) -> None:
    raws = [arrival.raw for arrival in arrivals]
    starts = accumulate(map(len, raws), initial=1)  # SQL counts from one
    parts = [
        (start, len(arrival.raw), headers_text(arrival.headers))
        for start, arrival in zip(starts, arrivals, strict=False)
    ]
    connection.execute(_PUT_BODIES, (first, b"".join(raws), _compact(parts)))
