"""What one policy makes of a history: its answers, its counters, its approvals, in a store of its own in memory.

The old course and the new one take the same steps. What was recorded says who voted and what calls really cost; a call
that only the new policy lets through was never settled, and counts at its estimate until its window ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from codespar_cli.core.hooks import CallContext
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.policy.approvals.approval import Approval, Vote, voted
from codespar_cli.plugins.policy.approvals.standing import new_request
from codespar_cli.plugins.policy.decision.call import Call
from codespar_cli.plugins.policy.decision.counting import Counted, key_of
from codespar_cli.plugins.policy.decision.enforcement import take
from codespar_cli.plugins.policy.decision.ruling import Ruling, rule_on
from codespar_cli.plugins.policy.decision.verdict import Retry
from codespar_cli.plugins.policy.language.periods import key_length
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.language.rules import Approve, Budget, Rate
from codespar_cli.plugins.policy.replay.replay_record import Recorded, undecided
from codespar_cli.plugins.policy.stores.counters import CounterKey, CounterState, Hold
from codespar_cli.plugins.policy.stores.memory_store import Contents, MemoryTransaction

_FOR_EVER = 1 << 62
_UNREAD = CounterState(0, 0)


class Answer(NamedTuple):
    """`owned`: the approval that was recorded is the one this call itself asked for."""

    ruling: Ruling
    owned: bool


class Undecided(NamedTuple):
    """The rules that cannot be asked, by name."""

    rules: Sequence[str]


class Course:
    def __init__(self) -> None:
        self._steps = _Steps(Contents())
        self._tokens: dict[str, str] = {}  # recorded token -> the request's in this course
        self._unseen: set[str] = set()  # requests of rules that only a foreign policy knows
        self._made = 0

    def advance(self, at: int) -> None:
        """The store has seen this time."""
        self._steps.advance(at)

    # ── decisions ──

    def play(self, recorded: Recorded, policy: Policy, *, owned: bool | None = None) -> Answer | Undecided:
        """Answer a recorded call, and take what an allow takes. `owned` is what the old course knows of its token."""
        call = recorded.call(policy)
        if recorded.lost and policy.judge is not None:
            return Undecided((f"policy {policy.hash[:12]}",))  # what a foreign policy reads is its own affair
        if recorded.lost and (rules := undecided(call, recorded.lost)):
            return Undecided([rule.id for rule in rules])
        if call.plan.approvals or policy.judge is not None:
            call.context = self._with_approval(recorded, call, owned)
        ruling = rule_on(call, recorded.space, recorded.now, self._steps, told=False)
        standing = ruling.standing
        own = standing.approval
        if ruling.failure is None:
            self._take(call, ruling, recorded)
            if own is not None:
                self._steps.put_approval(own._replace(used_by=recorded.id, preview=None))
        elif standing.digest and standing.state == "none" and ruling.verdict == "approve":
            own = self._request(call, ruling.approvals, standing.digest, ruling.seen, recorded)
        if owned is None:
            owned = recorded.token is not None and recorded.code != "approval_invalid" and own is not None
        if own is not None and owned and recorded.token is not None:
            self._tokens[recorded.token] = own.token
        return Answer(ruling, owned)

    def follow(self, recorded: Recorded, policy: Policy) -> None:
        """Do what the record says was done, for a call that cannot be asked again."""
        call = recorded.call(policy)
        seen = max(recorded.now, self._steps.latest())
        counted = self._counted(call, recorded, seen)
        ruling = Ruling(policy, None, Retry(), (), recorded.now, seen, counted)
        own = self._steps.approval(self._tokens.get(recorded.token or "", ""))
        if recorded.verdict == "allow":
            self._take(call, ruling, recorded)
            if own is not None:
                self._steps.put_approval(own._replace(used_by=recorded.id))
        elif recorded.verdict == "approve" and recorded.token is not None and own is None:
            spoke = {stage.split(" ", 2)[-1] for stage in recorded.body["stages"] if stage.startswith("approval ")}
            rules = tuple(rule for rule in call.plan.approvals if rule.id in spoke)
            if rules:
                made = self._request(call, rules, recorded.id, seen, recorded)
                self._tokens[recorded.token] = made.token
            else:
                self._unseen.add(recorded.token)

    def _counted(self, call: Call, recorded: Recorded, seen: int) -> list[Counted]:
        """The counters that an allow is taken from: of rules on what was lost, those that counted it then."""
        unsure = {rule.id for rule in undecided(call, recorded.lost)}
        then = {counter[0] for counter in recorded.counters}
        found = []
        for rule in call.plan.counters:
            applies = rule.id in then if rule.id in unsure else rule.applies(call.cost, call.context)
            if applies and (call.micros is not None or isinstance(rule, Rate)):
                key = key_of(rule, call, recorded.space, seen)
                amount = call.micros if isinstance(rule, Budget) else 1
                found.append(Counted(rule, key, amount, self._steps.state(key, seen), passes=True))
        return found

    def _take(self, call: Call, ruling: Ruling, recorded: Recorded) -> None:
        if recorded.reservation is None:
            self._made += 1
            self._steps.unsettled = True
            take(self._steps, call, ruling, recorded.space, f"rs-new-{self._made}")
            self._steps.unsettled = False
        else:
            take(self._steps, call, ruling, recorded.space, recorded.reservation)

    # ── approvals ──

    def _with_approval(self, recorded: Recorded, call: Call, owned: bool | None) -> CallContext:
        """Lead the stages to the request that the record speaks of; its context if it was presented by its token."""
        self._steps.current = None
        if recorded.token is None:
            return call.context
        own = self._tokens.get(recorded.token)
        known = owned is not False if recorded.code != "approval_invalid" else False
        if known and own is not None:
            self._steps.current = self._steps.approval(own)
        elif not known:
            return replace(call.context, approval_id=own or recorded.token)
        return call.context

    def _request(self, call: Call, rules: tuple[Approve, ...], digest: str, seen: int, recorded: Recorded) -> Approval:
        token = recorded.token
        if token is None or recorded.verdict != "approve" or self._steps.approval(token) is not None:
            self._made += 1
            token = f"ap-new-{self._made}"
        request = new_request(call, rules, digest, seen, also=None)._replace(token=token)
        self._steps.put_approval(request)
        return request

    def vote(self, at: int, name: str, body: Mapping[str, Any]) -> bool:
        """False where this course has no such request, or its policy does not let this person vote."""
        request = self._steps.approval(self._tokens.get(str(body["approval"]), ""))
        if request is None:
            return body["approval"] in self._unseen
        try:
            vote = Vote(name, body["outcome"] == "approved", at, body.get("reason", ""))
            self._steps.put_approval(voted(request, vote))
        except CodesparError:
            return False
        return True

    # ── after the call ──

    def settle(self, reservation: str, amount: int, at: int) -> list[str] | None:
        """The rules that counted it; None where this course holds nothing under this id."""
        hold = self._steps.hold(reservation)
        if hold is None or hold.state == "settled":
            return None
        return [key.rule for key in self._steps.settle(hold, amount, at)]

    def release(self, reservation: str) -> bool:
        hold = self._steps.hold(reservation)
        if hold is None or hold.state != "open":
            return False
        self._steps.free(hold)
        return True

    def count(self, keys: Sequence[CounterKey], amount: int, at: int) -> None:
        for key in keys:
            self._steps.count(key, amount, at, at)

    def oldest_hold(self, space: str, tenant: str, agent: str, tool: str, at: int) -> Hold | None:
        return self._steps.oldest_hold(space, tenant, agent, tool, at)


class _Steps(MemoryTransaction):
    """One transaction for the whole of a course, never undone. `current` is the request the next call is about."""

    def __init__(self, contents: Contents) -> None:
        super().__init__(contents, undoable=False)
        self.current: Approval | None = None
        self.unsettled = False
        self._newest: dict[tuple[str, str], str] = {}

    def advance(self, at: int) -> None:
        self._steps.clear()
        self._contents.latest = max(self._contents.latest, at)

    def put_approval(self, approval: Approval) -> None:
        if approval.token not in self._contents.requests:
            self._newest[approval.tenant, approval.digest] = approval.token
        super().put_approval(approval)

    def approval_for(self, tenant: str, digest: str) -> Approval | None:
        """Asked with the digest of the call under its policy: the record knows better which request it is about."""
        if self.current is not None:
            return self.current._replace(digest=digest)
        return self.approval(self._newest.get((tenant, digest), ""))

    def take(self, hold: Hold, parts: Mapping[CounterKey, int]) -> None:
        if self.unsettled:
            hold = hold._replace(expires_at=_FOR_EVER)
            parts = {key: hold.taken_at + (key_length(key.window) or _FOR_EVER) for key in parts}
        super().take(hold, parts)
