"""The inbox as a few dictionaries: written for being right, not for being fast."""

from dataclasses import dataclass, field

from codespar_cli.core.globs import matches
from codespar_cli.webhooks.inbox.delivery import Delivery, Task
from codespar_cli.webhooks.inbox.store import Accepted


@dataclass
class ModelTask:
    due_at: object
    state: str = "waiting"
    attempts: int = 0
    owner: object = None
    until: object = None
    error: object = None

    @property
    def free_at(self):
        return self.due_at if self.owner is None else self.until


@dataclass
class ModelRow:
    arrival: object
    status: str
    unread: bool
    told: object = None
    error: object = None
    tasks: dict = field(default_factory=dict)


class InboxModel:
    def __init__(self):
        self.rows = {}
        self.count = 0

    def accept(self, arrivals):
        return [self._accept(arrival) for arrival in arrivals]

    def _accept(self, came):
        mine = [
            (key, row.arrival)
            for key, row in self.rows.items()
            if (row.arrival.tenant, row.arrival.provider) == (came.tenant, came.provider)
            and row.arrival.verified == came.verified
        ]
        by_id = [key for key, old in mine if came.delivery_id is not None and old.delivery_id == came.delivery_id]
        if by_id:
            return Accepted("duplicate", by_id[0])
        by_bytes = [key for key, old in mine if old.raw == came.raw]
        if by_bytes and came.delivery_id is None:
            return Accepted("duplicate", by_bytes[0])
        self.count += 1
        self.rows[self.count] = ModelRow(came, "suspected_replay" if by_bytes else "received", not by_bytes)
        return Accepted("suspected_replay" if by_bytes else "new", self.count)

    def read_all(self, readings, *, at):
        first = 0
        for reading in readings:
            row = self.rows.get(reading.id)
            if row is None or not (row.unread or row.status == "suspected_replay"):
                continue
            first += 1
            row.unread, row.error = False, None
            if reading.told is None:
                row.status = "ignored" if reading.error is None else "failed"
                row.error = None if reading.error is None else _storable(reading.error)
            else:
                row.told = reading.told
                row.status = "received" if reading.routes else "dispatched"
                row.tasks = {route: ModelTask(at) for route in reading.routes}
        return first

    def again(self, key, routes, *, at, told=None):
        row = self.rows.get(key)
        if row is None or (told is None and row.told is None):
            return False
        row.told = told or row.told
        row.unread = False
        for route in routes:
            task = row.tasks.get(route)
            if not (task and task.state == "waiting" and task.owner is not None and task.until > at):
                row.tasks[route] = ModelTask(at)
        self._settle(row, None)
        return True

    def claim(self, owner, routes, limit, *, now, lease):
        free = sorted(
            (task.free_at, key, route)
            for key, row in self.rows.items()
            for route, task in row.tasks.items()
            if route in routes and task.state == "waiting" and task.free_at <= now
        )[:limit]
        taken = []
        for _, key, route in free:
            task = self.rows[key].tasks[route]
            task.owner, task.until = owner, now + lease
            taken.append(Task(key, route, task.attempts, task.due_at, owner))
        return taken

    def renew(self, owner, tasks, *, now, lease):
        for asked in tasks:
            task = self._task(asked)
            if task and task.state == "waiting" and task.owner == owner:
                task.until = now + lease

    def release(self, prefix):
        for row in self.rows.values():
            for task in row.tasks.values():
                if task.owner is not None and task.owner.startswith(prefix):
                    task.owner = None

    def done(self, asked):
        task = self._task(asked)
        if task and task.state != "done":
            task.state, task.owner, task.error = "done", None, None
            task.attempts += 1
            self._settle(self.rows[asked.delivery], None)

    def failed(self, asked, error, *, again_at):
        task = self._task(asked)
        if not task or task.state != "waiting" or task.attempts != asked.attempts:
            return
        if task.owner not in {None, asked.owner}:
            return
        task.state = "dead" if again_at is None else "waiting"
        task.attempts += 1
        task.owner, task.error = None, _storable(error)
        task.due_at = again_at or asked.due_at
        self._settle(self.rows[asked.delivery], task.error)

    def next_due(self, routes):
        waiting = [
            task.free_at
            for row in self.rows.values()
            for route, task in row.tasks.items()
            if route in routes and task.state == "waiting"
        ]
        return min(waiting, default=None)

    def deliveries(self, filter):
        found = [self._delivery(key, row) for key, row in self.rows.items() if self._matches(filter, key, row)]
        return found if filter.last is None else found[len(found) - min(filter.last, len(found)) :]

    def unread(self, limit):
        return [key for key, row in self.rows.items() if row.unread][:limit]

    def tasks_of(self, key):
        tasks = self.rows[key].tasks
        return [(route, task.state, task.attempts, task.error) for route, task in sorted(tasks.items())]

    def purge(self, before):
        old = [
            key
            for key, row in self.rows.items()
            if row.arrival.received_at < before
            and not row.unread
            and all(task.state != "waiting" for task in row.tasks.values())
        ]
        for key in old:
            del self.rows[key]
        return len(old)

    def _task(self, asked):
        row = self.rows.get(asked.delivery)
        return None if row is None else row.tasks.get(asked.route)

    def _settle(self, row, error):
        states = [(task.state, task.attempts) for task in row.tasks.values()]
        if any(state == "dead" for state, _ in states):
            row.status = "dead"
        elif any(state == "waiting" and attempts for state, attempts in states):
            row.status = "failed"
        elif any(state == "waiting" for state, _ in states):
            row.status = "received"
        else:
            row.status = "dispatched"
        row.error = (error or row.error) if row.status in {"failed", "dead"} else None

    def _delivery(self, key, row):
        came = row.arrival
        attempts = max((task.attempts for task in row.tasks.values()), default=0)
        return Delivery(
            key,
            came.tenant,
            came.provider,
            came.delivery_id,
            row.status,
            came.received_at,
            attempts,
            row.told,
            row.error,
            came.verified,
        )

    def _matches(self, filter, key, row):
        came = row.arrival
        return (
            (not filter.ids or key in filter.ids)
            and filter.tenant in {None, came.tenant}
            and filter.provider in {None, came.provider}
            and filter.status in {None, row.status}
            and (filter.event is None or (row.told is not None and matches(filter.event, row.told.event_type)))
            and (filter.since is None or came.received_at >= filter.since)
            and (filter.until is None or came.received_at < filter.until)
        )


def _storable(text):
    return text.replace("\x00", "").replace("\ud800", "?")
