"""What the vault records of itself: one chained record per act, in the transaction of the act, never a value.

Each record carries a tag under the audit key, and the chain's head vouches under the same key for everything up
to the last of them. So neither a record rewritten nor one removed by someone without the master key goes unnoticed, and
nothing is appended to a chain that was not checked against it: a new record never vouches for a forgery. Refusals
that happen for want of a key cannot be tagged; they are all that may stand behind the vouched part.
"""

from __future__ import annotations

import hmac
from typing import Any, NamedTuple

import apsw

from codespar_cli.core.canonical_json import canonical_encoder
from codespar_cli.core.clock import to_micros
from codespar_cli.core.text import visible
from codespar_cli.errors import IntegrityError
from codespar_cli.plugins.secrets.envelope import tampered
from codespar_cli.plugins.secrets.framing import field, framed, label, number_field
from codespar_cli.plugins.secrets.key_hierarchy import VaultKeys
from codespar_cli.plugins.secrets.vault_rows import Header
from codespar_cli.storage import chain, chain_rows

_RECORD, _VOUCHED = framed(label("audit record")), framed(label("audit head"))
_EMPTY = bytes(32)
_canonical = canonical_encoder()
_HEAD = "SELECT seq, hash, since, vouched, mac FROM chain_head"
_APPEND = f"INSERT INTO chain ({chain_rows.COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  columns of ours
# The head and what is vouched for are one row: one statement a record, not two.
_VOUCH = "UPDATE chain_head SET seq = ?1, hash = ?2, since = ?3, vouched = ?1, mac = ?4"
_HEAD_TYPES = (int, bytes, int, int, bytes)
_KEYLESS_FIELDS = frozenset({"outcome", "tenant", "key", "version", "code", "tool"})


class Head(NamedTuple):
    """The chain's last record; the one that the key vouches for last; the first one tagged under the present key."""

    seq: int
    hash: bytes
    since: int
    vouched: int
    mac: bytes


def epoch_vouched(header: Header) -> int | None:
    """The epoch that the chain's head vouches for beside the record: none in format 1."""
    return None if header.format == 1 else header.epoch


def begin_record(connection: apsw.Connection, keys: VaultKeys, epoch: int | None) -> None:
    """Vouch for the empty chain of a vault that is being made."""
    if _read_head(connection)[:2] != (0, _EMPTY):
        raise tampered("its record is older than the vault itself")
    _vouch(connection, keys, 1, 0, _EMPTY, epoch)


def record(
    connection: apsw.Connection,
    keys: VaultKeys | None,
    *,
    at: int,
    kind: str,
    actor: str,
    body: dict[str, Any],
    epoch: int | None,
    next_epoch: int | None,
    next_keys: VaultKeys | None = None,
) -> None:
    """Append to the chain in the caller's transaction. Raises IntegrityError when there is nothing sound to append to.

    `at` is in microseconds since the epoch. `keys` are those that vouch for the chain so far, None for a refusal for
    want of them; `next_keys` those that vouch for it from this record on, when the act changes the master key. `epoch`
    is the one vouched for so far, `next_epoch` the one from this record on, see `epoch_vouched`.
    """
    actor = visible(actor)[:200]
    if keys is None:
        _read_head(connection)
        chain.append(connection, at=at, kind=kind, actor=actor, body=body)
        return
    head = _checked_head(connection, keys, epoch)
    since = head.since
    if next_keys is not None:
        keys, since = next_keys, head.seq + 1
    body["tag"] = _tag(keys, at, kind, actor, body, head.hash)
    row = chain_rows.sealed((head.seq, head.hash), at, kind, actor, body)
    connection.execute(_APPEND, row)
    _vouch(connection, keys, since, row[0], row[6], next_epoch)


def check_head(connection: apsw.Connection, keys: VaultKeys, header: Header) -> None:
    """Raises IntegrityError when the record is not the one the key vouches for, or tells of another epoch."""
    _checked_head(connection, keys, epoch_vouched(header))


def verify_record(
    connection: apsw.Connection, keys: VaultKeys, header: Header, name: str
) -> tuple[chain.ChainHead, int | None]:
    """The chain's head and the last epoch it tells of.

    Raises IntegrityError when a record is not as it was written, was not written with this key, or is gone, and when
    the epoch it tells of falls, or repeats in another change.
    """
    verified = chain.verify(connection, name)
    head = _checked_head(connection, keys, epoch_vouched(header))
    epoch, change = None, ""
    for entry in chain.read(connection):
        if "tag" in entry.body:
            if entry.seq > head.vouched or (entry.seq >= head.since and not _is_tagged(keys, entry)):
                raise _forged(name, entry.seq)
            told = entry.body.get("epoch")
            if told is not None:
                if not _follows(epoch, change, told, entry):
                    raise tampered(f"record {entry.seq} tells of epoch {told} after {epoch}: it went back in time")
                change = change if told == epoch else entry.kind
                epoch = told
        elif not _is_keyless(entry):
            raise _forged(name, entry.seq)
    return verified, epoch


