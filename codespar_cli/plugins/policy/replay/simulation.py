"""Replaying the record: through the policies that decided, which must give what was recorded, and through another one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any, TypeAlias

from codespar_cli.core.administration.policy_simulation import Flip, NotReplayable, Progress, Simulation
from codespar_cli.core.clock import from_micros, iso, to_micros
from codespar_cli.errors import CodesparError, ConfigError, IntegrityError
from codespar_cli.plugins.policy.decision.judge import JudgeError
from codespar_cli.plugins.policy.decision.ruling import Ruling
from codespar_cli.plugins.policy.language.money import as_amount
from codespar_cli.plugins.policy.language.money import to_micros as money
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.language.tool_names import counted_name
from codespar_cli.plugins.policy.replay.replay_course import Answer, Course, Undecided
from codespar_cli.plugins.policy.replay.replay_record import REASONS, Recorded
from codespar_cli.plugins.policy.replay.replay_usage import unreserved_keys
from codespar_cli.plugins.policy.stores.counters import CounterKey, Record
from codespar_cli.plugins.policy.stores.store import PolicyStore
from codespar_cli.plugins.policy.stores.stored_rows import damaged

KINDS = ("decision", "settlement", "release", "approval")
_FAILED = frozenset(("policy_error", "store_unreachable"))
_BATCH = 64

_Said: TypeAlias = tuple[str, str | None, str | None]
"""A verdict with its code and its rule."""


def simulate(
    store: PolicyStore, tenant: str, policy: Policy, since: datetime | None, progress: Progress | None = None
) -> Simulation:
    """See SimulatesPolicy.simulate."""
    run = _Run(store, tenant, policy, None if since is None else to_micros(since))
    records, number = store.records(KINDS), 0
    # Some at a time: to change between reading and replaying at every record takes a tenth longer.
    while batch := list(islice(records, _BATCH)):
        for record in batch:
            run.step(record)
        number += len(batch)
        if progress is not None:
            progress(number)
    return Simulation(
        replayed=run.replayed,
        reproduced=run.replayed,
        counted=run.counted,
        since=since,
        flips=tuple(run.flips),
        not_replayable=NotReplayable(
            run.reasons.total(), tuple(sorted(run.unasked)), dict(sorted(run.reasons.items()))
        ),
        currency=policy.currency,
        policy_hash=policy.hash,
        observed=run.observed,
        as_judged=run.as_judged,
    )


class _Run:
    def __init__(self, store: PolicyStore, tenant: str, policy: Policy, since: int | None) -> None:
        self._store = store
        self._tenant = tenant
        self._new_policy = policy
        self._since = since
        self._old, self._new = Course(), Course()
        self._policies: dict[str, Policy] = {}
        self.replayed = self.counted = self.observed = self.as_judged = 0
        self.flips: list[Flip] = []
        self.reasons: Counter[str] = Counter()
        self.unasked: set[str] = set()
        self._acts: Mapping[str, Callable[[Record], None]] = {
            "decision": self._decision,
            "settlement": self._settlement,
            "release": self._release,
            "approval": self._vote,
        }

    def step(self, record: Record) -> None:
        if record.body.get("tenant") == self._tenant:
            try:
                self._acts[record.kind](record)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise damaged(
                    f"the {record.kind} of {iso(from_micros(record.at))} is not one that this version writes"
                ) from error
        # Time is one for all tenants of a store.
        self._old.advance(record.at)
        self._new.advance(record.at)

    # ── decisions ──

    def _decision(self, record: Record) -> None:
        counts = self._since is None or record.at >= self._since
        code = record.body.get("code")
        if code in _FAILED:
            self._lose("the engine had failed", counts)
            return
        if code == "invalid_request":  # no policy was asked, and none would be
            self.replayed += 1
            self._count(record.body["mode"] == "observe", counts)
            if counts and record.body["mode"] == "observe":
                self.flips.append(_unsound(record))
            return
        recorded = Recorded(record)
        policy = self._policy(recorded)
        try:
            was = self._old.play(recorded, policy)
        except JudgeError as error:
            raise self._differs(recorded, f"the policy cannot be evaluated: {error}") from None
        if isinstance(was, Answer):
            self._compare(recorded, was.ruling)
            now = self._new.play(recorded, self._new_policy, owned=was.owned)
        else:
            self._old.follow(recorded, policy)
            now = was
        if isinstance(now, Undecided):
            self._new.follow(recorded, self._new_policy)
            if recorded.observed and recorded.policy == self._new_policy.hash:
                self._judged(recorded, counts)
            else:
                self._undecided(recorded, now, counts)
            return
        self.replayed += 1
        self._count(recorded.observed, counts)
        if counts and now.ruling.verdict != recorded.got:
            self.flips.append(self._flip(recorded, _said(now.ruling), policy))

    def _count(self, observed: bool, counts: bool) -> None:
        self.counted += counts
        self.observed += observed and counts

    def _judged(self, recorded: Recorded, counts: bool) -> None:
        """An observed call that cannot be asked again: the record has what this very policy would have answered."""
        self._count(True, counts)
        self.as_judged += counts
        if counts and recorded.verdict != recorded.got:
            then = (recorded.verdict, recorded.code, recorded.rule)
            self.flips.append(self._flip(recorded, then, self._new_policy))

    def _compare(self, recorded: Recorded, ruling: Ruling) -> None:
        """Raises CodesparError when the old policy does not say what it said."""
        then, said = (recorded.verdict, recorded.code, recorded.rule), _said(ruling)
        if said != then:
            raise self._differs(recorded, f"recorded is {_answer(*then)}, replayed {_answer(*said)}")
        if not (ruling.counted or recorded.counters):
            return
        counted = [
            [one.rule.id, one.key.scope, one.key.window, one.key.period, one.state.used, one.state.held, one.amount]
            for one in ruling.counted
        ]
        if counted != recorded.counters:
            for was_one, one in zip(recorded.counters, counted, strict=False):
                if was_one != one:
                    raise self._differs(
                        recorded,
                        f"the counter of rule {one[0]} was {_counter(was_one)}, replayed it is {_counter(one)}",
                    )
            raise self._differs(recorded, f"{len(recorded.counters)} counters were asked, replayed {len(counted)}")

    def _differs(self, recorded: Recorded, how: str) -> CodesparError:
        zones = self._policy(recorded).zone.version
        then = recorded.body.get("tzdata")
        return CodesparError(
            f"decision {recorded.id} of {iso(from_micros(recorded.at))} ({recorded.agent} calls {recorded.tool}) is not reproduced: {how}",
            code="not_reproduced",
            hint=f"it was decided with tzdata {then}, here is {zones}: pip install tzdata=={then}"
            if then != zones and then is not None
            else "codespar audit verify tells whether the record is as it was written",
        )

    def _policy(self, recorded: Recorded) -> Policy:
        """The policy that decided, from the text that the store keeps."""
        policy = self._policies.get(recorded.policy)
        if policy is None:
            text = self._store.source(recorded.policy)
            if text is None:
                raise CodesparError(
                    f"decision {recorded.id} was made by policy {recorded.policy[:12]}, whose text the store does not have",
                    code="not_reproduced",
                )
            policy = _compiled(text, recorded)
            if policy.hash != recorded.policy:
                raise IntegrityError(
                    f"the text of policy {recorded.policy[:12]} is not the one that decided", code="source_edited"
                )
            self._policies[recorded.policy] = policy
        return policy

    def _undecided(self, recorded: Recorded, found: Undecided, counts: bool) -> None:
        if counts:
            self.unasked.update(found.rules)
        for root in sorted(recorded.lost)[:1]:
            self._lose(REASONS[root], counts)

    def _lose(self, reason: str, counts: bool) -> None:
        if counts:
            self.reasons[reason] += 1

    def _flip(self, recorded: Recorded, said: _Said, policy: Policy) -> Flip:
        after, code, rule = said
        return Flip(
            at=from_micros(recorded.now),
            agent=recorded.agent,
            tool=recorded.tool,
            before=recorded.got,
            after=after,
            code=code,
            rule_id=rule,
            before_code=None if recorded.observed else recorded.code,
            before_rule_id=None if recorded.observed else recorded.rule,
            cost=_estimate(recorded, self._new_policy, policy),
            decision_id=recorded.id,
        )

    # ── what followed ──

    def _settlement(self, record: Record) -> None:
        body = record.body
        amount = money(as_amount(body["cost"]))
        if body["outcome"] == "unreserved":
            self._unreserved(body, amount, record.at)
            return
        rules = self._old.settle(body["reservation"], amount, record.at)
        if rules != body["rules"]:
            raise _lost(record, f"settlement of {body['reservation']}")
        self._new.settle(body["reservation"], amount, record.at)

    def _unreserved(self, body: Mapping[str, Any], amount: int, at: int) -> None:
        """A cost that nobody held: counted as it was, and in the new course where it would be."""
        space, agent, tool = body["mode"], body["agent"], body["tool"]
        keys = [CounterKey(space, self._tenant, *counter) for counter in body["counters"]]
        self._old.count(keys, amount, at)
        hold = self._new.oldest_hold(space, self._tenant, agent, counted_name(tool), at)
        if hold is not None:
            self._new.settle(hold.id, amount, at)
            return
        keys, unasked = unreserved_keys(body, self._new_policy, at)
        self._new.count(keys, amount, at)
        self.unasked.update(unasked)

    def _release(self, record: Record) -> None:
        reservation = record.body["reservation"]
        if not self._old.release(reservation):
            raise _lost(record, f"release of {reservation}")
        self._new.release(reservation)

    def _vote(self, record: Record) -> None:
        if not self._old.vote(record.at, record.actor, record.body):
            raise _lost(record, f"vote of {record.actor} on {record.body['approval']}")
        self._new.vote(record.at, record.actor, record.body)


def _compiled(text: str, recorded: Recorded) -> Policy:
    """A rules file, or the one text that a foreign policy is rebuilt from."""
    try:
        if text.startswith('{"backend":'):
            from codespar_cli.plugins.policy.foreign.foreign_policy import from_source

            return from_source(text)
        return compile_policy(text.encode(), f"policy {recorded.policy[:12]}")
    except ConfigError as error:
        raise CodesparError(
            f"decision {recorded.id} was made by a policy that cannot be read here: {error}",
            hint=error.hint,
            code="not_reproduced",
        ) from None


def _lost(record: Record, what: str) -> CodesparError:
    return CodesparError(
        f"the {what} at {iso(from_micros(record.at))} is not reproduced",
        code="not_reproduced",
        hint="codespar audit verify tells whether the record is as it was written",
    )


def _said(ruling: Ruling) -> _Said:
    failure = ruling.failure
    if failure is None:
        return ruling.verdict, None, ruling.allow
    return ruling.verdict, failure.code, failure.rule_id


def _unsound(record: Record) -> Flip:
    """An observed call that was none: it was let through, and enforce mode refuses it whatever the rules are."""
    body, code = record.body, "invalid_request"
    at = from_micros(record.at)
    return Flip(at, body["agent"], body["tool"], "allow", "deny", code, None, None, None, None, body["decision"])


def _answer(verdict: str, code: str | None, rule: str | None) -> str:
    return " ".join(part for part in (verdict, code, f"by rule {rule}" if rule else None) if part)


def _counter(counter: list[Any]) -> str:
    _, scope, window, period, used, held, amount = counter
    place = " ".join(part for part in (scope, window, period) if part)
    return f"{used} used and {held} held in {place}, {amount} asked"


def _estimate(recorded: Recorded, *policies: Policy) -> Decimal | None:
    if recorded.amount is not None:
        return recorded.amount
    prices = (policy.plan(recorded.agent, recorded.tool).price for policy in policies)
    return next((price for price in prices if price is not None), None)
