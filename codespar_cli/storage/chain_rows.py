"""What a chained record is, whatever database keeps it: how one is sealed, and how rows are told from damaged ones.

The same bytes on SQLite (chain.py) and on PostgreSQL (postgres_chain.py): a chain that is moved from one to the other
verifies as before.
"""

from __future__ import annotations

from codespar_cli.core import light_json
from codespar_cli.core.clock import from_micros
from codespar_cli.core.hashing import sha256
from codespar_cli.core.light_typing import TYPE_CHECKING, dataclass
from codespar_cli.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Any, TypeAlias

COLUMNS = "seq, at, kind, actor, body, previous, hash"
"""`at` is in microseconds since the epoch, `body` canonical JSON."""

Row: TypeAlias = "tuple[int, int, str, str, str, bytes, bytes]"
_TYPES = (int, int, str, str, str, bytes, bytes)
_DOMAIN = b"codespar chain 1"
_canonical = light_json.encoder(sort_keys=True)
# Text that is not UTF-8 or not JSON (or too deep to be ours), a time beyond the calendar.
_UNREADABLE = (ValueError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class ChainRecord:
    seq: int
    at: datetime
    kind: str
    actor: str
    body: Mapping[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class ChainHead:
    seq: int
    hash: str


def sealed(head: tuple[int, bytes], at: int, kind: str, actor: str, body: Mapping[str, Any]) -> Row:
    """The row that follows `head`, the number and hash of the last record; `at` in microseconds."""
    last, previous = head
    text = _canonical(body)
    return last + 1, at, kind, actor, text, previous, _digest(last + 1, at, kind, actor, text, previous)


def readable(
    rows: Iterable[Sequence[Any]], name: str | None, after: int | None = None
) -> Iterator[tuple[Row, datetime, dict[str, Any]]]:
    """Rows whose every value is of the kind that was written: damage may turn any into any other.

    Raises IntegrityError at the first that is not.
    """
    place = f"the first record after {after or 0}"
    try:
        for found in rows:
            place = f"record {found[0]}"
            row: Any = tuple(found)
            body = light_json.loads(row[4]) if tuple(map(type, row)) == _TYPES else None
            if not isinstance(body, dict):
                raise broken(name, f"{place} is damaged")
            yield row, from_micros(row[1]), body
            place = f"the record after {row[0]}"
    except _UNREADABLE as error:
        raise broken(name, f"{place} is damaged: {str(error).lower()}") from error


def as_records(rows: Iterable[Sequence[Any]], name: str | None, after: int | None = None) -> Iterator[ChainRecord]:
    """Raises IntegrityError at a record that is none."""
    for row, at, body in readable(rows, name, after):
        seq, _, kind, actor, _, previous, digest = row
        yield ChainRecord(seq, at, kind, actor, body, previous.hex(), digest.hex())


def verified(
    rows: Iterable[Sequence[Any]], head: Callable[[], tuple[int, bytes]], name: str
) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
    """Time in microseconds, kind, actor and body of every record, each checked before it is told, the head after the
    last. Raises IntegrityError naming the first record that is not as it was written."""
    expected, previous = 1, bytes(32)
    for row, _, content in readable(rows, name):
        seq, at, kind, actor, body, before, digest = row
        if seq != expected:
            raise broken(name, f"record {expected} is missing")
        if before != previous:
            raise broken(name, f"record {seq} does not follow record {seq - 1}")
        if digest != _digest(seq, at, kind, actor, body, before):
            raise broken(name, f"record {seq} was edited")
        expected, previous = seq + 1, digest
        yield at, kind, actor, content
    last, tip = head()
    if last >= expected:
        raise broken(name, f"the last {last - expected + 1} of {last} records are missing")
    if (last, tip) != (expected - 1, previous):
        raise broken(name, "its head does not match its last record")


def the_head(heads: Sequence[Sequence[Any]], name: str | None) -> tuple[int, bytes]:
    """The one row of the head. Raises IntegrityError when it is missing or damaged."""
    if len(heads) != 1:
        raise broken(name, "its head is missing")
    last, tip = heads[0]
    if type(last) is not int or type(tip) is not bytes:
        raise broken(name, "its head is damaged")
    return last, tip


def broken(name: str | None, finding: str) -> IntegrityError:
    return IntegrityError(
        f"the record {f'`{name}` ' if name else ''}is broken: {finding}",
        code="chain_broken",
        hint="keep the file; codespar audit export shows what it still says",
    )


def _digest(seq: int, at: int, kind: str, actor: str, body: str, previous: bytes) -> bytes:
    parts = (_DOMAIN, b"%d" % seq, b"%d" % at, kind.encode(), actor.encode(), body.encode(), previous)
    # Length-prefixed, so that no two different records read as the same bytes.
    return sha256(b"".join([len(part).to_bytes(8, "big") + part for part in parts]))