def _follows(epoch: int | None, change: str, told: object, entry: chain.ChainRecord) -> bool:
    """Whether a record's epoch may come next: a higher one, or the same one of a change that has several records."""
    if type(told) is not int or epoch is None:
        return type(told) is int
    several = (change, entry.kind) in {("secret.import", "secret.set"), ("secret.destroy", "secret.destroy")}
    return told > epoch or (told == epoch and several)


def _checked_head(connection: apsw.Connection, keys: VaultKeys, epoch: int | None) -> Head:
    """The head, if the chain begins with what the key vouches for, at this epoch, and only keyless refusals follow."""
    head = _read_head(connection)
    vouched = head.hash if head.vouched == head.seq else _hash_at(connection, head.vouched)
    claim = (head.since, head.vouched, vouched, epoch, head.mac)
    # What these keys have just made or checked themselves need not be computed again.
    if claim != keys.vouched and not hmac.compare_digest(_mac(keys, *claim[:4]), head.mac):
        raise tampered("its record is not the one that its key vouches for, or not of this epoch")
    if head.vouched != head.seq:
        _require_keyless_tail(connection, head, vouched)
    return head


def _require_keyless_tail(connection: apsw.Connection, head: Head, vouched: bytes) -> None:
    seq, previous = head.vouched, vouched.hex()
    for entry in chain.read(connection, after=seq):
        if entry.previous != previous or not _is_keyless(entry):
            raise tampered(f"record {entry.seq} was not written with this vault's key")
        seq, previous = entry.seq, entry.hash
    if (head.seq, head.hash.hex()) != (seq, previous):
        raise tampered("the head of its record is not its last record's")


def _hash_at(connection: apsw.Connection, seq: int) -> bytes:
    if seq == 0:
        return _EMPTY
    for entry in chain.read(connection, after=seq - 1, limit=1):
        if entry.seq == seq:
            return bytes.fromhex(entry.hash)
    raise tampered("a record that its key vouches for is gone")


def _read_head(connection: apsw.Connection) -> Head:
    heads = list(connection.execute(_HEAD))
    if len(heads) != 1 or tuple(map(type, heads[0])) != _HEAD_TYPES:
        raise tampered("the head of its record is damaged")
    return Head._make(heads[0])


def _vouch(
    connection: apsw.Connection, keys: VaultKeys, since: int, seq: int, digest: bytes, epoch: int | None
) -> None:
    mac = _mac(keys, since, seq, digest, epoch)
    connection.execute(_VOUCH, (seq, digest, since, mac))
    keys.vouched = (since, seq, digest, epoch, mac)


def _mac(keys: VaultKeys, since: int, seq: int, digest: bytes, epoch: int | None) -> bytes:
    told = _VOUCHED + number_field(since) + number_field(seq) + field(digest)
    # Without it, all rows but these could be put back from an old copy: the record alone would be up to date.
    return hmac.digest(keys.audit, told if epoch is None else told + number_field(epoch), "sha256")


def _is_keyless(entry: chain.ChainRecord) -> bool:
    """Whether a record without a tag is one that may have none: a refusal, which tells nothing else."""
    return entry.body.get("outcome") in {"refused", "missing"} and entry.body.keys() <= _KEYLESS_FIELDS


def _is_tagged(keys: VaultKeys, entry: chain.ChainRecord) -> bool:
    body = {field: value for field, value in entry.body.items() if field != "tag"}
    tag = _tag(keys, to_micros(entry.at), entry.kind, entry.actor, body, bytes.fromhex(entry.previous))
    # As bytes: a text that is not ASCII cannot be compared in constant time.
    return hmac.compare_digest(tag.encode(), str(entry.body["tag"]).encode(errors="replace"))


def _tag(keys: VaultKeys, at: int, kind: str, actor: str, body: dict[str, Any], previous: bytes) -> str:
    text = _canonical(body).encode()
    fields = (_RECORD, number_field(at), field(kind.encode()), field(actor.encode()), field(text), field(previous))
    return hmac.digest(keys.audit, b"".join(fields), "sha256")[:16].hex()


def _forged(name: str, seq: int) -> IntegrityError:
    return IntegrityError(
        f"record {seq} of `{name}` was not written with this vault's key",
        code="chain_broken",
        hint="keep the file; codespar audit export shows what it still says",
    )
