"""What need not be done before a byte passes: on a thread of its own, in the order it came up, when nothing passes.

Books are kept while an agent thinks. Calls that follow each other at once do not wait for the books of those before; but no
task waits longer than `LONGEST_WAIT_S` for a pause: what is not written when the process is killed is lost.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic
from typing import TypeAlias

Task: TypeAlias = Callable[[], object]
QUIET_S = 0.003
"""As long as something new came up within this, calls are following each other."""
LONGEST_WAIT_S = 0.25
LONGEST_RUN_S = 0.05
"""After so much of tasks that are done one behind the other, what they left to be done together is done."""
MOST_WAITING = 10_000
"""Tasks that wait at once; whoever brings one more does it, and waits, so that memory is bounded."""


class Bookkeeper:
    """`failures` counts what tasks raised, by class: watching never fails a call."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self.failures: Counter[str] = Counter()
        self._tasks: deque[tuple[float, Task]] = deque()
        self._most = most_waiting
        self._latest = 0.0
        self._news = Event()
        self._closing = Event()
        self._round_off: Task | None = None
        self._run_began = 0.0
        self._thread = Thread(target=self._work, name="bookkeeper", daemon=True)
        self._thread.start()

    def add(self, task: Task) -> None:
        if len(self._tasks) >= self._most:
            self._do(task)
            return
        self._latest = monotonic()
        self._tasks.append((self._latest, task))
        if not self._news.is_set():  # to wake it for every task would be to have it run between two calls
            self._news.set()

    def round_off_with(self, task: Task) -> None:
        """Done at the end of every run of tasks: what they left to be done together."""
        self._round_off = task

    def close(self, patience_s: float) -> bool:
        """Finish what waits. Whether all of it was done in time."""
        self._closing.set()
        self._news.set()
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while not self._closing.is_set() or self._tasks:
            self._news.wait()
            self._news.clear()
            while self._tasks:
                if self._is_late():
                    # All that is there: one for each call that comes would stand in the way of every call.
                    for _ in range(len(self._tasks)):
                        self._do_next()
                elif self._is_quiet():
                    self._do_next()
                else:
                    self._end_run()
                    self._closing.wait(QUIET_S)
                    self._run_began = monotonic()
            self._end_run()

    def _do_next(self) -> None:
        self._do(self._tasks.popleft()[1])
        if monotonic() - self._run_began >= LONGEST_RUN_S:
            self._end_run()

    def _end_run(self) -> None:
        if self._round_off is not None:
            self._do(self._round_off)
        self._run_began = monotonic()

    def _is_late(self) -> bool:
        return self._closing.is_set() or monotonic() - self._tasks[0][0] >= LONGEST_WAIT_S

    def _is_quiet(self) -> bool:
        return monotonic() - self._latest >= QUIET_S

    def _do(self, task: Task) -> None:
        try:
            task()
        except BaseException as error:  # a plugin's SystemExit, too: who watches never stops what passes
            self.failures[type(error).__name__] += 1
