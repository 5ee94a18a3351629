"""All checks over a row of calls: beside a catalogue where there is one, and in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from codespar_cli.core.administration.tool_checks import CheckResult, ObservedCall
from codespar_cli.plugins.observability.checks.call import check_read
from codespar_cli.plugins.observability.checks.catalogue import Catalogue
from codespar_cli.plugins.observability.checks.sequence import CallStreams


class Seen(NamedTuple):
    """A result with the call that it is about, and that call's index."""

    number: int
    call: ObservedCall
    result: CheckResult


def look_at(
    calls: Iterable[ObservedCall], catalogue: Catalogue | None = None, servers: Sequence[Catalogue] = ()
) -> Iterator[Seen]:
    """Results in the order of the calls, told as they come up.

    Without a `catalogue` each call is looked at beside the one of its server, as its name tells it; others are looked at
    in their order alone.
    """
    streams = CallStreams()
    for index, call in enumerate(calls):
        beside = _catalogue_of(call, servers) if catalogue is None else catalogue
        found = check_read(call, beside) if beside is not None else []
        for result in (*found, *streams.observe(call)):
            yield Seen(index, call, result)


def _catalogue_of(call: ObservedCall, servers: Sequence[Catalogue]) -> Catalogue | None:
    """Of `a__b__c` it is that of the server `a__b`, where there is one, before that of `a`."""
    if not isinstance(call.name, str):
        return None
    own = [(len(rest), each) for each in servers if (rest := each.own_name(call.name)) is not None]
    return min(own, key=lambda found: found[0], default=(0, None))[1]
