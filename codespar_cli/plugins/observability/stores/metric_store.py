"""What a store of calls offers to the observer, to summaries, and to whoever builds on the rollup.

Two keep it: `CallStore`, a SQLite file, and `PostgresCalls`, a schema on a server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from codespar_cli.core.administration.metrics import MetricFilter, MetricPage, RowRange
from codespar_cli.plugins.observability.admission import StoredRow

if TYPE_CHECKING:
    from codespar_cli.plugins.observability.rollup import Dimension


class MetricStore(Protocol):
    """Ids grow in the order in which rows become visible, and are never given twice. Everything raises StoreError."""

    @property
    def place(self) -> str:
        """Where it is, as messages name it: without a password."""
        ...

    @property
    def exists(self) -> bool:
        """Whether there is anything to read. Looking makes nothing."""
        ...

    def append(self, row: StoredRow) -> None: ...

    def append_all(self, rows: Sequence[StoredRow]) -> None:
        """All of them or none."""
        ...

    def sweep(self) -> int:
        """Remove some of what retention no longer keeps, and say how many rows."""
        ...

    def first_time(self) -> datetime | None:
        """The earliest time of any row."""
        ...

    def last_time(self) -> datetime | None:
        """When the newest row says it was made."""
        ...

    def reader(self) -> RowSource: ...

    def sums(self) -> SumSource: ...

    def close(self) -> None:
        """Let go of it; the next use opens it again."""
        ...


class RowSource(Protocol):
    """Rows in the order of their ids."""

    def page(self, wanted: MetricFilter, after: int, upto: int | None, limit: int) -> MetricPage: ...

    def last(self, wanted: MetricFilter, count: int) -> RowRange: ...


class SumSource(Protocol):
    """What `Rollup` adds up."""

    def catch_up(self) -> bool:
        """Fold what is new. False when the store cannot be written now."""
        ...

    def may_exceed(self, groups: int) -> bool:
        """Whether there may be more than so many combinations of names."""
        ...

    def answers(self, wanted: MetricFilter, by: Sequence[Dimension], *, sums: bool) -> Iterator[tuple[Any, ...]]:
        """The group's key, and a cell's sums in their order, or only the calls. A group may come many times."""
        ...
