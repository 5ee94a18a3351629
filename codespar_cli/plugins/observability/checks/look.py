"""All checks over a row of calls: beside a catalogue where there is one, and in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def look_at(calls: Iterable[ObservedCall], catalogue: Catalogue | None = None) -> Iterator[Seen]:
    """Results in the order of the calls, told as they come up."""
    streams = CallStreams()
    for index, call in enumerate(calls):
        found = check_read(call, catalogue) if catalogue is not None else []
        for result in (*found, *streams.observe(call)):
            yield Seen(index, call, result)
