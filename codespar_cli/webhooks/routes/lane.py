"""One route while it is served: what it holds, what runs of it, and how much more it may take."""

from __future__ import annotations

from collections import deque

from codespar_cli.webhooks.inbox.delivery import Task
from codespar_cli.webhooks.routes.deed import Deed
from codespar_cli.webhooks.routes.route import Route

_QUICK_S = 0.25
_AHEAD = 4


class Lane:
    """`waiting` are tasks that are held and have not begun."""

    def __init__(self, route: Route, deed: Deed) -> None:
        self.route = route
        self.deed = deed
        self.waiting: deque[Task] = deque()
        self.running: set[Task] = set()
        self._quick = False

    @property
    def held(self) -> list[Task]:
        return [*self.running, *self.waiting]

    @property
    def room(self) -> int:
        """How many tasks to claim now.

        Of a quick route some ahead, as a claim costs as much as what it does; of a slow one none that could not begin at
        once, as another receiver may have time for it.
        """
        free = self.route.concurrency - len(self.running)
        if not self._quick:
            return max(0, free - len(self.waiting))
        if len(self.waiting) > self.route.concurrency:
            return 0
        return free + _AHEAD * self.route.concurrency - len(self.waiting)

    def next(self) -> Task | None:
        """The task to begin now, if one waits and there is a place for it."""
        if not self.waiting or len(self.running) >= self.route.concurrency:
            return None
        task = self.waiting.popleft()
        self.running.add(task)
        return task

    def ended(self, task: Task, took_s: float) -> None:
        self.running.discard(task)
        self._quick = took_s < _QUICK_S
