"""Requests for approval, as an agent, an approver and an attacker meet them."""

import json
import os
from datetime import timedelta
from decimal import Decimal

import pytest
from policy_world import EVERYTHING, NOON, World, budget

from codespar_cli.core.services import Services
from codespar_cli.errors import CodesparError, NotFoundError, UsageError
from codespar_cli.plugins.policy.approvals.approval import as_token, new_token
from codespar_cli.plugins.policy.approvals.standing import MOST_WAITING
from codespar_cli.plugins.policy.engine import PolicyEngine


def asks(**more):
    return {"id": "ask", "effect": "approve", "tools": ["deploy/**"], **more}


def world(*rules, store=None, observe=False, **more):
    return World(asks(**more), *rules, EVERYTHING, store=store, observe=observe)


def test_asked_approved_run_once_and_asked_anew(store):
    w = world(quorum=2, approvers=["ann", "bob", "eve"], store=store)
    first = w.ask("deploy/run", args={"env": "prod"})
    assert (first.allowed, first.requires_approval, first.code) == (False, True, "approval_required")
    token = first.approval_id
    assert w.ask("deploy/run", args={"env": "prod"}).approval_id == token
    assert w.engine.vote(token, "ann", approves=True, reason="fine").status == "pending"
    assert "1 so far" in next(step.detail for step in w.look("deploy/run", args={"env": "prod"}).trace if step.rule_id)
    assert w.engine.vote(as_token(token.lower()), "bob", approves=True).status == "approved"
    assert not w.ask("deploy/run", args={"env": "staging"}).allowed
    assert w.ask("deploy/run", args={"env": "prod"}, approval_id=token).allowed
    again = w.ask("deploy/run", args={"env": "prod"}, approval_id=token)
    assert (again.code, again.requires_approval) == ("approval_invalid", False)
    assert "has been used" in again.reason
    anew = w.ask("deploy/run", args={"env": "prod"})
    assert anew.requires_approval
    assert anew.approval_id not in {token, None}


def test_at_its_expiry_it_is_expired_and_one_tick_before_it_is_not():
    w = world(expires="10m")
    token = w.ask("deploy/run").approval_id
    w.now = NOON + timedelta(minutes=10, microseconds=-1)
    assert w.engine.vote(token, "ann", approves=True).status == "approved"
    assert w.look("deploy/run").allowed
    w.now = NOON + timedelta(minutes=10)
    assert w.engine.approval(token).status == "expired"
    assert w.look("deploy/run", approval_id=token).reason == f"approval {token} has expired"
    assert w.look("deploy/run").requires_approval
    with pytest.raises(CodesparError, match="is expired") as error:
        w.engine.vote(token, "bob", approves=False)
    assert error.value.code == "approval_closed"


def test_a_clock_that_is_set_back_revives_nothing():
    w = world(expires="10m")
    token = w.ask("deploy/run").approval_id
    w.wait(minutes=10)
    w.ask("other")  # the store has seen this time
    w.wait(minutes=-9)
    with pytest.raises(CodesparError, match="is expired"):
        w.engine.vote(token, "ann", approves=True)
    assert w.ask("deploy/run", approval_id=token).code == "approval_invalid"


def test_one_denial_ends_it_also_after_it_was_approved_and_stands_as_long_as_the_request():
    w = world(quorum=1, approvers=["ann", "bob"], expires="10m")
    token = w.ask("deploy/run").approval_id
    w.engine.vote(token, "ann", approves=True)
    assert w.engine.vote(token, "bob", approves=False, reason="not on\x1b[31m Friday").status == "denied"
    refused = w.ask("deploy/run")
    assert (refused.code, refused.requires_approval) == ("approval_invalid", False)
    assert refused.reason == rf"approval {token} was denied by bob: not on\x1b[31m Friday"
    w.wait(minutes=10)
    assert w.ask("deploy/run").requires_approval
    assert w.engine.approval(token).status == "denied"


