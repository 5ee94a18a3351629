"""What stores keep, as values: counters, holds and records. Moments are microseconds since the epoch, money millionths."""

from __future__ import annotations

from codespar_cli.core.light_typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

COLUMNS = ("token", "tenant", "digest", "agent", "tool", "created_at", "expires_at")
"""Of a request for approval, what stores keep in columns of their own, to look requests up by."""

FULL = 1 << 62
"""A counter stops here rather than overflow: at four trillion units no limit is left to guard.

Of a rolling one the oldest entries give way, so that its value is always their sum, and what it says later, when they
have left the window, is as exact as if it had never been full."""


class CounterKey(NamedTuple):
    """Which counter. `space` keeps what observe mode counts apart from what enforce mode does.

    `window` is the kind of its window and its unit; one that begins with `rolling N` keeps entries for N microseconds.
    `period` is the calendar period, empty where there is none.
    """

    space: str
    tenant: str
    rule: str
    scope: str
    window: str
    period: str


class CounterState(NamedTuple):
    """`used` is what the window holds now (or a bucket's arrival time), `held` the unexpired holds."""

    used: int
    held: int


class Hold(NamedTuple):
    """`state` is `open`, `settled` or `released`; an open one counts until it expires."""

    id: str
    space: str
    tenant: str
    agent: str
    tool: str
    taken_at: int
    expires_at: int
    estimate: int
    state: str = "open"


class Record(NamedTuple):
    """One entry of the chained record, as simulation reads it."""

    at: int
    kind: str
    actor: str
    body: Mapping[str, Any]
