"""How chained records look."""

from __future__ import annotations

from typing import Any

from codespar_cli.core.clock import iso
from codespar_cli.core.text import visible
from codespar_cli.storage.chain import ChainHead, ChainRecord

_TAIL_WIDTHS = (6, 6, 20, 9, 16, 20)
HEADERS = ("chain", "seq", "time", "kind", "actor", "outcome", "what")


def record_json(name: str, record: ChainRecord) -> dict[str, Any]:
    """One record with its content beside its place in the chain. A body never shadows the chain's own keys."""
    own = {"chain": name, "seq": record.seq, "at": iso(record.at), "kind": record.kind, "actor": record.actor}
    return {**record.body, **own, "hash": record.hash, "previous": record.previous}


def record_row(name: str, record: ChainRecord) -> tuple[object, ...]:
    body = record.body
    what = body.get("tool") or body.get("key") or ""
    return (name, record.seq, iso(record.at)[:19] + "Z", record.kind, record.actor, outcome(record), what)


def tail_header() -> str:
    """The table's head, for rows that are not all there yet: columns of a width of their own."""
    return _columns([header.upper() for header in HEADERS])


def tail_line(name: str, record: ChainRecord) -> str:
    return _columns(["" if cell is None else visible(str(cell)) for cell in record_row(name, record)])


def _columns(cells: list[str]) -> str:
    *most, last = cells
    padded = [cell.ljust(width) for cell, width in zip(most, _TAIL_WIDTHS, strict=True)]
    return "  ".join([*padded, last]).rstrip()


def outcome(record: ChainRecord) -> str:
    """`allowed`, a denial's code, or what the body calls its outcome."""
    body = record.body
    if body.get("allowed") is True:
        return "allowed"
    if body.get("allowed") is False:
        return str(body.get("code") or "denied")
    return str(body.get("outcome", ""))


def head_json(name: str, head: ChainHead) -> dict[str, Any]:
    return {"chain": name, "records": head.seq, "head": head.hash, "ok": True, "error": None}