@pytest.mark.parametrize("name", ["agent", "AGENT", "ａｇｅｎｔ", "Olga"])
def test_who_asked_never_counts(name):
    w = world()
    token = w.ask("deploy/run", "agent", attributes={"owner": "olga"}).approval_id
    with pytest.raises(CodesparError) as error:
        w.engine.vote(token, name, approves=True)
    assert error.value.code == "self_approval"
    assert w.engine.approval(token).votes == ()


def test_who_asks_now_does_not_count_either():
    w = world()
    token = w.ask("deploy/run").approval_id
    w.engine.vote(token, "ann", approves=True)
    assert w.ask("deploy/run", attributes={"user": "Ann"}, approval_id=token).code == "approval_invalid"
    other = w.ask("deploy/run", attributes={"user": "Ann"})
    assert other.requires_approval
    assert other.approval_id != token


def test_allow_self_lets_the_requester_vote():
    w = world(allow_self=True)
    token = w.ask("deploy/run", "agent").approval_id
    assert w.engine.vote(token, "agent", approves=True).status == "approved"


@pytest.mark.parametrize("twin", ["Ann", "ANN", "ａｎｎ", "ann"])
def test_nobody_votes_twice_however_the_name_is_written(twin):
    w = world(quorum=2)
    token = w.ask("deploy/run").approval_id
    w.engine.vote(token, "ann", approves=True)
    with pytest.raises(CodesparError) as error:
        w.engine.vote(token, twin, approves=True)
    assert error.value.code == "already_voted"


@pytest.mark.parametrize(
    "name", ["", " ann", "ann\n", "аnn", "ann\u200b", "ann\u3164", "ann\ufe0f", "\u2800", "αnn", "x" * 129, "\ud800"]
)
def test_a_name_that_cannot_be_told_from_another_is_no_name(name):
    w = world(quorum=2)
    token = w.ask("deploy/run").approval_id
    with pytest.raises(UsageError) as error:
        w.engine.vote(token, name, approves=True)
    assert error.value.code == "invalid_name"
    assert str(error.value).isprintable()


def test_a_name_in_another_alphabet_or_composed_differently_is_a_name():
    w = world(quorum=2, approvers=["Ольга", "José"])
    token = w.ask("deploy/run").approval_id
    w.engine.vote(token, "Ольга", approves=True)
    assert w.engine.vote(token, "Jose\u0301", approves=True).status == "approved"
    assert [vote.name for vote in w.engine.approval(token).votes] == ["Ольга", "José"]


def test_only_approvers_vote_exactly_as_the_policy_writes_them():
    w = world(approvers=["ann"])
    token = w.ask("deploy/run").approval_id
    for name in ("bob", "Ann"):
        with pytest.raises(CodesparError, match="expected one of ann") as error:
            w.engine.vote(token, name, approves=True)
        assert error.value.code == "not_an_approver"


def test_two_rules_must_both_be_met():
    second = {"id": "second", "effect": "approve", "tools": ["deploy/run"], "approvers": ["bob"], "expires": "1m"}
    w = world(second, approvers=["ann"], expires="10m")
    token = w.ask("deploy/run").approval_id
    assert w.engine.approval(token).expires_at == NOON + timedelta(minutes=1)
    assert w.engine.vote(token, "ann", approves=True).status == "pending"
    assert w.look("deploy/run").requires_approval
    assert w.engine.vote(token, "bob", approves=True).status == "approved"
    assert w.ask("deploy/run").allowed


def test_another_policy_voids_what_was_asked_under_the_old_one():
    w = world()
    token = w.ask("deploy/run").approval_id
    w.engine.vote(token, "ann", approves=True)
    w.use(asks(quorum=1, reason="stricter"), EVERYTHING)
    assert w.engine.approval(token).status == "void"
    assert "another policy" in w.ask("deploy/run", approval_id=token).reason
    assert w.ask("deploy/run").requires_approval
    with pytest.raises(CodesparError, match="is void"):
        w.engine.vote(token, "bob", approves=False)


