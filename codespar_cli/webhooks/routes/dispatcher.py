"""Every route gets every event it wants, at least once.

A task is held for a minute at a time while it waits here or runs, so that no other dispatcher of the same inbox takes it;
when a dispatcher is gone the hold ends, and the task is another's. What is done is recorded as done only afterwards:
whoever dies in between has it done a second time.
"""

from __future__ import annotations

import asyncio
import random as randomness
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TypeVar

from codespar_cli.core.blame import hosts_own, words_of
from codespar_cli.core.clock import Clock
from codespar_cli.core.text import clean_line
from codespar_cli.errors import CodesparError
from codespar_cli.server.app import Log
from codespar_cli.webhooks.inbox.delivery import Filter, Task
from codespar_cli.webhooks.inbox.store import InboxStore
from codespar_cli.webhooks.routes.back_off import LONGEST, back_off
from codespar_cli.webhooks.routes.deed import Failed
from codespar_cli.webhooks.routes.event_document import EventDocument, event_document
from codespar_cli.webhooks.routes.forgotten_routes import tell_of_forgotten
from codespar_cli.webhooks.routes.lane import Lane
from codespar_cli.webhooks.routes.task_owner import TaskOwner

T = TypeVar("T")
LEASE = timedelta(seconds=60)
LOOK_EVERY_S = 2.0
END_WITHIN_S = 5.0
_AGAIN_S = 1.0
_SOONEST_S = 0.05
_STORE_THREADS = 4


