"""The policy's store on SQLite: policy.db in the state directory."""

from __future__ import annotations

import os

import apsw

from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.plugins.policy.language.periods import key_length
from codespar_cli.plugins.policy.stores.counters import COLUMNS, FULL, CounterKey, CounterState, Hold, Record
from codespar_cli.plugins.policy.stores.sqlite_schema import FILE, SCHEMA
from codespar_cli.plugins.policy.stores.stored_rows import (
    approval_from,
    damaged,
    hold_from,
    key_from,
    parts_from,
    waiting_under,
)
from codespar_cli.storage import chain
from codespar_cli.storage.sqlite import LOG_PAGES, Database, Durability

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Any

    from codespar_cli.plugins.policy.approvals.approval import Approval

# The time of the last record is the highest that was seen; older stores kept it in the ledger.
_STANDING = (
    "SELECT max(latest, coalesce(at, 0)), head.seq, head.hash"
    " FROM ledger, chain_head AS head LEFT JOIN chain ON chain.seq = head.seq"
)
_KEY = "tenant = ? AND rule = ? AND scope = ? AND window = ? AND period = ? AND space = ?"
# Totals are kept, and what has lapsed since is taken off: reading costs what has changed, not what there is.
_STATE = f"SELECT id, value, held FROM counter WHERE {_KEY}"  # noqa: S608  only our own constants
_AGED = "(SELECT coalesce(sum(amount), 0) FROM entry WHERE counter = id AND at <= ?)"
_ROLLING_STATE = f"SELECT id, value - {_AGED}, held FROM counter WHERE {_KEY}"  # noqa: S608  as above
_LAPSED = "SELECT counter, amount FROM hold_part WHERE until <= ?"
_HOLD = "SELECT id, space, tenant, agent, tool, taken_at, expires_at, estimate, state FROM hold"
_TAKE = "INSERT INTO hold VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SERIAL_DIGITS = 10
_APPROVAL = f"SELECT {', '.join(COLUMNS)}, rest FROM approval"  # noqa: S608  our own columns
_PUT_APPROVAL = (
    f"INSERT INTO approval ({', '.join(COLUMNS)}, rest, waiting) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  as above
    " ON CONFLICT (token) DO UPDATE SET rest = excluded.rest, waiting = excluded.waiting"
)
_WAITING = "SELECT count(*) FROM approval WHERE tenant = ? AND agent = ? AND waiting = ? AND expires_at > ?"


class SqliteStore:
    """Opened on first use."""

    def __init__(
        self, state_dir: str | os.PathLike[str], durability: Durability = "full", *, log_pages: int | None = None
    ) -> None:
        path = os.path.join(state_dir, FILE)
        self.database = Database(path, SCHEMA, durability=durability, log_pages=log_pages or LOG_PAGES)

    def write(self) -> AbstractContextManager[SqliteTransaction]:
        return _Ledger(self.database.write())

    def read(self) -> AbstractContextManager[SqliteTransaction]:
        from codespar_cli.plugins.policy.stores.sqlite_reading import Reading

        return _Ledger(Reading(self.database))

    def check(self) -> None:
        self.database.check()

    def records(self, kinds: Collection[str] = ()) -> Iterator[Record]:
        with self.database.read() as connection:
            for record in chain.verified(connection, name="policy"):
                if not kinds or record[1] in kinds:
                    yield Record(*record)

    def source(self, policy_hash: str) -> str | None:
        rows = self.database.query("SELECT text FROM source WHERE hash = ?", (policy_hash,))
        return None if not rows else str(rows[0][0])


class _Ledger:
    """A transaction of the database, seen as one of the ledger."""

    __slots__ = ("_scope",)

    def __init__(self, scope: AbstractContextManager[apsw.Connection]) -> None:
        self._scope = scope

    def __enter__(self) -> SqliteTransaction:
        return SqliteTransaction(self._scope.__enter__())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scope.__exit__(kind, error, trace)


