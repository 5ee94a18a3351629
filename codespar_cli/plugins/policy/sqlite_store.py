"""The policy's store on SQLite: policy.db in the state directory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from heapq import merge
from pathlib import Path
from typing import Any, TypeVar

import apsw

from codespar_cli.core.clock import from_micros, to_micros
from codespar_cli.errors import StoreBusy, StoreError, StoreSchemaNewer
from codespar_cli.plugins.policy.approval import COLUMNS, Approval, to_text
from codespar_cli.plugins.policy.periods import key_length
from codespar_cli.plugins.policy.sqlite_schema import FILE, SCHEMA
from codespar_cli.plugins.policy.store import CounterKey, CounterState, Hold, Record
from codespar_cli.plugins.policy.stored_rows import approval_from, damaged, hold_from, key_from, parts_from
from codespar_cli.storage import chain
from codespar_cli.storage.sqlite import Database, Durability

_KEY = "tenant = ? AND rule = ? AND scope = ? AND window = ? AND period = ? AND space = ?"
# Totals are kept, and what has lapsed since is taken off: reading costs what has changed, not what there is.
_LAPSED = "(SELECT coalesce(sum(amount), 0) FROM hold_part WHERE counter = id AND until <= ?)"
_STATE = f"SELECT id, value, held, {_LAPSED} FROM counter WHERE {_KEY}"  # noqa: S608  only our own constants
_AGED = "(SELECT coalesce(sum(amount), 0) FROM entry WHERE counter = id AND at <= ?)"
_ROLLING_STATE = f"SELECT id, value - {_AGED}, held, {_LAPSED} FROM counter WHERE {_KEY}"  # noqa: S608  as above
_HOLD = "SELECT id, space, tenant, agent, tool, taken_at, expires_at, estimate, state FROM hold"
_TAKE = (
    "INSERT INTO hold (id, space, tenant, agent, tool, taken_at, expires_at, estimate, state, parts)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_APPROVAL = f"SELECT {', '.join(COLUMNS)}, rest FROM approval"  # noqa: S608  our own columns
_PUT_APPROVAL = (
    f"INSERT INTO approval ({', '.join(COLUMNS)}, rest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  as above
    " ON CONFLICT (token) DO UPDATE SET rest = excluded.rest"
)
_Value = TypeVar("_Value", int, bytes)
# A counter stops here rather than overflow: at four trillion units no limit is left to guard.
_FULL = 1 << 62


class SqliteStore:
    """Opened on first use."""

    def __init__(self, state_dir: Path, durability: Durability = "full") -> None:
        self.database = Database(state_dir / FILE, SCHEMA, durability=durability)

    @contextmanager
    def write(self) -> Iterator[SqliteTransaction]:
        with self.database.write() as connection:
            yield SqliteTransaction(connection)

    @contextmanager
    def read(self) -> Iterator[SqliteTransaction]:
        """One snapshot. A store that can be read but not written, as on a read-only mount, is read all the same."""
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(self.database.read())
            except (StoreBusy, StoreSchemaNewer):
                raise
            except StoreError as error:
                connection = stack.enter_context(_read_only(self.database.path, error))
            yield SqliteTransaction(connection)

    def check(self) -> None:
        self.database.check()

    def records(self, kinds: Collection[str] = ()) -> Iterator[Record]:
        with self.database.read() as connection:
            for record in chain.read(connection, name="policy"):
                if not kinds or record.kind in kinds:
                    yield Record(to_micros(record.at), record.kind, record.actor, record.body)

    def source(self, policy_hash: str) -> str | None:
        rows = self.database.query("SELECT text FROM source WHERE hash = ?", (policy_hash,))
        return None if not rows else str(rows[0][0])


@contextmanager
def _read_only(path: Path, reason: StoreError) -> Iterator[apsw.Connection]:
    """A connection that changes nothing on disk, or the reason why there is no other."""
    if not path.exists():
        raise reason
    log = path.with_name(path.name + "-wal")
    # Without a log to read nobody is writing, and SQLite need not make the files it coordinates writers with.
    immutable = "&immutable=1" if not log.exists() or log.stat().st_size == 0 else ""
    try:
        connection = apsw.Connection(
            f"{path.absolute().as_uri()}?mode=ro{immutable}", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        )
        version = next(iter(connection.execute("PRAGMA user_version")))[0]
        connection.execute("BEGIN")
    except apsw.Error:
        raise reason from None
    try:
        if version != len(SCHEMA.migrations):
            raise reason
        yield connection
    finally:
        connection.close()


class SqliteTransaction:
    """Both a snapshot and a transaction: what `write()` yields may also change things."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._ids: dict[CounterKey, int] = {}
        self._lapsed: dict[int, tuple[int, int]] = {}

    # ── reading ──

    def latest(self) -> int:
        return self._ledger("latest", int)

    def secret(self) -> bytes:
        return self._ledger("secret", bytes)

    def state(self, key: CounterKey, now: int) -> CounterState:
        length = key_length(key.window)
        bound = (key.tenant, key.rule, key.scope, key.window, key.period, key.space)
        if length:
            rows = self._execute(_ROLLING_STATE, (now - length, now, *bound))
        else:
            rows = self._execute(_STATE, (now, *bound))
        for number, used, held, lapsed in rows:
            self._ids[key] = number
            self._lapsed[number] = (now, lapsed)
            if type(used) is not int or type(held) is not int or type(lapsed) is not int:
                raise damaged("a counter is no number")
            return CounterState(used, held - lapsed)
        return CounterState(0, 0)

    def reliefs(self, key: CounterKey, now: int) -> Iterator[tuple[int, int]]:
        number, length = self._find(key), key_length(key.window)
        if number is None:
            return iter(())
        holds = self._execute(
            "SELECT until, amount FROM hold_part WHERE counter = ? AND until > ? ORDER BY until", (number, now)
        )
        entries = self._execute(
            "SELECT at + ?, amount FROM entry WHERE counter = ? AND at > ? ORDER BY at", (length, number, now - length)
        )
        return merge(holds, entries)

    def keys(self, space: str, tenant: str) -> list[CounterKey]:
        rows = self._execute(
            "SELECT space, tenant, rule, scope, window, period FROM counter WHERE tenant = ? AND space = ?"
            " ORDER BY rule, scope",
            (tenant, space),
        )
        return [key_from(row) for row in rows]

    def hold(self, id: str) -> Hold | None:
        for row in self._execute(f"{_HOLD} WHERE id = ?", (id,)):
            return hold_from(row)
        return None

    def oldest_hold(self, space: str, tenant: str, agent: str, tool: str, now: int) -> Hold | None:
        rows = self._execute(
            f"{_HOLD} WHERE state = 'open' AND tenant = ? AND agent = ? AND tool = ? AND space = ?"
            " ORDER BY expires_at <= ?, taken_at, number LIMIT 1",
            (tenant, agent, tool, space, now),
        )
        for row in rows:
            return hold_from(row)
        return None

    def approval(self, token: str) -> Approval | None:
        for row in self._execute(f"{_APPROVAL} WHERE token = ?", (token,)):
            return approval_from(row)
        return None

    def approval_for(self, tenant: str, digest: str) -> Approval | None:
        found = f"{_APPROVAL} WHERE tenant = ? AND digest = ? ORDER BY number DESC LIMIT 1"
        for row in self._execute(found, (tenant, digest)):
            return approval_from(row)
        return None

    def approvals(self, tenant: str) -> list[Approval]:
        rows = self._execute(f"{_APPROVAL} WHERE tenant = ? ORDER BY number", (tenant,))
        return [approval_from(row) for row in rows]

    def clock(self, now: int) -> int:
        return now

    # ── writing ──

    def advance(self, now: int) -> None:
        self._execute("UPDATE ledger SET latest = max(latest, ?)", (now,))

    def count(self, key: CounterKey, amount: int, at: int, now: int) -> None:
        self._count(self._made(key), key_length(key.window), amount, at, now)

    def arrive(self, key: CounterKey, arrival: int) -> None:
        self._execute("UPDATE counter SET value = ? WHERE id = ?", (arrival, self._made(key)))

    def take(self, hold: Hold, parts: Mapping[CounterKey, int]) -> None:
        numbers = {self._made(key): until for key, until in parts.items()}
        listed = " ".join(f"{number}:{until}" for number, until in numbers.items())
        self._execute(_TAKE, (*hold, listed))
        amount = hold.estimate
        if amount:
            changes = [(amount - self._sweep(number, hold.taken_at), number) for number in numbers]
            self._connection.executemany("UPDATE counter SET held = held + ? WHERE id = ?", changes)
            rows = [(number, until, hold.id, amount) for number, until in numbers.items()]
            self._connection.executemany("INSERT INTO hold_part VALUES (?, ?, ?, ?)", rows)

    def settle(self, hold: Hold, amount: int, now: int) -> list[CounterKey]:
        keys = []
        for number in self._unhold(hold):
            for row in self._execute(
                "SELECT space, tenant, rule, scope, window, period FROM counter WHERE id = ?", (number,)
            ):
                key = key_from(row)
                self._count(number, key_length(key.window), amount, hold.taken_at, now)
                keys.append(key)
        self._execute("UPDATE hold SET state = 'settled' WHERE id = ?", (hold.id,))
        return keys

    def free(self, hold: Hold) -> None:
        self._unhold(hold)
        self._execute("UPDATE hold SET state = 'released' WHERE id = ?", (hold.id,))

    def put_approval(self, approval: Approval) -> None:
        columns = [getattr(approval, name) for name in COLUMNS]
        self._execute(_PUT_APPROVAL, (*columns, to_text(approval)))

    def keep_source(self, policy_hash: str, text: str) -> None:
        self._execute("INSERT OR IGNORE INTO source VALUES (?, ?)", (policy_hash, text))

    def record(self, at: int, kind: str, actor: str, body: Mapping[str, Any]) -> None:
        chain.append(self._connection, at=from_micros(at), kind=kind, actor=actor, body=body)

    # ── inside ──

    def _ledger(self, column: str, kind: type[_Value]) -> _Value:
        for (value,) in self._execute(f"SELECT {column} FROM ledger"):  # noqa: S608  only our own columns
            if type(value) is kind:
                return value
        raise damaged(f"its `{column}` is missing")

    def _find(self, key: CounterKey) -> int | None:
        if key not in self._ids:
            bound = (key.tenant, key.rule, key.scope, key.window, key.period, key.space)
            for (number,) in self._execute(f"SELECT id FROM counter WHERE {_KEY}", bound):  # noqa: S608  our own constant
                self._ids[key] = number
        return self._ids.get(key)

    def _made(self, key: CounterKey) -> int:
        number = self._find(key)
        if number is None:
            self._execute(
                "INSERT INTO counter (space, tenant, rule, scope, window, period) VALUES (?, ?, ?, ?, ?, ?)", key
            )
            number = self._ids[key] = self._connection.last_insert_rowid()
        return number

    def _count(self, number: int, length: int, amount: int, at: int, now: int) -> None:
        gone = 0
        if length:
            horizon = now - length
            for (aged,) in self._execute(
                "SELECT sum(amount) FROM entry WHERE counter = ? AND at <= ?", (number, horizon)
            ):
                gone = aged or 0
            if gone:
                self._execute("DELETE FROM entry WHERE counter = ? AND at <= ?", (number, horizon))
            if at <= horizon:
                amount = 0  # it has left the window already; the record still tells it in full
            if amount:
                self._execute(
                    "INSERT INTO entry VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET amount = amount + excluded.amount",
                    (number, at, amount),
                )
        self._execute("UPDATE counter SET value = min(value - ? + ?, ?) WHERE id = ?", (gone, amount, _FULL, number))

    def _sweep(self, number: int, now: int) -> int:
        """Drop the parts of holds that have expired by `now`; how much they held."""
        at, lapsed = self._lapsed.pop(number, (None, 0))
        if at != now:
            sums = self._execute("SELECT sum(amount) FROM hold_part WHERE counter = ? AND until <= ?", (number, now))
            lapsed = next(iter(sums))[0] or 0
        if lapsed:
            self._execute("DELETE FROM hold_part WHERE counter = ? AND until <= ?", (number, now))
        return lapsed

    def _unhold(self, hold: Hold) -> list[int]:
        """Take a hold off its counters, and say which those were."""
        found = []
        for (parts,) in self._execute("SELECT parts FROM hold WHERE id = ?", (hold.id,)):
            for number, until in parts_from(parts):
                found.append(number)
                self._execute(
                    "DELETE FROM hold_part WHERE counter = ? AND until = ? AND hold = ?", (number, until, hold.id)
                )
                if self._connection.changes():
                    self._execute("UPDATE counter SET held = held - ? WHERE id = ?", (hold.estimate, number))
        return found
