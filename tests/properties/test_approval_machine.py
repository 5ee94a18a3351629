"""Approvals against a small model, under any order of asking, voting, waiting, and changing the call or the policy."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from codespar_cli.core.hooks import CallContext
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.stores.memory_store import MemoryStore
from codespar_cli.plugins.policy.stores.sqlite_store import SqliteStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BOARD = {"quorum": 2, "approvers": ("ann", "bob", "cid"), "minutes": 10, "own": False}
ANYONE = {"quorum": 1, "approvers": (), "minutes": 5, "own": False}
OWN = {"quorum": 1, "approvers": ("a", "ann"), "minutes": 10, "own": True}
NEEDS = {"board": [BOARD], "both": [BOARD, ANYONE], "own": [OWN]}
RULES = [
    {"id": "r1", "effect": "approve", "tools": ["board", "both"], "quorum": 2, "approvers": ["ann", "bob", "cid"]},
    {"id": "r2", "effect": "approve", "tools": ["both"], "quorum": 1, "expires": "5m"},
    {"id": "r3", "effect": "approve", "tools": ["own"], "approvers": ["a", "ann"], "allow_self": True},
    {"id": "all", "effect": "allow"},
]
# Each way to write a name, and whose it is: written by hand, so that no folding is tested against itself.
PEOPLE = {
    "ann": "ann", "Ann": "ann", "ＡＮＮ": "ann", "bob": "bob", "BOB": "bob", "cid": "cid", "ﬁn": "fin", "fin": "fin",
    "a": "a", "A": "a", "ａ": "a", "b": "b", "straße": "strasse", "STRASSE": "strasse",
}  # fmt: skip
ARGS = [None, {}, {"x": 1}, {"x": 1.0}, {"x": True}, {"x": "1"}, {"x": 1, "y": 2}, {"y": 2, "x": 1}, {"x": [1]}]
NUMBER = st.just(0) | st.integers(0, 20)
COSTS = [None, "1", "1.00", 2, "0.0000001", "0.0000002"]


def spelled(args):
    """One text for equal JSON: the model's own canonical form, good for the arguments used here."""
    if args is None:
        return None
    whole = {k: int(v) if isinstance(v, float) else v for k, v in args.items()}
    return json.dumps(whole, sort_keys=True)


class Request:
    def __init__(self, call, key, needs, asked_at, requesters, policy):
        self.call, self.key, self.needs, self.policy = call, key, needs, policy
        self.expires = asked_at + timedelta(minutes=min(need["minutes"] for need in needs))
        self.requesters = requesters
        self.votes = []
        self.used = False

    def eligible(self, name, need, requesters):
        if not need["own"] and PEOPLE[name] in {PEOPLE[r] for r in requesters}:
            return False
        return not need["approvers"] or name in need["approvers"]

    def met(self, requesters):
        return all(
            sum(yes and self.eligible(name, need, requesters) for name, yes in self.votes) >= need["quorum"]
            for need in self.needs
        )

    def status(self, now):
        if self.used:
            return "used"
        if not all(yes for _, yes in self.votes):
            return "denied"
        if now >= self.expires:
            return "expired"
        return "approved" if self.met(self.requesters) else "pending"


