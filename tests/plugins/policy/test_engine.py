from datetime import UTC, datetime
from decimal import Decimal

import pytest
from policy_world import EVERYTHING, NOON, NewStore, World, budget, rate

from codespar_cli.core.hooks import CallContext, PolicyHook
from codespar_cli.core.services import Services
from codespar_cli.errors import ConfigError
from codespar_cli.plugins.policy.engine import PolicyEngine

DENY = {"id": "no", "effect": "deny", "tools": ["t"], "reason": "never"}
ASK = {"id": "ask", "effect": "approve", "quorum": 2, "approvers": ["ann", "bob"]}
SHUT = {"id": "shut", "effect": "window", "open": ["Sun 08:00-09:00"]}
BROKE = budget("1", costs=None)
BROKE.pop("costs")
BUSY = rate("1 per 1h")


@pytest.fixture(autouse=True, params=["memory", "sqlite", "postgres"])
def every_store(request, new_store, monkeypatch):
    """Every test of this module runs on every store."""
    monkeypatch.setattr(NewStore, "make", lambda: new_store(request.param))


def codes(*rules, cost="5"):
    world = World(*rules)
    return world.ask(cost=cost)


def test_it_is_a_policy_hook():
    engine = World().engine
    assert isinstance(engine, PolicyHook)
    assert (engine.backend, engine.bounded) == ("engine", True)


def test_the_first_failing_stage_in_the_documented_order_is_the_reason():
    stages = [
        (DENY, "denied_by_rule"),
        (ASK, "approval_required"),
        (BROKE, "budget_exceeded"),
        (SHUT, "outside_window"),
    ]
    for at in range(len(stages)):
        rules = [rule for rule, _ in stages[at:]]
        for order in (rules, rules[::-1]):
            decision = codes(*order)
            assert decision.code == stages[at][1]
            assert decision.allowed is False
            assert decision.rule_id == stages[at][0]["id"]
    assert codes().code == "no_rule_allows"
    assert codes(EVERYTHING).allowed


def test_the_trace_lists_every_stage():
    trace = codes(DENY, ASK, BROKE, BUSY, SHUT).trace
    assert [(step.stage, step.outcome) for step in trace] == [
        ("deny", "fail"),
        ("approval", "approve"),
        ("budget", "fail"),
        ("rate", "pass"),
        ("window", "fail"),
        ("allow", "fail"),
    ]
    assert [step.outcome for step in codes(EVERYTHING).trace] == ["pass", "pass", "skip", "skip", "skip", "pass"]


def test_a_default_of_allow():
    world = World(DENY, default="allow")
    assert world.ask("other").allowed
    assert world.ask("t").code == "denied_by_rule"


def test_an_approval_is_asked_for_and_names_who():
    decision = codes(ASK, EVERYTHING)
    assert (decision.allowed, decision.requires_approval, decision.stage) == (False, True, "approval")
    assert "needs 2 of ann, bob" in decision.reason
    assert decision.approval_id.startswith("ap-")


def test_two_approval_rules_are_both_named():
    decision = codes(ASK, {"id": "also", "effect": "approve", "approvers": ["cat"]})
    assert "needs 2 of ann, bob" in decision.reason
    assert "needs 1 of cat" in decision.reason


def test_an_approval_that_is_none_is_invalid():
    decision = World(ASK, EVERYTHING).ask(approval_id="ap-12345678")
    assert (decision.code, decision.allowed, decision.requires_approval) == ("approval_invalid", False, False)


def test_a_pending_approval_consumes_nothing():
    world = World(ASK, budget("10"), rate("1 per 1h"), EVERYTHING)
    for _ in range(3):
        assert world.ask(cost=10).code == "approval_required"
    assert world.holds_nothing()


def test_a_denied_call_consumes_nothing_in_any_stage():
    world = World(budget("10"), rate("1 per 1h"), SHUT, EVERYTHING)
    for _ in range(5):
        assert world.ask(cost=10).code == "outside_window"
    world.use(budget("10"), rate("1 per 1h"), EVERYTHING)
    assert world.ask(cost=10).allowed


