"""What the vault records of itself: one chained record per act, in the transaction of the act, never a value.

Each record carries a tag under the audit key over the record before it, so that a chain rewritten by someone without
the master key is found. Refusals that happen for want of a key cannot be tagged.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import apsw

from codespar_cli.core.clock import to_micros
from codespar_cli.core.text import visible
from codespar_cli.errors import IntegrityError
from codespar_cli.plugins.secrets.envelope import tampered
from codespar_cli.plugins.secrets.framing import framed, label, number
from codespar_cli.plugins.secrets.key_hierarchy import VaultKeys
from codespar_cli.storage import chain

_RECORD = label("audit record")
# Made once: `json.dumps` with options of its own makes an encoder at each call.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_HEAD = "SELECT seq, hash FROM chain_head"


def record(
    connection: apsw.Connection,
    keys: VaultKeys | None,
    *,
    at: datetime,
    kind: str,
    actor: str,
    body: dict[str, Any],
) -> None:
    """Append to the chain in the caller's transaction. Raises IntegrityError when there is nothing sound to append to."""
    heads = list(connection.execute(_HEAD))
    if len(heads) != 1 or not isinstance(heads[0][1], bytes) or type(heads[0][0]) is not int:
        raise tampered("the head of its record is damaged")
    actor = visible(actor)[:200]
    if keys is not None:
        body["tag"] = _tag(keys, at, kind, actor, body, heads[0][1])
    chain.append(connection, at=at, kind=kind, actor=actor, body=body)


def verify_record(connection: apsw.Connection, keys: VaultKeys, name: str) -> tuple[chain.ChainHead, int | None]:
    """The chain's head and the last epoch it tells of.

    Raises IntegrityError when a record is not as it was written, or the last tagged one was not written with this key.
    """
    head = chain.verify(connection, name)
    epoch, last_tagged = None, None
    for entry in chain.read(connection):
        epoch = entry.body.get("epoch", epoch)
        if "tag" in entry.body:
            last_tagged = entry
    if last_tagged is not None:
        body = {field: value for field, value in last_tagged.body.items() if field != "tag"}
        tag = _tag(keys, last_tagged.at, last_tagged.kind, last_tagged.actor, body, bytes.fromhex(last_tagged.previous))
        if not hmac.compare_digest(tag, str(last_tagged.body["tag"])):
            raise IntegrityError(
                f"record {last_tagged.seq} of `{name}` was not written with this vault's key",
                code="chain_broken",
                hint="keep the file; codespar audit export shows what it still says",
            )
    return head, epoch


def _tag(keys: VaultKeys, at: datetime, kind: str, actor: str, body: Mapping[str, Any], previous: bytes) -> str:
    text = _CANONICAL(dict(body)).encode()
    fields = framed(_RECORD, number(to_micros(at)), kind.encode(), actor.encode(), text, previous)
    return hmac.digest(keys.audit, fields, "sha256")[:16].hex()