class Approvals(RuleBasedStateMachine):
    def make_store(self):
        return MemoryStore()

    @initialize()
    def begin(self):
        self.store = self.make_store()
        self.now, self.latest = NOON, datetime(1970, 1, 1, tzinfo=UTC)
        self.requests = {}
        self.runs = []
        self.use(0)

    def use(self, version):
        self.version = version
        rules = [*RULES, {"id": f"version-{version}", "effect": "allow"}]
        policy = compile_policy(json.dumps({"version": 1, "rules": rules}).encode(), "policy.yaml")
        self.engines = {
            tenant: PolicyEngine(policy, StoreAddress.of(self.store), tenant=tenant, clock=lambda: self.now)
            for tenant in ("one", "two")
        }

    def nth(self, number):
        """The newest is 0. By number: tokens are random, and a run must be the same twice."""
        tokens = list(self.requests) or ["ap-00000000"]
        return tokens[-1 - number % len(tokens)]

    @property
    def seen(self):
        return max(self.now, self.latest)

    # ── what happens ──

    @rule(minutes=st.sampled_from([0, 1, 5, 10, -7]), micros=st.sampled_from([-1, 0, 1]))
    def wait(self, minutes, micros):
        self.now += timedelta(minutes=minutes, microseconds=micros)

    @precondition(lambda self: self.requests)
    @rule(number=NUMBER, micros=st.sampled_from([-1, 0]))
    def wait_for_an_expiry(self, number, micros):
        token = self.nth(number)
        self.now = max(self.now, self.requests[token].expires + timedelta(microseconds=micros))

    @rule(version=st.sampled_from([0, 0, 1]))
    def change_policy(self, version):
        self.use(version)

    @rule(
        tenant=st.sampled_from(["one", "two"]),
        agent=st.sampled_from(["a", "b"]),
        tool=st.sampled_from(["board", "both", "own"]),
        args=st.sampled_from(ARGS),
        cost=st.sampled_from(COSTS),
        project=st.sampled_from([None, "p"]),
        environment=st.sampled_from([None, "prod"]),
        owner=st.sampled_from([None, "ann", "fin"]),
        reserve=st.sampled_from([True, True, False]),
        number=st.sampled_from([None, None, None, None, 0, 3]),
    )
    def ask(self, tenant, agent, tool, args, cost, project, environment, owner, reserve, number):
        token = None if number is None else self.nth(number)
        self.decide(tenant, agent, tool, args, cost, project, environment, owner, token, reserve=reserve)

    @precondition(lambda self: self.requests)
    @rule(
        number=NUMBER,
        present=st.booleans(),
        reserve=st.sampled_from([True, True, False]),
        change=st.none()
        | st.sampled_from(
            [(0, "two"), (1, "b"), (2, "both"), (3, {"x": 2}), (4, "1.000"), (4, "1.000001"), (5, "q"), (6, "dev")]
        )
        | st.sampled_from([(7, "bob"), (7, "ann")]),
    )
    def ask_what_was_asked_before(self, number, present, reserve, change):
        """The same call, or one that differs in one thing."""
        token = self.nth(number)
        call = list(self.requests[token].call)
        if change is not None:
            call[change[0]] = change[1]
        self.decide(*call, token if present else None, reserve=reserve)

    @precondition(lambda self: self.requests)
    @rule(
        name=st.sampled_from(sorted(PEOPLE)),
        yes=st.sampled_from([True, True, True, True, False]),
        number=NUMBER,
        stranger=st.sampled_from([False, False, False, True]),
    )
    def vote(self, name, yes, number, stranger):
        self.cast(self.nth(number), name, yes, stranger=stranger)

    @precondition(lambda self: self.requests)
    @rule(number=NUMBER)
    def let_the_board_approve(self, number):
        for name in ("ann", "bob"):
            self.cast(self.nth(number), name, True)

    @precondition(lambda self: self.requests)
    @rule(
        number=NUMBER,
        present=st.booleans(),
        minutes=st.sampled_from([0, 0, 4, 5]),
        change=st.sampled_from([None, None, (0, "two"), (1, "b"), (4, "1.000"), (5, "q"), (6, "dev"), (7, "bob")]),
    )
    def approve_and_run_it_twice(self, number, present, minutes, change):
        token = self.nth(number)
        self.let_the_board_approve(number)
        self.now += timedelta(minutes=minutes)
        if change is not None:
            other = list(self.requests[token].call)
            other[change[0]] = change[1]
            self.decide(*other, token if present else None, reserve=True)
        for _ in range(2):
            self.decide(*self.requests[token].call, token if present else None, reserve=True)

    # ── the model ──

    def decide(self, tenant, agent, tool, args, cost, project, environment, owner, token, *, reserve):
        amount = None if cost is None else Decimal(cost)
        key = (tenant, agent, tool, spelled(args), amount, project, environment, self.version)
        requesters = (agent, owner) if owner else (agent,)
        expected, request = self.expected(key, requesters, token)
        engine = self.engines[tenant]
        attributes = {"owner": owner} if owner else {}
        context = CallContext(
            tenant=tenant, project=project, args=args, approval_id=token, environment=environment, attributes=attributes
        )
        before = len(self.requests)
        ask = engine.evaluate if reserve else engine.preview
        decision = ask(agent, tool, cost, context=context)
        got = "allowed" if decision.allowed else decision.code
        assert got == expected, (got, decision.reason)
        assert decision.requires_approval == (got == "approval_required")
        if reserve:
            self.latest = self.seen
            if got == "allowed":
                request.used = True
                self.runs.append((decision.approval_id, key))
            if got == "approval_required" and request is None:
                assert decision.approval_id not in self.requests
                call = (tenant, agent, tool, args, cost, project, environment, owner)
                request = Request(call, key, NEEDS[tool], self.seen, requesters, self.version)
                self.requests[decision.approval_id] = request
        if got == "allowed" or (got == "approval_required" and request is not None):
            assert self.requests[decision.approval_id] is request
        assert reserve or len(self.requests) == before

    def expected(self, key, requesters, token):
        if token is None:
            request = next((r for r in reversed(self.requests.values()) if r.key == key), None)
            if request is None or request.used or self.seen >= request.expires:
                return "approval_required", None
        else:
            request = self.requests.get(token)
            if request is None or request.key != key:
                return "approval_invalid", None
        status = request.status(self.seen)
        if status in {"used", "denied", "expired"}:
            return "approval_invalid", None
        if request.met((*request.requesters, *requesters)):
            return "allowed", request
        if status == "pending":
            return "approval_required", request
        return ("approval_required" if token is None else "approval_invalid"), None

    def cast(self, token, name, yes, *, stranger=False):
        request = self.requests[token]
        tenant = request.key[0]
        engine = self.engines[{"one": "two", "two": "one"}[tenant] if stranger else tenant]
        status = request.status(self.seen)
        if stranger:
            expected = "not_found"
        elif not (status == "pending" or (status == "approved" and not yes)) or request.policy != self.version:
            expected = "approval_closed"
        elif PEOPLE[name] in {PEOPLE[voter] for voter, _ in request.votes}:
            expected = "already_voted"
        elif not any(request.eligible(name, need, request.requesters) for need in request.needs):
            expected = "refused"
        else:
            expected = None
        try:
            engine.vote(token.lower(), name, approves=yes)
        except CodesparError as error:
            code = "refused" if error.code in {"self_approval", "not_an_approver"} else error.code
            assert code == expected, error
        else:
            assert expected is None
            request.votes.append((name, yes))
            self.latest = self.seen

    # ── what always holds ──

    @invariant()
    def an_approval_runs_once_for_its_own_call(self):
        tokens = [token for token, _ in self.runs]
        assert len(tokens) == len(set(tokens))
        assert all(self.requests[token].key == key for token, key in self.runs)

    @invariant()
    def what_people_see_is_what_there_is(self):
        for tenant, engine in self.engines.items():
            found = {state.token: state.status for state in engine.approvals()}
            expected = {}
            for token, request in self.requests.items():
                if request.key[0] == tenant:
                    status = request.status(self.seen)
                    void = request.policy != self.version and status in {"pending", "approved"}
                    expected[token] = "void" if void else status
            assert found == expected


class StoredApprovals(Approvals):
    directory = None

    def make_store(self):
        StoredApprovals.number = getattr(StoredApprovals, "number", 0) + 1
        return SqliteStore(self.directory / str(self.number), "normal")

    def teardown(self):
        if hasattr(self, "store"):
            self.store.database.close()


TestApprovals = Approvals.TestCase
TestApprovals.settings = settings(max_examples=150, stateful_step_count=40)


@pytest.mark.parametrize("examples", [25])
def test_the_same_on_sqlite(tmp_path, examples):
    from hypothesis.stateful import run_state_machine_as_test

    StoredApprovals.directory = tmp_path
    run_state_machine_as_test(StoredApprovals, settings=settings(max_examples=examples, stateful_step_count=30))