def test_several_windows_must_all_be_open():
    world = World(
        {"id": "a", "effect": "window", "open": ["Mon 10:00-13:00"]},
        {"id": "b", "effect": "window", "open": ["Mon 12:30-18:00"]},
        EVERYTHING,
    )
    decision = world.ask()
    assert (decision.code, decision.rule_id, decision.retry_after) == ("outside_window", "b", 1800.0)
    world.wait(minutes=30)
    assert world.ask().allowed


@pytest.mark.parametrize(
    ("agent", "tool", "cost"),
    [
        ("", "t", None), ("a" * 257, "t", None), ("a\n", "t", None), ("a\u202eb", "t", None), ("\ud800", "t", None),
        (None, "t", None), (b"a", "t", None), (["a"], "t", None),
        ("a", "", None), ("a", "t\n", None), ("a", "t t", None), ("a", "t" * 129, None), ("a", "té", None),
        ("a", None, None), ("a", {}, None), ("a", "../../x;rm", None),
        ("a", "t", -1), ("a", "t", "-0.01"), ("a", "t", float("nan")), ("a", "t", float("inf")), ("a", "t", "lots"),
        ("a", "t", True), ("a", "t", [1]), ("a", "t", Decimal("sNaN")), ("a", "t", "1e999999999"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_denied_and_recorded(agent, tool, cost):
    world = World(EVERYTHING)
    for _ in range(2):
        decision = world.engine.evaluate(agent, tool, cost)
        assert (decision.allowed, decision.code, decision.stage) == (False, "invalid_request", "request")
    assert world.engine.preview(agent, tool, cost).code == "invalid_request"
    assert world.engine.decide(agent, tool, cost).code == "invalid_request"
    assert [record.body["code"] for record in world.records] == ["invalid_request"] * 2


@pytest.mark.parametrize(
    "fields",
    [
        {"tenant": ""}, {"tenant": None}, {"tenant": "a\x00"}, {"project": 7}, {"project": "x" * 300},
        {"session": "\x1b[31m"}, {"environment": []}, {"approval_id": 1},
    ],
)  # fmt: skip
def test_a_context_with_unusable_names_is_no_request(fields):
    world = World(EVERYTHING)
    assert world.ask().allowed
    decision = world.engine.evaluate("a", "t", context=CallContext(**fields))
    assert decision.code == "invalid_request"
    assert world.engine.decide("a", "t", context=CallContext(**fields)).code == "invalid_request"
    assert len(world.records) == 2


def test_a_context_of_another_kind_is_no_request():
    assert World(EVERYTHING).engine.evaluate("a", "t", context={"tenant": "x"}).code == "invalid_request"


def test_the_cost_comes_from_the_longest_matching_price():
    world = World(budget("10"), EVERYTHING, costs={"**": "9", "x/**": "2", "x/y/*": "3", "x/y/z": "4"})
    for tool, expected in (("q", "9"), ("x/a", "2"), ("x/y/a", "3"), ("x/y/z", "4")):
        assert world.engine._policy.price(tool) == Decimal(expected)
    assert world.ask("q").allowed
    assert world.ask("q").code == "budget_exceeded"


def test_an_unknown_cost_is_denied_where_money_is_counted():
    world = World(budget("10", tools=["paid/**"]), EVERYTHING)
    for decision in (world.ask("paid/x"), world.look("paid/x"), world.engine.decide("a", "paid/x")):
        assert (decision.code, decision.retry_after, decision.never) == ("cost_unknown", None, False)
    assert world.ask("free").allowed


def test_observe_mode_allows_and_records_what_enforce_would_say():
    world = World(DENY, budget("10"), EVERYTHING, observe=True)
    decision = world.ask("t", cost=1)
    assert (decision.allowed, decision.code, decision.requires_approval) == (True, "denied_by_rule", False)
    assert "enforce mode would say: never" in decision.reason
    assert world.ask("u", cost=8).code is None
    assert world.ask("u", cost=8).code == "budget_exceeded"
    bodies = [record.body for record in world.records]
    assert [(body["allowed"], body["verdict"]) for body in bodies] == [(True, "deny"), (True, "allow"), (True, "deny")]
    world.observe = False
    world.use(budget("10"), EVERYTHING)
    assert world.ask("u", cost=8).allowed  # what was observed denies nothing when it is enforced


def test_every_answer_leaves_exactly_one_record():
    world = World(ASK | {"tools": ["ask"]}, DENY, budget("10", tools=["paid"]), EVERYTHING)
    asked = [
        world.ask("ask"),
        world.ask("t"),
        world.ask("paid", cost=5),
        world.ask("paid", cost=50),
        world.ask("bad name"),
    ]
    bodies = [record.body for record in world.records]
    assert [body.get("code") for body in bodies] == [decision.code for decision in asked]
    assert [body["decision"] for body in bodies] == [decision.decision_id for decision in asked]
    assert len({body["decision"] for body in bodies}) == 5
    paid = bodies[2]
    assert paid["reservation"] == asked[2].reservation_id
    assert paid["counters"] == [["money", "tenant=default", "total USD", "", 0, 0, 5_000_000]]


def test_previews_and_pure_decisions_leave_nothing():
    world = World(budget("10"), rate("1 per 1h"), EVERYTHING)
    for _ in range(3):
        assert world.look(cost=9).allowed
        assert world.engine.decide("a", "t", 9).allowed
    assert not world.records
    assert world.holds_nothing()


def test_arguments_are_recorded_as_a_keyed_digest():
    world = World(EVERYTHING)
    world.ask(args={"password": "hunter2"})
    world.ask(args={"password": "hunter2"})
    world.ask(args={"password": "hunter3"})
    bodies = [record.body for record in world.records]
    assert bodies[0]["args_digest"] == bodies[1]["args_digest"] != bodies[2]["args_digest"]
    assert "hunter" not in repr(bodies)
    other = World(EVERYTHING)
    other.ask(args={"password": "hunter2"})
    assert other.records[0].body["args_digest"] != bodies[0]["args_digest"]


def test_record_args_keeps_the_arguments():
    world = World(EVERYTHING)
    world.use(EVERYTHING, record_args=True)
    world.ask(args={"b": [1, 2.5], "a": "x"})
    world.ask(args={"big": "x" * 100_000})
    first, second = (record.body for record in world.records)
    assert first["args"] == {"b": [1, 2.5], "a": "x"}
    assert "args_digest" in second


class Unfriendly:
    def __repr__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "args",
    [
        {"x": object()}, {"x": {1, 2}}, {"x": float("nan")}, {1: 2, "1": 3}, {"x": b"\xff"}, {"x": "\ud800"},
        {"x": Unfriendly()}, {Unfriendly(): 1}, {"x": 10**5000}, [1], 7,
    ],
)  # fmt: skip
def test_arguments_that_are_not_json_do_no_harm(args):
    for record_args in (False, True):
        world = World(EVERYTHING)
        world.use(EVERYTHING, record_args=record_args)
        decision = world.ask(args=args)
        assert decision.allowed
        assert len(world.records) == 1


def test_arguments_that_contain_themselves_do_no_harm():
    loop: dict = {}
    loop["x"] = loop
    deep: dict = {}
    at = deep
    for _ in range(200_000):
        at["x"] = {}
        at = at["x"]
    world = World(EVERYTHING)
    assert world.ask(args=loop).allowed
    assert world.ask(args=deep).allowed
    assert all(record.body["args_unreadable"] for record in world.records)


class BrokenStore:
    def __init__(self, error):
        self.error = error

    def write(self):
        raise self.error

    read = write


@pytest.mark.parametrize("error", [OSError("disk"), RuntimeError("secret text"), MemoryError()])
def test_whatever_breaks_is_a_deny(error):
    world = World(EVERYTHING, store=BrokenStore(error))
    decision = world.ask()
    assert (decision.allowed, decision.code, decision.stage) == (False, "policy_error", "engine")
    assert "secret" not in decision.reason


def test_a_clock_that_fails_is_a_deny():
    world = World(EVERYTHING)
    world.now = None
    assert world.ask().code == "policy_error"
    world.now = datetime(2026, 1, 1)  # naive
    assert world.ask().code == "policy_error"


def test_a_tenant_has_its_own_rules_and_counters(tmp_path):
    (tmp_path / "policy.yaml").write_text(
        '{"rules": [{"id": "m", "effect": "budget", "limit": "10", "window": "total"}, {"id": "z", "effect": "allow"}]}'
    )
    (tmp_path / "acme.yaml").write_text('{"rules": [{"id": "no", "effect": "deny"}]}')
    services = Services(tmp_path / "state", config_dir=tmp_path, clock=lambda: NOON)
    engine = PolicyEngine.from_options({"tenants": {"acme": {"rules": "acme.yaml"}}}, services)
    assert not (tmp_path / "state").exists()
    assert engine.evaluate("a", "t", 10).allowed
    assert engine.evaluate("a", "t", 10).code == "budget_exceeded"
    assert engine.evaluate("a", "t", 10, context=CallContext(tenant="other")).allowed
    assert engine.evaluate("a", "t", 10, context=CallContext(tenant="acme")).code == "denied_by_rule"


def test_the_rules_of_every_tenant_are_checked_at_once(tmp_path):
    (tmp_path / "policy.yaml").write_text("rules: []")
    services = Services(tmp_path / "state", config_dir=tmp_path)
    with pytest.raises(ConfigError) as caught:
        PolicyEngine.from_options({"tenants": {"acme": {"rules": "acme.yaml"}}}, services)
    assert caught.value.key == "tenants.acme.rules"
    (tmp_path / "acme.yaml").write_text("rules:\n- id: x\n")
    with pytest.raises(ConfigError) as caught:
        PolicyEngine.from_options({"tenants": {"acme": {"rules": "acme.yaml"}}}, services)
    assert caught.value.line == 2


def test_no_rules_file_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigError) as caught:
        PolicyEngine.from_options({}, Services(tmp_path / "state", config_dir=tmp_path))
    assert caught.value.key == "rules"


def test_scopes_cannot_be_forged():
    world = World(budget("10", per=["agent", "project"]), EVERYTHING)
    assert world.ask(agent="a, project=b", project="c", cost=10).allowed
    assert world.ask(agent="a", project="b, project=c", cost=10).allowed
    assert world.ask(agent="a", project=None, cost=10).allowed
    assert world.ask(agent="a", project="None", cost=10).allowed
    assert world.ask(agent="a", project=None, cost=10).code == "budget_exceeded"


def test_a_hostile_call_costs_less_than_a_millisecond():
    import time

    world = World(
        {
            "id": "g",
            "effect": "deny",
            "tools": ["*a*a*a*a*a*b", "**/a/**/b/**"],
            "when": {"args.x": {"glob": "*a*a*a*a*b"}},
        },
        EVERYTHING,
    )
    long, context = "a" * 10_240, CallContext(args={"x": "a" * 10_240})
    for agent, tool in ((long, "t"), ("a", long), ("a", "a/" * 60), ("a" * 200, "a" * 128)):
        taken = []
        for _ in range(20):
            started = time.perf_counter()
            world.engine.decide(agent, tool, context=context)
            taken.append(time.perf_counter() - started)
        assert min(taken) < 0.001


def test_health_says_what_is_loaded():
    world = World(EVERYTHING)
    assert world.engine.health() == ("ok", "1 rule from policy.yaml")
    world = World(EVERYTHING, DENY, observe=True)
    assert world.engine.health() == ("warning", "2 rules from policy.yaml; observe mode denies nothing")


def test_decide_answers_as_evaluate_does_where_nothing_is_counted():
    rules = [DENY | {"when": {"args.x": {"gt": 3}}}, ASK | {"tools": ["u"]}, SHUT | {"tools": ["v"]}, EVERYTHING]
    world = World(*rules)
    for _ in range(2):
        for tool in ("t", "u", "v", "w"):
            for x in (1, 5, "z"):
                context = CallContext(args={"x": x})
                pure = world.engine.decide("a", tool, context=context)
                whole = world.engine.evaluate("a", tool, context=context)
                assert (pure.code, pure.reason, pure.retry_after, pure.trace) == (
                    whole.code,
                    whole.reason,
                    whole.retry_after,
                    whole.trace,
                )


def test_windows_use_the_time_of_the_policys_zone():
    world = World({"id": "w", "effect": "window", "open": ["09:00-10:00"]}, EVERYTHING, timezone="America/Sao_Paulo")
    world.now = datetime(2026, 11, 23, 11, 59, tzinfo=UTC)
    decision = world.ask()
    assert decision.retry_after == 60.0
    assert "Mon 08:59 America/Sao_Paulo" in decision.reason
    world.wait(minutes=1)
    assert world.ask().allowed
