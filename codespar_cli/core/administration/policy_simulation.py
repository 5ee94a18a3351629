"""What `codespar policy simulate` shows: the recorded calls through another policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

Progress: TypeAlias = Callable[[int], None]
"""Told now and then how many records have been replayed."""


class Flip(NamedTuple):
    """A call that the other policy answers differently. `before` and `after` are allow, deny or approve; `cost` is the
    estimate, None when nobody knows it. A code and a rule are None where there is none. What was observed was let
    through: its `before` is allow, whatever the policy would have said."""

    at: datetime
    agent: str
    tool: str
    before: str
    after: str
    code: str | None
    rule_id: str | None
    before_code: str | None
    before_rule_id: str | None
    cost: Decimal | None
    decision_id: str


class NotReplayable(NamedTuple):
    """Decisions that cannot be replayed, because what they depended on is not on record.

    `rules` are those that would have to be asked, `reasons` says how many decisions lack what."""

    decisions: int
    rules: tuple[str, ...]
    reasons: Mapping[str, int]


class Simulation(NamedTuple):
    """`replayed` decisions went through both policies, and `reproduced` of them came out as recorded: all, or there
    would be no simulation. `counted` are not older than `since`; only those can be flips.

    `observed` of those counted were made in observe mode. `as_judged` of these cannot be replayed, and stand with what
    the record says that this very policy would have answered."""

    replayed: int
    reproduced: int
    counted: int
    since: datetime | None
    flips: tuple[Flip, ...]
    not_replayable: NotReplayable
    currency: str
    policy_hash: str
    observed: int = 0
    as_judged: int = 0


class SimulatesPolicy(Protocol):
    def simulate(
        self, policy_path: Path, since: datetime | None = None, *, progress: Progress | None = None
    ) -> Simulation:
        """Replay the record through the policies that decided, then through this file.

        Raises:
            ConfigError: the file is no policy.
            CodesparError: a decision does not come out as it was recorded.
            IntegrityError: the record is damaged.
        """
