"""The watch over all tools and agents: calls go in, in the order of their times; incidents begin and end.

The same calls make the same incidents, whether they come in one go or in several with `dump` and `load` between them.
Memory is bounded: of more tools than MOST those that were called last are watched, and newcomers, whom an agent that
makes names up brings in any number, only ever take the place of other newcomers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Any

from codespar_cli.plugins.observability.anomalies.incident_book import IncidentBook, Subject
from codespar_cli.plugins.observability.anomalies.watched_cost import DAY_US, WatchedCost
from codespar_cli.plugins.observability.anomalies.watched_tool import WARM_UP, WatchedTool

__all__ = ["CallWatch"]

MOST = 2000
MOST_NEW = 500
_COST_CHECK_US = 60 * 60_000_000
_Name = tuple[str, str]


class _Tenant:
    __slots__ = ("busiest", "calls", "most")

    def __init__(self) -> None:
        self.calls = 0
        self.busiest = ""
        self.most = 0


class CallWatch:
    """Times are microseconds since the epoch; one before the last is taken as the last."""

    def __init__(self) -> None:
        self.book = IncidentBook()
        self.now = -(2**62)
        self._tenants: OrderedDict[str, _Tenant] = OrderedDict()
        self._new: OrderedDict[_Name, WatchedTool] = OrderedDict()
        self._tools: OrderedDict[_Name, WatchedTool] = OrderedDict()
        self._agents: OrderedDict[_Name, WatchedCost] = OrderedDict()
        self._due: dict[_Name, int] = {}
        self._heap: list[tuple[int, str, str]] = []
        self._costs_due = -(2**62)

    def add(
        self, time: int, tenant: str, agent: str, tool: str, latency_ms: float, success: bool, cost: float | None
    ) -> None:
        """One call."""
        self.advance(time)
        time = self.now
        day = time // DAY_US
        about = self._tenants.get(tenant)
        if about is None:
            about = self._add_tenant(tenant)
        about.calls += 1
        name = (tenant, tool)
        watched = self._tools.get(name)
        if watched is not None:
            self._tools.move_to_end(name)
        else:
            watched = self._new_tool(name, time, about)
        before = len(self.book.open)
        watched.add(time, day, latency_ms, not success, cost, about.calls - watched.calls - 1, self.book)
        if len(self.book.open) > before and name in self._due:
            self._schedule(name, min(self._due[name], watched.due(time)))
        if watched.calls > about.most:
            about.most, about.busiest = watched.calls, tool
        if watched.calls == WARM_UP and name in self._new:
            self._establish(name, time)
        if cost is not None:
            self._agent((tenant, agent)).add(time, day, cost, self.book, watched.price)

    def advance(self, time: int) -> None:
        """Time has passed: what was due by then is looked at."""
        heap = self._heap
        while heap and heap[0][0] <= time:
            due, *name = heappop(heap)
            self.now = max(self.now, due)
            self._check((name[0], name[1]), due)
        self.now = max(self.now, time)
        if self.now >= self._costs_due:
            self._check_costs()

    # ── inside ──

    def _add_tenant(self, tenant: str) -> _Tenant:
        about = self._tenants[tenant] = _Tenant()
        if len(self._tenants) > MOST:
            self._tenants.popitem(last=False)
        return about

    def _new_tool(self, name: _Name, time: int, about: _Tenant) -> WatchedTool:
        watched = self._new.get(name)
        if watched is not None:
            self._new.move_to_end(name)
            return watched
        watched = self._new[name] = WatchedTool(*name, time, about.calls - 1)
        if len(self._new) > MOST_NEW:
            self._new.popitem(last=False)
        return watched

    def _establish(self, name: _Name, time: int) -> None:
        self._tools[name] = watched = self._new.pop(name)
        self._schedule(name, watched.due(time))
        if len(self._tools) > MOST:
            oldest, gone = self._tools.popitem(last=False)
            self._forget(oldest, gone)

    def _forget(self, name: _Name, watched: WatchedTool) -> None:
        watched.drop(self.now, self.book)
        del self._due[name]
        about = self._tenants.get(name[0])
        if about is not None and about.busiest == name[1]:
            about.most, about.busiest = 0, ""

    def _schedule(self, name: _Name, due: int) -> None:
        self._due[name] = due
        heappush(self._heap, (due, *name))

    def _check(self, name: _Name, due: int) -> None:
        now, watched = self.now, self._tools.get(name)
        if watched is None or self._due[name] != due:
            return  # forgotten, and established again since
        about = self._tenants.get(name[0]) or self._add_tenant(name[0])
        others = about.calls - watched.calls
        if watched.check(now, others, busiest=about.busiest == name[1], book=self.book):
            self._schedule(name, watched.due(now))
        else:
            del self._tools[name]
            self._forget(name, watched)

    def _agent(self, name: _Name) -> WatchedCost:
        watched = self._agents.get(name)
        if watched is not None:
            self._agents.move_to_end(name)
            return watched
        watched = self._agents[name] = WatchedCost(Subject(name[0], None, name[1], "cost"))
        if len(self._agents) > MOST:
            _, gone = self._agents.popitem(last=False)
            gone.drop(self.now, self.book)
        return watched

    def _check_costs(self) -> None:
        self._costs_due = self.now - self.now % _COST_CHECK_US + _COST_CHECK_US
        for subject in [each for each in self.book.open if each.tool is None]:
            watched = self._agents.get((subject.tenant, subject.agent or ""))
            if watched is not None:
                watched.check(self.now, self.book)

    def dump(self) -> list[Any]:
        """JSON."""
        tenants = [[name, about.calls, about.busiest, about.most] for name, about in self._tenants.items()]
        tools = [[*each.dump(), self._due[name]] for name, each in self._tools.items()]
        new = [each.dump() for each in self._new.values()]
        agents = [[*name, each.dump()] for name, each in self._agents.items()]
        return [self.now, self._costs_due, self.book.dump(), tenants, tools, new, agents]

    @classmethod
    def load(cls, dumped: Sequence[Any]) -> CallWatch:
        watch = cls()
        watch.now, watch._costs_due, book, tenants, tools, new, agents = dumped
        watch.book = IncidentBook.load(book)
        for name, calls, busiest, most in tenants:
            about = watch._tenants[name] = _Tenant()
            about.calls, about.busiest, about.most = calls, busiest, most
        for *tool, due in tools:
            watched = WatchedTool.load(tool)
            watch._tools[watched.tenant, watched.name] = watched
            watch._due[watched.tenant, watched.name] = due
        for tool in new:
            watched = WatchedTool.load(tool)
            watch._new[watched.tenant, watched.name] = watched
        for tenant, agent, cost in agents:
            watch._agents[tenant, agent] = WatchedCost(Subject(tenant, None, agent, "cost")).load(cost)
        watch._heap = [(due, *name) for name, due in watch._due.items()]
        heapify(watch._heap)
        return watch
