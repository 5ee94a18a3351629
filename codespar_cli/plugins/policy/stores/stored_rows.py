"""Rows of a store as values again, whatever damage may have made of them."""

from __future__ import annotations

from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.errors import StoreCorrupt
from codespar_cli.plugins.policy.language.periods import key_length
from codespar_cli.plugins.policy.stores.counters import CounterKey, Hold

if TYPE_CHECKING:
    from typing import Any

    from codespar_cli.plugins.policy.approvals.approval import Approval

_HOLD_TYPES = (str, str, str, str, str, int, int, int, str)
_APPROVAL_TYPES = (str, str, str, str, str, int, int, str)


def damaged(finding: str, file: str | None = None) -> StoreCorrupt:
    return StoreCorrupt(
        f"the store is damaged: {finding}",
        file=file,
        hint="keep the file, restore a backup; codespar never replaces a damaged store",
    )


def hold_from(row: tuple[Any, ...]) -> Hold:
    if tuple(map(type, row)) != _HOLD_TYPES:
        raise damaged("a hold is unreadable")
    return Hold(*row)


def key_from(row: tuple[Any, ...]) -> CounterKey:
    key = CounterKey(*row)
    try:
        if all(type(value) is str for value in row) and key_length(key.window) >= 0:
            return key
    except ValueError:
        pass
    raise damaged("a counter has no name")


def waiting_under(approval: Approval) -> str | None:
    """The hash of the policy under which a request waits, whatever the time; None for one that was decided or used."""
    return approval.policy if approval.status(approval.created_at) == "pending" else None


def parts_from(text: object) -> list[tuple[int, int]]:
    """The counters that a hold is held on, and until when: `12:1700000000000000 13:…`."""
    found = []
    for part in str(text).split():
        number, _, until = part.partition(":")
        if not (number.isdecimal() and until.isdecimal() and len(number) < 20 and len(until) < 20):
            raise damaged("the parts of a hold are unreadable")
        found.append((int(number), int(until)))
    return found


def approval_from(row: tuple[Any, ...]) -> Approval:
    from codespar_cli.plugins.policy.approvals.approval import from_text

    if tuple(map(type, row)) == _APPROVAL_TYPES:
        try:
            return from_text(row[:-1], row[-1])
        except ValueError:
            pass
    raise damaged("a request for approval is unreadable")
