"""What becomes of arrivals, judged one after the other, given what the store knows of them already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from codespar_cli.webhooks.inbox.delivery import Arrival, Verdict


class Known(NamedTuple):
    """The delivery of an arrival's id, and the first one with its bytes; None where the store has none."""

    by_id: int | None = None
    by_bytes: int | None = None


class Judged(NamedTuple):
    """A verdict, and the delivery that an arrival is: one that the store has (`known`), or that which is stored for the
    arrival at `place`, itself or an earlier one."""

    verdict: Verdict
    known: int | None
    place: int

    def is_stored(self, place: int) -> bool:
        """Whether the arrival at `place`, whose judgement this is, makes a delivery of its own."""
        return self.known is None and self.place == place


def judge(arrivals: Sequence[Arrival], digests: Sequence[bytes], known: dict[int, Known]) -> list[Judged]:
    """One judgement for each arrival; `known` by place, where there is anything. See `InboxStore.accept`."""
    ids: dict[tuple[str, str, bool, str], int] = {}
    bodies: dict[tuple[str, str, bool, bytes], int] = {}
    judged: list[Judged] = []
    nothing = Known()
    for place, arrival in enumerate(arrivals):
        own = arrival.delivery_id
        by_id, by_bytes = known.get(place, nothing)
        body = (arrival.tenant, arrival.provider, arrival.verified, digests[place])
        if own is not None:
            name = (arrival.tenant, arrival.provider, arrival.verified, own)
            if by_id is not None or name in ids:
                judged.append(Judged("duplicate", by_id, ids.get(name, place)))
                continue
            ids[name] = place
        came_before = by_bytes is not None or body in bodies
        if came_before and own is None:
            judged.append(Judged("duplicate", by_bytes, bodies.get(body, place)))
            continue
        judged.append(Judged("suspected_replay" if came_before else "new", None, place))
        bodies.setdefault(body, place)
    return judged
