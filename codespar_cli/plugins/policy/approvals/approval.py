"""One request for approval: what it is bound to, who has voted, and what follows from that. Pure.

A request is bound to one call by a digest (binding.py) and is used up by the call it was given for. Its status is never
stored, it is read off the votes and the clock, so that nobody has to be there for it to expire.
"""

from __future__ import annotations

from codespar_cli.core.light_typing import TYPE_CHECKING, NamedTuple
from codespar_cli.core.text import visible
from codespar_cli.errors import CodesparError, UsageError
from codespar_cli.plugins.policy.stores.counters import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Literal, TypeAlias

Status: TypeAlias = 'Literal["pending", "approved", "denied", "expired", "used"]'

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: no I, L, O, U
_LENGTH = 8
_MISREAD = str.maketrans("OIL", "011")
_LONGEST_NAME = 128
_BLANK = "\u2800"  # the empty braille pattern: printable, and nothing to see


class Need(NamedTuple):
    """What one approve rule asks for. No `approvers` named: anyone but the requester."""

    rule: str
    quorum: int
    approvers: tuple[str, ...]
    allow_self: bool


class Vote(NamedTuple):
    name: str
    approves: bool
    at: int
    reason: str = ""


class Approval(NamedTuple):
    """One request. Moments in microseconds since the epoch; `preview` is what an approver is shown of the arguments,
    without `hidden` values, and not all of the rest unless `complete`; `requesters` are those on whose behalf the call
    is made; `used_by` the decision that used it up; `notified` says that a notifier has delivered it."""

    token: str
    tenant: str
    digest: str
    agent: str
    tool: str
    cost: str | None
    project: str | None
    policy: str
    created_at: int
    expires_at: int
    needs: tuple[Need, ...]
    votes: tuple[Vote, ...] = ()
    requesters: tuple[str, ...] = ()
    preview: str | None = None
    also: str | None = None
    used_by: str | None = None
    notified: bool = False
    environment: str | None = None
    hidden: int = 0
    complete: bool = True

    def status(self, now: int) -> Status:
        if self.used_by is not None:
            return "used"
        if any(not vote.approves for vote in self.votes):
            return "denied"
        if now >= self.expires_at:
            return "expired"
        return "approved" if all(self.meets(need) for need in self.needs) else "pending"

    def meets(self, need: Need) -> bool:
        """Whether enough of those who may vote on this need have approved."""
        return self.in_favour(need) >= need.quorum

    def in_favour(self, need: Need) -> int:
        return sum(vote.approves and self.counts(vote.name, need) for vote in self.votes)

    def counts(self, name: str, need: Need) -> bool:
        """Whether this person may vote on this need."""
        if not need.allow_self and is_same_person(name, self.requesters):
            return False
        return not need.approvers or _composed(name) in map(_composed, need.approvers)


def voted(approval: Approval, vote: Vote) -> Approval:
    """The request with one more vote.

    Raises:
        UsageError: it is no name that can be told.
        CodesparError: the request is closed, or this person may not vote on it, or has voted.
    """
    _check_name(vote.name)
    status = approval.status(vote.at)
    if status != "pending" and not (status == "approved" and not vote.approves):
        raise CodesparError(f"{approval.token} is {status}: nobody can vote on it any more", code="approval_closed")
    if is_same_person(vote.name, (each.name for each in approval.votes)):
        raise CodesparError(f"`{vote.name}` has voted on {approval.token} already", code="already_voted")
    if not any(approval.counts(vote.name, need) for need in approval.needs):
        raise _not_eligible(approval, vote.name)
    return approval._replace(votes=(*approval.votes, vote._replace(name=_composed(vote.name))))


def is_same_person(name: str, others: Iterable[str]) -> bool:
    """Whether a name is one of the others, however it is written: no second vote for a capital letter."""
    return folded(name) in {folded(other) for other in others}


def new_token(random_bytes: bytes) -> str:
    """`ap-` and eight digits of Crockford's base32, from five random bytes."""
    number = int.from_bytes(random_bytes[:5], "big")
    digits = [_CROCKFORD[(number >> 5 * place) & 31] for place in reversed(range(_LENGTH))]
    return "ap-" + "".join(digits)


def as_token(text: str) -> str:
    """A token as somebody typed it: in any case, O for 0, I and L for 1, with or without `ap-`. What is none, unchanged."""
    digits = text.strip().upper().removeprefix("AP-").translate(_MISREAD)
    return f"ap-{digits}" if len(digits) == _LENGTH and not digits.strip(_CROCKFORD) else text


def _check_name(name: str) -> None:
    seen = name.isprintable() and visible(name) == name and _BLANK not in name
    if not name or len(name) > _LONGEST_NAME or not seen or name != name.strip():
        raise UsageError("--as: expected a name of 1 to 128 printable characters", code="invalid_name")
    from codespar_cli.plugins.policy.approvals.args_preview import mixes_alphabets

    if mixes_alphabets(name):
        # A Cyrillic `а` would make a second `ann` that nobody can tell from the first.
        raise UsageError(
            f"--as: expected a name in letters of one alphabet, found {ascii(name)[:80]}", code="invalid_name"
        )


def folded(name: str) -> str:
    """A name without width and case: of two that fold alike one is the other. Twice, because folding case can undo a normal form."""
    import unicodedata

    for _ in range(2):
        name = unicodedata.normalize("NFKC", name.casefold())
    return " ".join(name.split())


def _composed(name: str) -> str:
    import unicodedata

    return unicodedata.normalize("NFC", name)


def _not_eligible(approval: Approval, name: str) -> CodesparError:
    if is_same_person(name, approval.requesters):
        return CodesparError(f"`{name}` asked for {approval.token} and cannot vote on it", code="self_approval")
    listed = sorted({approver for need in approval.needs for approver in need.approvers})
    return CodesparError(
        f"`{name}` is no approver of {approval.token}, expected one of {', '.join(listed)}", code="not_an_approver"
    )


def to_text(approval: Approval) -> str:
    """For a store: what its columns do not hold."""
    import json

    facts = approval._asdict()
    for name in COLUMNS:
        del facts[name]
    return json.dumps(facts, separators=(",", ":"))


def from_text(columns: Sequence[Any], text: str) -> Approval:
    """Raises ValueError for what `to_text` did not write."""
    import json

    try:
        facts = json.loads(text)
        needs = tuple(Need(rule, int(quorum), tuple(who), bool(own)) for rule, quorum, who, own in facts.pop("needs"))
        votes = tuple(Vote(str(name), bool(yes), int(at), str(why)) for name, yes, at, why in facts.pop("votes"))
        requesters = tuple(facts.pop("requesters"))
        named = dict(zip(COLUMNS, columns, strict=True))
        return Approval(**named, **facts, needs=needs, votes=votes, requesters=requesters)
    except (TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ValueError("a request for approval is unreadable") from error
