"""The doors of one server: where they are, and the thread behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from codespar_cli.core.gate import Gate
from codespar_cli.doors.admission import Admission
from codespar_cli.doors.call_doors import CallDoors
from codespar_cli.doors.hook_door import HookDoor
from codespar_cli.doors.large_bodies import LargeBodies
from codespar_cli.doors.turns import Turns
from codespar_cli.server.app import Address, Life, Log
from codespar_cli.server.bearer import Bearer
from codespar_cli.server.requests import Room

PATHS = ("/v1/check", "/v1/record", "/v1/hook/{host}")
_ROOM = 32 << 20
"""Bytes of bodies in memory at once, of all doors."""


class Doors(NamedTuple):
    addresses: tuple[Address, ...]
    life: Life


class DoorKeys(NamedTuple):
    """Who may ask: the token, and the names beside loopback under which the server may be reached."""

    token: str
    names: Iterable[str] = ()


def doors(
    gate: Callable[[], Gate], keys: DoorKeys, *, tenant: str, state_dir: str, log: Log, turns: Turns | None = None
) -> Doors:
    """`state_dir` is the user's own, as for every hook: what one door reserved, another can settle."""
    turns = turns or Turns(log)
    turns.later(gate)  # loaded before the first call waits for it
    admission, room, large = Admission(Bearer(keys.token), keys.names), Room(_ROOM), LargeBodies()
    calls = CallDoors(gate, turns, admission, room, large, tenant=tenant, log=log)
    hooks = HookDoor(gate, turns, admission, room, large, state_dir=state_dir, log=log)
    check, record, hook = PATHS
    addresses = (
        Address("POST", check, calls.check),
        Address("POST", record, calls.record),
        Address("POST", hook, hooks.answer),
    )
    return Doors(addresses, turns.alive)