class SqliteTransaction:
    """Both a snapshot and a transaction: what `write()` yields may also change things."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._execute = connection.execute
        self._stand: tuple[int, int, bytes] | None = None
        self._ids: dict[CounterKey, int] = {}
        self._numbers: dict[str, int] = {}
        self._lapsed: tuple[int, dict[int, int]] | None = None

    # ── reading ──

    def latest(self) -> int:
        return self._standing()[0]

    def secret(self) -> bytes:
        for (secret,) in self._execute("SELECT secret FROM ledger"):
            if type(secret) is bytes:
                return secret
        raise damaged("its `secret` is missing")

    def state(self, key: CounterKey, now: int) -> CounterState:
        length = key_length(key.window)
        bound = (key.tenant, key.rule, key.scope, key.window, key.period, key.space)
        rows = self._execute(_ROLLING_STATE, (now - length, *bound)) if length else self._execute(_STATE, bound)
        for number, used, held in rows:
            self._ids[key] = number
            if type(used) is not int or type(held) is not int:
                raise damaged("a counter is no number")
            return CounterState(used, held - self._lapsed_by(now).get(number, 0))
        return CounterState(0, 0)

    def states(self, keys: Sequence[CounterKey], now: int) -> list[CounterState]:
        return [self.state(key, now) for key in keys]  # a trip to this store is a function call

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
        from heapq import merge

        return merge(holds, entries)

    def keys(self, space: str, tenant: str) -> list[CounterKey]:
        rows = self._execute(
            "SELECT space, tenant, rule, scope, window, period FROM counter WHERE tenant = ? AND space = ?"
            " ORDER BY rule, scope",
            (tenant, space),
        )
        return [key_from(row) for row in rows]

    def hold(self, id: str) -> Hold | None:
        for row in self._execute(f"{_HOLD} WHERE number = ?", (self._number_of(id),)):
            return hold_from(row)
        return None

    def oldest_hold(self, space: str, tenant: str, agent: str, tool: str, now: int) -> Hold | None:
        rows = self._execute(
            f"{_HOLD} WHERE state = 'open' AND tenant = ? AND agent = ? AND tool = ? AND space = ?"
            " ORDER BY expires_at <= ?, taken_at, abs(number) LIMIT 1",
            (tenant, agent, tool, space, now),
        )
        for row in rows:
            return hold_from(row)
        return None

    def approval(self, token: str) -> Approval | None:
        if not token.isprintable():
            return None  # nobody's, and half of a surrogate pair cannot even be asked for
        for row in self._execute(f"{_APPROVAL} WHERE token = ?", (token,)):
            return approval_from(row)
        return None

    def approval_for(self, tenant: str, digest: str) -> Approval | None:
        found = f"{_APPROVAL} WHERE tenant = ? AND digest = ? ORDER BY number DESC LIMIT 1"
        for row in self._execute(found, (tenant, digest)):
            return approval_from(row)
        return None

    def approvals(self, tenant: str, after: int = -1) -> list[Approval]:
        rows = self._execute(f"{_APPROVAL} WHERE tenant = ? AND expires_at > ? ORDER BY number", (tenant, after))
        return [approval_from(row) for row in rows]

    def waiting(self, tenant: str, agent: str, policy: str, after: int) -> int:
        found: Any = self._execute(_WAITING, (tenant, agent, policy, after)).fetchall()
        return int(found[0][0])

    def clock(self, now: int) -> int:
        return now

    # ── writing ──

    def serial(self) -> int:
        return self._standing()[1] + 1

    def count(self, key: CounterKey, amount: int, at: int, now: int) -> None:
        self._count(self._made(key), key_length(key.window), amount, at, now)

    def arrive(self, key: CounterKey, arrival: int) -> None:
        self._execute("UPDATE counter SET value = ? WHERE id = ?", (arrival, self._made(key)))

    def take(self, hold: Hold, parts: Mapping[CounterKey, int]) -> None:
        numbers = {self._made(key): until for key, until in parts.items()}
        listed = " ".join(f"{number}:{until}" for number, until in numbers.items())
        number = _serial_in(hold.id)
        if number is None:
            number = next(iter(self._execute("SELECT min(0, coalesce(min(number), 0)) - 1 FROM hold")))[0]
        self._execute(_TAKE, (number, *hold, listed))
        amount = hold.estimate
        if amount:
            self._sweep(hold.taken_at)
            self._connection.executemany(
                "UPDATE counter SET held = held + ? WHERE id = ?", [(amount, counter) for counter in numbers]
            )
            rows = [(until, number, counter, amount) for counter, until in numbers.items()]
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
        self._execute("UPDATE hold SET state = 'settled' WHERE number = ?", (self._number_of(hold.id),))
        return keys

    def free(self, hold: Hold) -> None:
        self._unhold(hold)
        self._execute("UPDATE hold SET state = 'released' WHERE number = ?", (self._number_of(hold.id),))

    def put_approval(self, approval: Approval) -> None:
        from codespar_cli.plugins.policy.approvals.approval import to_text

        columns = [getattr(approval, name) for name in COLUMNS]
        self._execute(_PUT_APPROVAL, (*columns, to_text(approval), waiting_under(approval)))

    def keep_source(self, policy_hash: str, text: str) -> None:
        self._execute("INSERT OR IGNORE INTO source VALUES (?, ?)", (policy_hash, text))

    def record(self, at: int, kind: str, actor: str, body: Mapping[str, Any]) -> None:
        latest, seq, previous = self._standing()
        at = max(at, latest)
        head = chain.append(self._connection, at=at, kind=kind, actor=actor, body=body, head=(seq, previous))
        self._stand = (at, head.seq, bytes.fromhex(head.hash))

    # ── inside ──

    def _standing(self) -> tuple[int, int, bytes]:
        """The highest time seen, and the number and hash of the last record; read once in a transaction."""
        if self._stand is None:
            for latest, seq, tip in self._execute(_STANDING):
                if (type(latest), type(seq), type(tip)) != (int, int, bytes):
                    break
                self._stand = (latest, seq, tip)
                return self._stand
            raise damaged("the head of its record is missing")
        return self._stand

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
        if not length:
            self._execute("UPDATE counter SET value = min(value + ?, ?) WHERE id = ?", (amount, FULL, number))
        else:
            gone, horizon = 0, now - length
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
            change = "UPDATE counter SET value = value - ? + ? WHERE id = ? RETURNING value"
            for (value,) in self._execute(change, (gone, amount, number)).fetchall():
                if type(value) is not int:
                    raise damaged("a counter is no number")
                if value > FULL:
                    self._trim(number, value - FULL)

    def _trim(self, number: int, excess: int) -> None:
        """Take so much off the oldest entries of a counter."""
        self._execute("UPDATE counter SET value = value - ? WHERE id = ?", (excess, number))
        oldest = self._execute("SELECT at, amount FROM entry WHERE counter = ? ORDER BY at", (number,))
        for at, amount in oldest.fetchall():
            if type(amount) is not int:
                raise damaged("an entry of a counter is no number")
            self._execute("DELETE FROM entry WHERE counter = ? AND at = ?", (number, at))
            if amount > excess:
                self._execute("INSERT INTO entry VALUES (?, ?, ?)", (number, at, amount - excess))
                return
            excess -= amount

    def _lapsed_by(self, now: int) -> dict[int, int]:
        """How much of what counters hold has lapsed by `now` and was not swept yet: most of the time nothing."""
        if self._lapsed is None or self._lapsed[0] != now:
            found: dict[int, int] = {}
            for number, amount in self._execute(_LAPSED, (now,)):
                if type(number) is not int or type(amount) is not int:
                    raise damaged("a part of a hold is no number")
                found[number] = found.get(number, 0) + amount
            self._lapsed = (now, found)
        return self._lapsed[1]

    def _sweep(self, now: int) -> None:
        """Drop the parts of all holds that have lapsed by `now`."""
        lapsed = self._lapsed_by(now)
        if lapsed:
            changes = [(amount, number) for number, amount in lapsed.items()]
            self._connection.executemany("UPDATE counter SET held = held - ? WHERE id = ?", changes)
            self._execute("DELETE FROM hold_part WHERE until <= ?", (now,))
            self._lapsed = (now, {})

    def _number_of(self, id: str) -> int | None:
        """The number of the hold with this id. Those whose ids do not begin with theirs have numbers below zero."""
        if not id.isprintable():
            return None  # as for tokens of approvals
        if id in self._numbers:
            return self._numbers[id]
        serial = _serial_in(id)
        for where, bound in (("number = ?", (serial, id)), ("number < ?", (0, id))):
            for (number,) in self._execute(f"SELECT number FROM hold WHERE {where} AND id = ?", bound):  # noqa: S608
                if type(number) is int:
                    self._numbers[id] = number
                    return number
        return None

    def _unhold(self, hold: Hold) -> list[int]:
        """Take a hold off its counters, and say which those were."""
        found = []
        self._lapsed = None
        number = self._number_of(hold.id)
        for (parts,) in self._execute("SELECT parts FROM hold WHERE number = ?", (number,)):
            for counter, until in parts_from(parts):
                found.append(counter)
                bound = (until, number, counter)
                self._execute("DELETE FROM hold_part WHERE until = ? AND hold = ? AND counter = ?", bound)
                if self._connection.changes():
                    self._execute("UPDATE counter SET held = held - ? WHERE id = ?", (hold.estimate, counter))
        return found


def _serial_in(id: str) -> int | None:
    """The running number that the ids of holds begin with."""
    digits = id[3 : 3 + _SERIAL_DIGITS]
    if id.startswith("rs-") and len(digits) == _SERIAL_DIGITS and not digits.strip("0123456789abcdef"):
        return int(digits, 16)
    return None
