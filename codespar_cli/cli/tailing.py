"""Following what is appended: print what is there, wait a little, look again, until nobody reads any more."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from codespar_cli.core.administration.metrics import MetricFilter, MetricRow, MetricsReader, RowRange

POLL_S = 0.05


def rows_within(reader: MetricsReader, wanted: MetricFilter, span: RowRange) -> Iterator[MetricRow]:
    """The wanted rows of a range, from one page at a time."""
    after = span.after
    while True:
        page = reader.rows(wanted, after=after, upto=span.upto)
        yield from page.rows
        if page.complete:
            return
        after = page.cursor


def follow(
    reader: MetricsReader, wanted: MetricFilter, after: int, wait: Callable[[float], bool]
) -> Iterator[MetricRow]:
    """Wanted rows as any process appends them, until `wait` answers False."""
    while True:
        page = reader.rows(wanted, after=after)
        yield from page.rows
        after = page.cursor
        if page.complete and not wait(POLL_S):
            return


class ReaderWatch:
    """Waits, and notices meanwhile that whoever reads our output has gone: a quiet tail would never find out."""

    def __init__(self, output: TextIO) -> None:
        self._poll: select.poll | None = None
        try:
            descriptor = output.fileno()
            if hasattr(select, "poll"):
                self._poll = select.poll()
                self._poll.register(descriptor, 0)
        except (OSError, ValueError, AttributeError):
            pass  # not a stream of the operating system

    def wait(self, seconds: float) -> bool:
        """False as soon as there is nobody to write to."""
        if self._poll is None:
            time.sleep(seconds)
            return True
        for _, events in self._poll.poll(seconds * 1000):
            if events & (select.POLLERR | select.POLLHUP):
                return False
            self._poll = None  # POLLNVAL: a device that cannot be watched
        return True
