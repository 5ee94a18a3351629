"""What became of each payload of a replay, and what all of them come to together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple, TypeAlias

from codespar_cli.core.hooks import IntegrationEvent
from codespar_cli.core.text import visible
from codespar_cli.errors import CodesparError, IntegrityError, NotFoundError
from codespar_cli.webhooks.comparison import Change

Status: TypeAlias = Literal[
    "handled", "ignored", "failed", "bad_signature", "missing", "unreadable", "malformed", "would_replay"
]


class Outcome(NamedTuple):
    """What became of one payload. `ignored` means that no handler took it; `error` is a line, without secrets.

    `changed` is None where nothing was compared; `answered` is the status that a target answered; `routes` are those
    that were asked to have it again, None where nobody asked.
    """

    source: str
    status: Status
    provider: str | None = None
    event: IntegrationEvent | None = None
    delivery_id: str | None = None
    error: str | None = None
    changed: Mapping[str, Change] | None = None
    answered: int | None = None
    routes: tuple[str, ...] | None = None

    @property
    def served(self) -> bool:
        """Whether something came of it, though perhaps no handler took it."""
        if self.status == "ignored" and self.error is None:
            return self.changed == {} or self.answered is not None
        return self.status in {"handled", "would_replay"}


class Tally:
    """Counts outcomes as they pass, and keeps none of them."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.total = self.served = self.changed = self.taken = self.refused = self.dispatched = 0
        self._first_missing: str | None = None

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Tally:
        tally = cls()
        for _ in tally.passing(outcomes):
            pass
        return tally

    def passing(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        for outcome in outcomes:
            self._add(outcome)
            yield outcome

    def _add(self, outcome: Outcome) -> None:
        self.total += 1
        self.count[outcome.status] += 1
        self.served += outcome.served
        self.changed += bool(outcome.changed)
        if outcome.answered is not None:
            good = 200 <= outcome.answered < 300
            self.taken += good
            self.refused += not good
        self.dispatched += bool(outcome.routes)
        if outcome.status == "missing" and self._first_missing is None:
            self._first_missing = outcome.source

    def failure(self) -> CodesparError | None:
        """The error a replay ends with, the gravest first; None when something came of at least one payload and none
        failed."""
        count, total = self.count, self.total
        if bad := count["bad_signature"]:
            return IntegrityError(f"{bad} of {payloads(total)} could not be verified", code="bad_signature")
        if failed := count["failed"] + count["unreadable"]:
            return CodesparError(f"{failed} of {payloads(total)} failed", code="replay_failed")
        if self.refused:
            refused = f"the target answered {self.refused} of {payloads(total)} with other than 2xx"
            return CodesparError(refused, code="not_taken")
        if self._first_missing is not None:
            return NotFoundError(f"no such file: `{visible(self._first_missing)}`")
        if self.changed:
            return CodesparError(f"{self.changed} of {payloads(total)} would change", code="replay_differs")
        if count["malformed"] == total > 0:
            verb = "is" if total == 1 else "are"
            return NotFoundError(f"{total} of {payloads(total)} {verb} not readable JSON", code="malformed")
        if not self.served:
            return NotFoundError(
                f"no integration took any of {payloads(total)}" if total else "there is no payload to replay",
                code="not_handled",
                hint="codespar plugins status shows which are active" if total else None,
            )
        return None


def payloads(count: int) -> str:
    return f"{count} payload{'' if count == 1 else 's'}"
