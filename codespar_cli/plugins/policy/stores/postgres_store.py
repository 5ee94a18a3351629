"""The policy's store on PostgreSQL: one budget for any number of machines.

A writer begins by locking the head of the record, so there is one at a time, as on SQLite; what it changes goes to the
server together with what it asks next, so that a decision takes three trips however many rules count it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from heapq import merge
from typing import Any

from codespar_cli.plugins.policy.approvals.approval import Approval, to_text
from codespar_cli.plugins.policy.language.periods import key_length
from codespar_cli.plugins.policy.stores.counters import FULL, CounterKey, CounterState, Hold, Record
from codespar_cli.plugins.policy.stores.memory_store import MemoryStore
from codespar_cli.plugins.policy.stores.postgres_schema import SCHEMA
from codespar_cli.plugins.policy.stores.store import Snapshot
from codespar_cli.plugins.policy.stores.stored_rows import (
    approval_from,
    damaged,
    hold_from,
    key_from,
    parts_from,
    waiting_under,
)
from codespar_cli.storage import chain_rows, postgres_chain
from codespar_cli.storage.postgres import Server, Session

_ASKED = (
    "unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])"
    " WITH ORDINALITY AS asked (space, tenant, rule, scope, span, period, place)"
)
_SAME = (
    "counter.tenant = asked.tenant AND counter.rule = asked.rule AND counter.scope = asked.scope"
    " AND counter.span = asked.span AND counter.period = asked.period AND counter.space = asked.space"
)
# Totals are kept, and what has lapsed since is taken off: reading costs what has changed, not what there is.
_STATES = (
    "SELECT place, id, value, held,"  # noqa: S608  our own constants
    " (SELECT coalesce(sum(amount), 0)::bigint FROM entry WHERE entry.counter = id AND at <= (%s::bigint[])[place]),"
    " (SELECT coalesce(sum(amount), 0)::bigint FROM hold_part WHERE hold_part.counter = id AND until <= %s)"
    f" FROM {_ASKED} JOIN counter ON {_SAME}"
)
_MAKE = (
    "INSERT INTO counter (space, tenant, rule, scope, span, period)"  # noqa: S608  our own constants
    f" SELECT space, tenant, rule, scope, span, period FROM {_ASKED} ON CONFLICT DO NOTHING"
)
_FIND = f"SELECT place, id FROM {_ASKED} JOIN counter ON {_SAME}"  # noqa: S608  as above
_KEY = "SELECT space, tenant, rule, scope, span, period FROM counter"
_HOLD = "SELECT id, space, tenant, agent, tool, taken_at, expires_at, estimate, state FROM hold"
_TAKE = (
    "INSERT INTO hold (id, space, tenant, agent, tool, taken_at, expires_at, estimate, state, parts)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
_TAKE_PARTS = (
    f"WITH opened AS ({_TAKE}), part AS (INSERT INTO hold_part (counter, until, hold, amount)"  # noqa: S608  our own constants
    " SELECT counter, until, %s, %s FROM unnest(%s::bigint[], %s::bigint[]) AS part (counter, until))"
    " UPDATE counter SET held = held + %s WHERE id = ANY(%s::bigint[])"
)
_SWEEP = (
    "WITH gone AS (DELETE FROM hold_part WHERE counter = ANY(%s::bigint[]) AND until <= %s RETURNING counter, amount),"
    " sums AS (SELECT counter, sum(amount)::bigint AS amount FROM gone GROUP BY counter)"
    " UPDATE counter SET held = held - sums.amount FROM sums WHERE id = sums.counter"
)
_UNHOLD = (
    "WITH gone AS (DELETE FROM hold_part USING unnest(%s::bigint[], %s::bigint[]) AS part (counter, until)"
    " WHERE hold_part.counter = part.counter AND hold_part.until = part.until AND hold = %s"
    " RETURNING hold_part.counter, amount)"
    " UPDATE counter SET held = held - gone.amount FROM gone WHERE id = gone.counter"
)
_COUNT = "UPDATE counter SET value = least(value + %s, %s) WHERE id = %s"
_ROLL = "UPDATE counter SET value = value + %s WHERE id = %s"
# Of a counter that is more than full the oldest entries give way. One that is not costs one look at its row.
_TRIM = (
    "WITH excess AS (SELECT id, value - %s AS amount FROM counter WHERE id = %s AND value > %s),"
    " old AS (SELECT excess.id, entries.at, entries.until - excess.amount AS kept FROM excess CROSS JOIN LATERAL"
    " (SELECT at, amount, sum(amount) OVER (ORDER BY at) AS until FROM entry WHERE counter = excess.id) AS entries"
    " WHERE entries.until - entries.amount < excess.amount),"
    " gone AS (DELETE FROM entry USING old WHERE counter = old.id AND entry.at = old.at AND old.kept <= 0),"
    " less AS (UPDATE entry SET amount = old.kept::bigint FROM old"
    " WHERE counter = old.id AND entry.at = old.at AND old.kept > 0)"
    " UPDATE counter SET value = value - excess.amount FROM excess WHERE counter.id = excess.id"
)
_AGE = (
    "WITH gone AS (DELETE FROM entry WHERE counter = %s AND at <= %s RETURNING amount)"
    " UPDATE counter SET value = value - (SELECT coalesce(sum(amount), 0)::bigint FROM gone) WHERE id = %s"
)
_ENTER = (
    "INSERT INTO entry (counter, at, amount) VALUES (%s, %s, %s)"
    " ON CONFLICT (counter, at) DO UPDATE SET amount = entry.amount + excluded.amount"
)
_APPROVAL = "SELECT token, tenant, digest, agent, tool, created_at, expires_at, rest FROM approval"
_PUT_APPROVAL = (
    "INSERT INTO approval (token, tenant, digest, agent, tool, created_at, expires_at, rest, waiting)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (token) DO UPDATE SET rest = excluded.rest, waiting = excluded.waiting"
)


class PostgresStore:
    """Connects on first use. `server_clock=False`: the process's own clock decides, as for `policy check --at`."""

    def __init__(self, url: str, *, server_clock: bool = True) -> None:
        self.server = Server(url, SCHEMA)
        self._server_clock = server_clock

    @contextmanager
    def write(self) -> Iterator[PostgresTransaction]:
        with self.server.write() as session:
            yield PostgresTransaction(session, server_clock=self._server_clock)

    @contextmanager
    def read(self) -> Iterator[Snapshot]:
        """One snapshot. A store that was never made is empty, and stays so."""
        with self.server.read() as session:
            if session is not None:
                yield PostgresTransaction(session, server_clock=self._server_clock)
            else:
                with MemoryStore().read() as nothing:
                    yield nothing

    def check(self) -> None:
        with self.read() as snapshot:
            snapshot.latest()

    def records(self, kinds: Collection[str] = ()) -> Iterator[Record]:
        with closing(self.server.twin()) as server, server.read() as session:
            if session is not None:
                for record in postgres_chain.verified(session, "policy"):
                    if not kinds or record[1] in kinds:
                        yield Record(*record)

    def source(self, policy_hash: str) -> str | None:
        with self.server.read() as session:
            rows = session.rows("SELECT text FROM source WHERE hash = %s", (policy_hash,)) if session else []
        return None if not rows else str(rows[0][0])

    def close(self) -> None:
        self.server.close()


