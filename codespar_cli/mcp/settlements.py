"""Calls that have ended and are not settled yet: a few are settled together, since a transaction costs more than its rows."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from codespar_cli.core.calls import ToolCall
    from codespar_cli.core.gate import Gate
    from codespar_cli.core.outcome import Outcome
    from codespar_cli.mcp.bookkeeper import Bookkeeper

Ended: TypeAlias = "tuple[ToolCall, Outcome]"
TOGETHER = 16
"""As long as these are being settled, the next call waits for the store."""


class Settlements:
    """`settle` is told each gate's own, in the order in which they ended. It must not raise.

    What `add` is told on the bookkeeper's thread is settled when that comes to the end of a run.
    """

    def __init__(self, settle: Callable[[Gate, list[Ended]], None], books: Bookkeeper) -> None:
        self._settle = settle
        self._waiting: list[tuple[Gate, Ended]] = []
        self._lock = Lock()
        self._settling = Lock()
        books.round_off_with(self.flush)

    def add(self, gate: Gate, call: ToolCall, outcome: Outcome) -> None:
        """Settle it with those that ended next to it."""
        with self._lock:
            self._waiting.append((gate, (call, outcome)))
            waiting = len(self._waiting)
        if waiting >= TOGETHER:
            self.flush()

    def flush(self) -> None:
        """What was added before is settled when this comes back, whoever does it."""
        with self._settling:
            with self._lock:
                waiting, self._waiting = self._waiting, []
            try:
                while waiting:
                    gate = waiting[0][0]
                    mine = [ended for of, ended in waiting if of is gate]
                    waiting = [one for one in waiting if one[0] is not gate]
                    self._settle(gate, mine)
            finally:
                with self._lock:
                    self._waiting[:0] = waiting