class Dispatcher:
    """`owner` is asked for when it begins. `random` answers numbers from 0 to 1."""

    def __init__(
        self,
        store: InboxStore,
        lanes: Sequence[Lane],
        *,
        owner: Callable[[], TaskOwner],
        clock: Clock,
        log: Log,
        random: Callable[[], float] = randomness.random,
        lease: timedelta = LEASE,
        look_every_s: float = LOOK_EVERY_S,
        end_within_s: float = END_WITHIN_S,
    ) -> None:
        self._store = store
        self._lanes = {lane.route.name: lane for lane in lanes}
        self._owner_of = owner
        self._clock = clock
        self._log = log
        self._random = random
        self._lease = lease
        self._look_every_s = look_every_s
        self._end_within_s = end_within_s
        self._wake = asyncio.Event()
        self._working: set[asyncio.Task[None]] = set()
        self._held_until: dict[Task, float] = {}
        self._ending = False
        self._threads = ThreadPoolExecutor(_STORE_THREADS, "codespar-routes")  # begins none before it has to

    def wake(self, _count: int = 0) -> None:
        """There is something new. To be called where the event loop is; never waits."""
        self._wake.set()

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """Tasks are done inside. What runs at the end gets some seconds; then it is stopped, or left to its lease.

        Raises StoreError when the state directory cannot be used.
        """
        owner = self._owner_of()
        loops = [asyncio.create_task(self._run(owner)), asyncio.create_task(self._renew(owner))]
        try:
            yield
        finally:
            self._ending = True
            self._wake.set()
            await asyncio.wait(loops[:1])
            if await self._wind_up():
                await self._let_go(owner)
            loops[1].cancel()
            await asyncio.wait(loops)
            self._threads.shutdown(wait=True)
            owner.close()

    async def _wind_up(self) -> bool:
        """Whether all that ran has ended by itself."""
        if self._working:
            await asyncio.wait(self._working, timeout=self._end_within_s)
        left = set(self._working)
        for work in left:
            work.cancel()
        if left:
            what = "1 deed of a route was" if len(left) == 1 else f"{len(left)} deeds of routes were"
            self._log(f"{what} under way at the end, and will be done again")
            await asyncio.wait(left)
        return not left

    async def _let_go(self, owner: TaskOwner) -> None:
        """Another dispatcher need not wait for what was claimed here and has not begun."""
        try:
            await self._on_store(lambda: self._store.release(owner.name))
        except Exception as error:
            self._log(f"what waits for routes stays held for a minute: {_told(error)}")

    # ── claiming ──

    async def _run(self, owner: TaskOwner) -> None:
        begun = False
        while not self._ending:
            self._wake.clear()
            try:
                if not begun:
                    await self._on_store(lambda: owner.free_what_is_left(self._store.release))
                    await self._on_store(lambda: tell_of_forgotten(self._store, self._lanes, self._log))
                    begun = True
                if not await self._claim(owner):
                    await self._rest(await self._soonest())
            except CodesparError as error:
                self._log(f"the routes wait, the inbox cannot be used: {error}")
                await self._rest(_AGAIN_S)
            except Exception as error:  # a store that breaks its promise must not end all routes for good
                self._log(f"the routes wait, the inbox failed: {type(error).__name__}")
                await self._rest(_AGAIN_S)

    async def _claim(self, owner: TaskOwner) -> bool:
        """Whether there was anything to claim. Raises CodesparError."""
        asked = [(lane, lane.room) for lane in self._lanes.values() if lane.room > 0]
        if not asked:
            return False
        began = time.monotonic()
        now = self._clock()
        found = await self._on_store(
            lambda: [
                (lane, self._store.claim(owner.name, [lane.route.name], room, now=now, lease=self._lease))
                for lane, room in asked
            ]
        )
        for lane, tasks in found:
            lane.waiting.extend(tasks)
            self._held_until |= dict.fromkeys(tasks, began + self._lease.total_seconds())
            self._begin(lane)
        return any(tasks for _, tasks in found)

    async def _soonest(self) -> float:
        """How long nothing will be due, in seconds, at most until the next look. Raises CodesparError."""
        names = [lane.route.name for lane in self._lanes.values() if lane.room > 0]
        if not names:
            return self._look_every_s
        due = await self._on_store(lambda: self._store.next_due(names))
        if due is None:
            return self._look_every_s
        return min(self._look_every_s, max(_SOONEST_S, (due - self._clock()).total_seconds()))

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _renew(self, owner: TaskOwner) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            held = [task for lane in self._lanes.values() for task in lane.held]
            if not held:
                continue
            began, now = time.monotonic(), self._clock()
            try:
                await self._on_store(lambda: self._store.renew(owner.name, held, now=now, lease=self._lease))  # noqa: B023  awaited here
            except Exception as error:
                self._log(f"what runs of the routes cannot be held: {_told(error)}")
            else:
                for task in held:
                    if task in self._held_until:
                        self._held_until[task] = began + self._lease.total_seconds()

    # ── doing ──

    def _begin(self, lane: Lane) -> None:
        while not self._ending and (task := lane.next()) is not None:
            if self._held_until[task] <= time.monotonic():  # it may be another's by now
                self._drop(lane, task, 0.0)
                continue
            work = asyncio.create_task(self._work(lane, task))
            self._working.add(work)
            work.add_done_callback(self._working.discard)

    def _drop(self, lane: Lane, task: Task, took_s: float) -> None:
        lane.ended(task, took_s)
        self._held_until.pop(task, None)

    async def _work(self, lane: Lane, task: Task) -> None:
        began = time.monotonic()
        took_s = self._lease.total_seconds()
        try:
            document = await self._insisting(lambda: self._document(task))
            if document is None:
                return
            failure = document if isinstance(document, Failed) else await self._attempt(lane, document)
            took_s = time.monotonic() - began
            await self._record(lane, task, failure)
        finally:
            self._drop(lane, task, took_s)
            self._begin(lane)
            if lane.room > 0:
                self._wake.set()

    async def _attempt(self, lane: Lane, document: EventDocument) -> Failed | None:
        """None when it is done."""
        try:
            await lane.deed.do(document)
        except Failed as failure:
            return failure
        except BaseException as error:
            if hosts_own(error):
                raise
            return Failed(_told(error))
        return None

    def _document(self, task: Task) -> EventDocument | Failed:
        """Failed when there is nothing to tell. Raises CodesparError."""
        found = self._store.deliveries(Filter(ids=(task.delivery,)))
        try:
            if found:
                return event_document(found[0], task.route)
            why = "the delivery is not in the inbox any more"
        except ValueError as error:
            why = str(error)
        return Failed(why, final=True)

    async def _record(self, lane: Lane, task: Task, failure: Failed | None) -> None:
        if failure is None:
            await self._insisting(lambda: self._store.done(task))
            return
        words = clean_line(str(failure), 300) or "failed"
        again_at = self._again_at(lane, task, failure)
        await self._insisting(lambda: self._store.failed(task, words, again_at=again_at))
        attempts = task.attempts + 1
        fate = "given up" if again_at is None else f"again at {again_at:%H:%M:%S} UTC"
        self._log(f"route {task.route}, delivery {task.delivery}, attempt {attempts}: {words}; {fate}")

    def _again_at(self, lane: Lane, task: Task, failure: Failed) -> datetime | None:
        attempts = task.attempts + 1
        if failure.final or attempts >= lane.route.attempts:
            return None
        wait = back_off(attempts, self._random())
        return self._clock() + min(LONGEST, max(wait, failure.after or timedelta(0)))

    async def _insisting(self, call: Callable[[], T]) -> T | None:
        """What the store answers, as soon as it can be used; None when it could not be until the end."""
        while True:
            try:
                return await self._on_store(call)
            except CodesparError as error:
                if self._ending:
                    return None
                self._log(f"the routes wait, the inbox cannot be used: {error}")
            await asyncio.sleep(_AGAIN_S)

    async def _on_store(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {clean_line(words_of(error), 200)}".rstrip(": ")