def test_a_tenant_neither_sees_nor_uses_anothers():
    w = world()
    token = w.ask("deploy/run", tenant="acme").approval_id
    assert w.engine.approvals() == []
    with pytest.raises(NotFoundError):
        w.engine.approval(token)
    with pytest.raises(NotFoundError):
        w.engine.vote(token, "ann", approves=True)
    assert w.ask("deploy/run", approval_id=token).reason == "there is no such approval"


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"agent": "b"}, "another agent"),
        ({"tool": "deploy/other"}, "another tool"),
        ({"project": "q"}, "another project"),
        ({"environment": "production"}, "another environment"),
        ({"cost": "6"}, "another cost, other arguments or another directory"),
        ({"args": {"x": 2}}, "another cost, other arguments or another directory"),
    ],
)
def test_an_approval_is_for_exactly_its_call(change, part):
    w = world()
    call = {
        "tool": "deploy/run",
        "agent": "a",
        "cost": "5",
        "project": "p",
        "environment": "staging",
        "args": {"x": 1},
    }
    token = w.ask(**call).approval_id
    w.engine.vote(token, "ann", approves=True)
    refused = w.ask(**{**call, **change}, approval_id=token)
    assert (refused.code, refused.requires_approval) == ("approval_invalid", False)
    assert refused.reason == f"approval {token} was given for {part}"
    assert w.ask(**{**call, "cost": Decimal("5.00"), "args": {"x": 1.0}}, approval_id=token).allowed


def test_an_approved_call_that_is_denied_otherwise_keeps_its_approval():
    w = world(budget("5", "rolling 1h", tools=["deploy/**"]))
    w.ask("deploy/run", cost="5")
    for _ in range(2):
        first = w.ask("deploy/run", cost="4").approval_id
    token = w.ask("deploy/run", cost="5").approval_id
    w.engine.vote(first, "ann", approves=True)
    w.engine.vote(token, "ann", approves=True)
    assert w.ask("deploy/run", cost="4").allowed
    assert w.ask("deploy/run", cost="5").code == "budget_exceeded"
    assert w.engine.approval(token).status == "approved"


def test_what_else_would_deny_it_is_told():
    w = world(budget("5", "total"))
    token = w.ask("deploy/run", cost="6").approval_id
    assert w.engine.approval(token).also_denied.startswith("budget_exceeded: ")


def test_observe_mode_makes_no_requests():
    w = world(observe=True)
    decision = w.ask("deploy/run")
    assert (decision.allowed, decision.requires_approval, decision.approval_id) == (True, False, None)
    assert w.engine.approvals() == []


def test_one_agent_cannot_flood_the_queue():
    w = world()
    for number in range(MOST_WAITING):
        assert w.ask("deploy/run", args={"n": number}).requires_approval
    refused = w.ask("deploy/run", args={"n": "more"})
    assert (refused.code, refused.requires_approval) == ("approval_invalid", False)
    assert refused.reason == f"too many requests of `a` wait for approval already: {MOST_WAITING}"
    assert w.look("deploy/run", args={"n": "more"}).code == "approval_invalid"
    assert w.ask("deploy/run", args={"n": 7}).requires_approval  # one that waits already
    assert w.ask("deploy/run", "b", args={"n": "more"}).requires_approval
    w.wait(minutes=10)
    assert w.ask("deploy/run", args={"n": "more"}).requires_approval


class Sly(dict):
    def items(self):
        raise RuntimeError("boo")


def endless():
    value = []
    value.append(value)
    return value


def laughs():
    value = ["ha"]
    for _ in range(40):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"bytes", "hold a bytes, which JSON has no spelling for"),
        ({1: 2}, "hold a key that is no text but a int"),
        (float("nan"), "a number that is none"),
        (1e400, "a number that is none"),
        (Decimal("sNaN"), "a number that is none"),
        ("\ud800", "text that is not Unicode"),
        ({"\udfff": 1}, "text that is not Unicode"),
        ([-(10**10_000)], "a whole number of more than 8192 bits"),
        (endless(), "nested deeper than 64 levels"),
        (object(), "hold a object, which JSON has no spelling for"),
    ],
)
def test_arguments_that_json_cannot_tell_are_denied_and_say_why(value, reason):
    w = world()
    decision = w.ask("deploy/run", args={"x": value})
    assert (decision.code, decision.requires_approval) == ("approval_invalid", False)
    assert decision.reason.startswith("no approval can be bound to this call: the arguments ")
    assert reason in decision.reason