class PostgresTransaction:
    """Both a snapshot and a transaction: what `write()` yields may also change things."""

    def __init__(self, session: Session, *, server_clock: bool) -> None:
        self._session = session
        self._server_clock = server_clock
        self._stand: tuple[int, int, bytes, int] | None = None
        self._ids: dict[CounterKey, int] = {}
        self._clean: tuple[int, set[int]] = (0, set())

    # ── reading ──

    def clock(self, now: int) -> int:
        return self._standing()[3] if self._server_clock else now

    def latest(self) -> int:
        return self._standing()[0]

    def secret(self) -> bytes:
        for (secret,) in self._session.rows("SELECT secret FROM ledger"):
            if type(secret) is bytes:
                return secret
        raise damaged("its `secret` is missing")

    def state(self, key: CounterKey, now: int) -> CounterState:
        return self.states([key], now)[0]

    def states(self, keys: Sequence[CounterKey], now: int) -> list[CounterState]:
        found = [CounterState(0, 0)] * len(keys)
        if not keys:
            return found
        # Nothing lapses at a horizon of None.
        horizons = [now - length if (length := key_length(key.window)) else None for key in keys]
        if self._clean[0] != now:
            self._clean = (now, set())
        for row in self._session.rows(_STATES, (horizons, now, *_columns(keys))):
            if any(type(value) is not int for value in row):
                raise damaged("a counter is no number")
            place, number, value, held, aged, lapsed = row
            self._ids[keys[place - 1]] = number
            if not lapsed:
                self._clean[1].add(number)
            found[place - 1] = CounterState(value - aged, held - lapsed)
        return found

    def reliefs(self, key: CounterKey, now: int) -> Iterator[tuple[int, int]]:
        number, length = self._find([key]).get(key), key_length(key.window)
        if number is None:
            return iter(())
        holds = self._session.rows(
            "SELECT until, amount FROM hold_part WHERE counter = %s AND until > %s ORDER BY until", (number, now)
        )
        entries = self._session.rows(
            "SELECT at + %s::bigint, amount FROM entry WHERE counter = %s AND at > %s ORDER BY at",
            (length, number, now - length),
        )
        relief: Any = merge(holds, entries)
        return iter(relief)

    def keys(self, space: str, tenant: str) -> list[CounterKey]:
        asked = f"{_KEY} WHERE tenant = %s AND space = %s ORDER BY rule, scope"
        return [key_from(row) for row in self._session.rows(asked, (tenant, space))]

    def hold(self, id: str) -> Hold | None:
        return next((hold_from(row) for row in self._found(f"{_HOLD} WHERE id = %s", id)), None)

    def oldest_hold(self, space: str, tenant: str, agent: str, tool: str, now: int) -> Hold | None:
        rows = self._session.rows(
            f"{_HOLD} WHERE state = 'open' AND tenant = %s AND agent = %s AND tool = %s AND space = %s"
            " ORDER BY expires_at <= %s, taken_at, number LIMIT 1",
            (tenant, agent, tool, space, now),
        )
        return hold_from(rows[0]) if rows else None

    def approval(self, token: str) -> Approval | None:
        return next((approval_from(row) for row in self._found(f"{_APPROVAL} WHERE token = %s", token)), None)

    def approval_for(self, tenant: str, digest: str) -> Approval | None:
        newest = f"{_APPROVAL} WHERE tenant = %s AND digest = %s ORDER BY number DESC LIMIT 1"
        rows = self._session.rows(newest, (tenant, digest))
        return approval_from(rows[0]) if rows else None

    def approvals(self, tenant: str, after: int = -1) -> list[Approval]:
        rows = self._session.rows(f"{_APPROVAL} WHERE tenant = %s AND expires_at > %s ORDER BY number", (tenant, after))
        return [approval_from(row) for row in rows]

    def waiting(self, tenant: str, agent: str, policy: str, after: int) -> int:
        asked = "SELECT count(*) FROM approval WHERE tenant = %s AND agent = %s AND waiting = %s AND expires_at > %s"
        return int(self._session.rows(asked, (tenant, agent, policy, after))[0][0])

    # ── writing ──

    def serial(self) -> int:
        return self._standing()[1] + 1

    def count(self, key: CounterKey, amount: int, at: int, now: int) -> None:
        self._count(self._made([key])[key], key_length(key.window), amount, at, now)

    def arrive(self, key: CounterKey, arrival: int) -> None:
        self._session.execute("UPDATE counter SET value = %s WHERE id = %s", (arrival, self._made([key])[key]))

    def take(self, hold: Hold, parts: Mapping[CounterKey, int]) -> None:
        made = self._made(list(parts))
        untils = {made[key]: until for key, until in parts.items()}
        numbers, amount = list(untils), hold.estimate
        row = (*hold, " ".join(f"{number}:{until}" for number, until in untils.items()))
        if not amount:
            self._session.execute(_TAKE, row)
            return
        self._sweep(numbers, hold.taken_at)
        more = (hold.id, amount, numbers, list(untils.values()), amount, numbers)
        self._session.execute(_TAKE_PARTS, (*row, *more))

    def settle(self, hold: Hold, amount: int, now: int) -> list[CounterKey]:
        numbers = self._unhold(hold)
        rows = self._session.rows(
            f"{_KEY}, unnest(%s::bigint[]) WITH ORDINALITY AS part (number, place) WHERE id = number ORDER BY place",
            (numbers,),
        )
        keys = [key_from(row) for row in rows]
        if len(keys) != len(numbers):
            raise damaged("a counter of a hold is missing")
        for number, key in zip(numbers, keys, strict=True):
            self._count(number, key_length(key.window), amount, hold.taken_at, now)
        self._session.execute("UPDATE hold SET state = 'settled' WHERE id = %s", (hold.id,))
        return keys

    def free(self, hold: Hold) -> None:
        self._unhold(hold)
        self._session.execute("UPDATE hold SET state = 'released' WHERE id = %s", (hold.id,))

    def put_approval(self, approval: Approval) -> None:
        self._session.execute(
            _PUT_APPROVAL,
            (
                approval.token,
                approval.tenant,
                approval.digest,
                approval.agent,
                approval.tool,
                approval.created_at,
                approval.expires_at,
                to_text(approval),
                waiting_under(approval),
            ),
        )

    def keep_source(self, policy_hash: str, text: str) -> None:
        self._session.execute("INSERT INTO source VALUES (%s, %s) ON CONFLICT DO NOTHING", (policy_hash, text))

    def record(self, at: int, kind: str, actor: str, body: Mapping[str, Any]) -> None:
        latest, seq, tip, clock = self._standing()
        row = chain_rows.sealed((seq, tip), max(at, latest), kind, actor, body)
        postgres_chain.append(self._session, row)
        self._stand = (row[1], row[0], row[6], clock)

    # ── inside ──

    def _standing(self) -> tuple[int, int, bytes, int]:
        """The highest time seen, the number and hash of the last record, and the server's clock."""
        if self._stand is None:
            rows = self._session.first or self._session.rows(postgres_chain.HEAD)
            if len(rows) != 1 or tuple(map(type, rows[0])) != (int, int, bytes, int):
                raise damaged("the head of its record is missing")
            latest, seq, tip, clock = rows[0]
            self._stand = (latest, seq, tip, clock)
        return self._stand

    def _found(self, statement: Any, id: str) -> list[tuple[Any, ...]]:
        """What is kept under an id that a caller gave: nothing under one that PostgreSQL could not have kept."""
        if "\0" in id or not id.isprintable():
            return []
        return self._session.rows(statement, (id,))

    def _find(self, keys: Sequence[CounterKey]) -> dict[CounterKey, int]:
        unknown = [key for key in keys if key not in self._ids]
        if unknown:
            for place, number in self._session.rows(_FIND, _columns(unknown)):
                self._ids[unknown[place - 1]] = number
        return self._ids

    def _made(self, keys: Sequence[CounterKey]) -> dict[CounterKey, int]:
        missing = [key for key in keys if key not in self._ids]
        if missing:
            self._session.execute(_MAKE, _columns(missing))
        return self._find(keys)

    def _count(self, number: int, length: int, amount: int, at: int, now: int) -> None:
        if not length:
            self._session.execute(_COUNT, (amount, FULL, number))
            return
        horizon = now - length
        self._session.execute(_AGE, (number, horizon, number))
        if at <= horizon or not amount:
            return  # it has left the window already; the record still tells it in full
        self._session.execute(_ENTER, (number, at, amount))
        self._session.execute(_ROLL, (amount, number))
        if amount > 1:  # the calls of a rate are counted one by one, and never fill a counter
            self._session.execute(_TRIM, (FULL, number, FULL))

    def _sweep(self, numbers: list[int], now: int) -> None:
        """Drop the parts of holds on these counters that have lapsed by `now`."""
        if self._clean[0] != now or not self._clean[1].issuperset(numbers):
            self._session.execute(_SWEEP, (numbers, now))

    def _unhold(self, hold: Hold) -> list[int]:
        """Take a hold off its counters, and say which those were."""
        rows = self._session.rows("SELECT parts FROM hold WHERE id = %s", (hold.id,))
        parts = parts_from(rows[0][0]) if rows else []
        numbers = [number for number, _ in parts]
        if parts:
            self._session.execute(_UNHOLD, (numbers, [until for _, until in parts], hold.id))
        return numbers


def _columns(keys: Sequence[CounterKey]) -> tuple[list[str], ...]:
    return tuple([list(column) for column in zip(*keys, strict=True)])
