"""Several policies as one, where they misbehave: what was held comes back, and whoever fails denies."""

import pytest

from codespar_cli.core.calls import PolicyDecision
from codespar_cli.core.layered_policy import Layer, LayeredPolicy
from codespar_cli.errors import NotFoundError, StoreError

YES = PolicyDecision(allowed=True)


class Policy:
    def __init__(self, *answers, settles=None):
        self.answers, self.held, self.settled = list(answers), [], []
        self.settles = settles

    def evaluate(self, agent_id, tool_name, estimated_cost=None, *, context=None):
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        if answer.reservation_id:
            self.held.append(answer.reservation_id)
        return answer

    def release(self, reservation_id):
        if reservation_id not in self.held:
            return False
        self.held.remove(reservation_id)
        return True

    def record_usage(self, agent_id, tool_name, cost, *, reservation_id=None):
        if self.settles is not None:
            raise self.settles
        self.settled.append((cost, reservation_id))


def held(name):
    return PolicyDecision(allowed=True, reservation_id=name)


@pytest.mark.parametrize(
    "last", [PolicyDecision(allowed=False, code="no"), RuntimeError("x"), SystemExit(0), "nonsense"]
)
def test_what_was_held_comes_back_when_a_later_layer_does_not_allow(last):
    above = Policy(held("a"))
    decision = LayeredPolicy([Layer("user", above), Layer("project", Policy(last))]).evaluate("bot", "t")
    assert (decision.allowed, decision.reservation_id, above.held) == (False, None, [])


def test_a_hold_is_named_after_its_layer():
    first, second, third = Policy(held("a")), Policy(YES), Policy(held("c"))
    layers = [Layer("administrator", first), Layer("user", second), Layer("project", third)]
    policy = LayeredPolicy(layers)
    decision = policy.evaluate("bot", "t", "1")
    assert decision.reservation_id == "administrator:a+project:c"
    policy.record_usage("bot", "t", "2", reservation_id=decision.reservation_id)
    assert (first.settled, second.settled, third.settled) == ([("2", "a")], [], [("2", "c")])


def test_a_layer_that_has_gone_or_cannot_settle_keeps_none_of_the_others_from_it():
    broken, fine = Policy(settles=StoreError("full")), Policy()
    policy = LayeredPolicy([Layer("user", broken), Layer("project", fine)])
    with pytest.raises(StoreError):
        policy.record_usage("bot", "t", "2", reservation_id="administrator:x+user:a+project:b")
    assert fine.settled == [("2", "b")]


def test_an_id_from_before_there_were_layers_is_found():
    unknown, known = Policy(settles=NotFoundError("no such reservation")), Policy()
    policy = LayeredPolicy([Layer("administrator", unknown), Layer("user", known)])
    policy.record_usage("bot", "t", "2", reservation_id="rs-1")
    assert known.settled == [("2", "rs-1")]
    with pytest.raises(NotFoundError):
        LayeredPolicy([Layer("user", unknown)]).record_usage("bot", "t", "2", reservation_id="rs-1")


def test_a_preview_of_a_policy_that_has_none_holds_nothing():
    policy = Policy(held("a"), PolicyDecision(allowed=False, code="no"))
    layers = LayeredPolicy([Layer("user", policy)])
    assert layers.preview("bot", "t").allowed
    assert layers.preview("bot", "t").code == "no"
    assert policy.held == []