def test_more_values_than_anybody_can_read_are_denied():
    w = world()
    assert "more than 100000 values" in w.look("deploy/run", args={"x": laughs()}).reason


def test_arguments_whose_methods_raise_are_denied():
    assert world().ask("deploy/run", args=Sly(a=1)).code == "policy_error"


@pytest.mark.parametrize("value", [-0.0, 1e300, 5e-324, 2**53, -(2**60), Decimal("1E+999999"), "", "\x00", [[[]]], {}])
def test_strange_arguments_that_json_can_tell_are_asked_for(value):
    assert world().ask("deploy/run", args={"x": value}).requires_approval


def test_preview_leaves_the_store_as_it_was_to_the_byte(tmp_path):
    (tmp_path / "policy.yaml").write_text(json.dumps({"version": 1, "rules": [asks(), EVERYTHING]}))
    engine = PolicyEngine.from_options({}, Services(tmp_path / "state", config_dir=tmp_path))
    w = world()
    w.engine = engine
    w.look("deploy/run")
    assert not (tmp_path / "state").exists()
    token = w.ask("deploy/run").approval_id
    engine.vote(token, "ann", approves=True)

    def content():
        return {path.name: path.read_bytes() for path in (tmp_path / "state").iterdir() if path.suffix != ".db-shm"}

    before = content()
    assert w.look("deploy/run").allowed
    assert w.look("deploy/run", approval_id=token).allowed
    assert w.look("deploy/run", args={"other": 1}).requires_approval
    assert w.look("deploy/run", approval_id="ap-00000000").code == "approval_invalid"
    assert engine.approvals()[0].status == "approved"
    assert content() == before
    assert w.ask("deploy/run", approval_id=token).allowed


def test_votes_and_uses_are_in_the_record():
    w = world(quorum=2)
    token = w.ask("deploy/run").approval_id
    w.engine.vote(token, "ann", approves=True, reason="x" * 400)
    w.engine.vote(token, "bob", approves=True)
    w.ask("deploy/run")
    bodies = [(record.kind, record.actor, record.body) for record in w.store.records()]
    assert [(kind, actor) for kind, actor, _ in bodies] == [
        ("decision", "a"), ("approval", "ann"), ("approval", "bob"), ("decision", "a"),
    ]  # fmt: skip
    assert [body["approval"] for *_, body in bodies] == [token] * 4
    assert bodies[1][2]["status"] == "pending"
    assert len(bodies[1][2]["reason"]) == 300
    assert bodies[2][2]["status"] == "approved"
    assert w.engine.approval(token).args is None


def test_tokens_are_understood_as_people_type_them():
    assert as_token(" AP-0oil7k2m ") == "ap-00117K2M"
    assert as_token("7k2m9qxa") == "ap-7K2M9QXA"
    for wrong in ("", "ap-", "ap-7K2M9QX", "ap-7K2M9QXU", "rs-7K2M9QXA", "ap-7K2M9QX\n"):
        assert as_token(wrong) == wrong
    tokens = {new_token(os.urandom(5)) for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(as_token(token) == token for token in tokens)
    assert new_token(b"\xff" * 5) == "ap-ZZZZZZZZ"
    assert new_token(b"\x00" * 5) == "ap-00000000"


@pytest.mark.parametrize("token", ["ap-\ud800", "", "x" * 1000, "ap-7K2M9QXA\x00"])
def test_what_is_no_token_is_not_found(token):
    with pytest.raises(NotFoundError) as error:
        world().engine.approval(token)
    assert str(error.value).isprintable()
