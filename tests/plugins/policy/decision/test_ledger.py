from datetime import timedelta
from decimal import Decimal

import pytest
from policy_world import EVERYTHING, World, budget, rate

from codespar_cli.core.hooks import CallContext
from codespar_cli.errors import NotFoundError, UsageError


@pytest.fixture
def world(store):
    return World(budget("10", per="agent"), EVERYTHING, store=store)


def state(world: World, scope: str = "agent=a"):
    (found,) = [each for each in world.engine.budgets() if each.scope == scope]
    return found.spent, found.held, found.left


def test_a_hold_counts_until_it_is_settled_with_the_real_cost(world):
    decision = world.ask(cost=8)
    assert state(world) == (0, 8, 2)
    assert world.ask(cost=3).code == "budget_exceeded"
    settlement = world.engine.record_usage("a", "t", "2.50", reservation_id=decision.reservation_id)
    assert settlement[:4] == (decision.reservation_id, Decimal("2.5"), ("money",), 0)
    assert state(world) == (Decimal("2.5"), 0, Decimal("7.5"))
    assert world.ask(cost="7.5").allowed


def test_settling_twice_with_one_id_counts_once(world):
    held = world.ask(cost=8).reservation_id
    world.engine.record_usage("a", "t", 4, reservation_id=held)
    assert world.engine.record_usage("a", "t", 4, reservation_id=held).repeated
    assert state(world) == (4, 0, 6)


def test_settling_without_a_cost_counts_the_estimate(world):
    held = world.ask(cost=8).reservation_id
    assert world.engine.record_usage("a", "t", None, reservation_id=held).cost == 8
    assert state(world) == (8, 0, 2)


def test_without_an_id_the_oldest_open_hold_is_settled(world):
    first = world.ask(cost=1).reservation_id
    second = world.ask(cost=2).reservation_id  # at the same moment
    world.wait(seconds=1)
    world.ask(cost=3)
    assert world.engine.record_usage("a", "t", 1).reservation_id == first
    assert world.engine.record_usage("a", "t", 2).reservation_id == second
    assert state(world) == (3, 3, 4)


def test_a_released_hold_gives_its_money_back_and_no_rate_token(world):
    world.use(budget("10", per="agent"), rate("1 per 1h"), EVERYTHING)
    held = world.ask(cost=8).reservation_id
    assert world.engine.release(held) is True
    assert world.engine.release(held) is False
    assert world.engine.release("rs-none") is False
    assert state(world) == (0, 0, 10)
    assert world.ask(cost=8).code == "rate_limited"


def test_a_hold_nobody_settles_expires(world):
    world.ask(cost=8)
    world.wait(minutes=10, microseconds=-1)
    assert world.ask(cost=3).code == "budget_exceeded"
    world.wait(microseconds=1)
    assert world.ask(cost=3).allowed


@pytest.mark.parametrize("how", ["expired", "released"])
def test_a_late_settle_is_counted_in_full_and_shown_as_an_overrun(world, how):
    late = world.ask(cost=8).reservation_id
    if how == "released":
        world.engine.release(late)
    world.wait(minutes=10)
    world.ask(cost=9)
    settlement = world.engine.record_usage("a", "t", 30, reservation_id=late)
    assert settlement.overrun == 20
    assert state(world) == (30, 9, -29)
    assert world.ask(cost=0).code == "budget_exceeded"


def test_a_cost_that_nobody_held_is_counted_all_the_same(world):
    settlement = world.engine.record_usage("a", "t", 4)
    assert (settlement.unreserved, settlement.rules) == (True, ("money",))
    assert state(world) == (4, 0, 6)


def test_a_cost_that_no_budget_counts_leaves_nothing(world):
    world.use(budget("10", tools=["paid"]), EVERYTHING)
    assert world.engine.record_usage("a", "free", 4) == (None, 4, (), 0, False, True)


def test_an_unknown_reservation_is_not_found(world):
    with pytest.raises(NotFoundError):
        world.engine.record_usage("a", "t", 1, reservation_id="rs-none")
    world.ask(cost=1)
    with pytest.raises(NotFoundError):
        world.engine.record_usage("a", "t", 1, reservation_id="rs-none")


@pytest.mark.parametrize("cost", [-1, "NaN", "x", True])
def test_a_real_cost_must_be_an_amount(world, cost):
    held = world.ask(cost=1).reservation_id
    with pytest.raises(UsageError):
        world.engine.record_usage("a", "t", cost, reservation_id=held)
    assert state(world) == (0, 1, 9)


def test_several_budgets_are_held_together_or_not_at_all(world):
    world.use(budget("10", per="agent"), {"id": "small", "effect": "budget", "limit": 5, "window": "total"}, EVERYTHING)
    assert world.ask(cost=6).rule_id == "small"
    assert {(each.rule_id, each.held) for each in world.engine.budgets()} == {("money", 0), ("small", 0)}
    assert world.ask(cost=5).allowed
    assert {(each.rule_id, each.held) for each in world.engine.budgets()} == {("money", 5), ("small", 5)}


def test_a_rolling_window_forgets_at_exactly_its_length(world):
    world.use(budget("10", "rolling 1h", per="agent"), EVERYTHING, hold_ttl="2h")
    world.engine.record_usage("a", "t", 6)
    world.wait(minutes=30)
    held = world.ask(cost=4).reservation_id
    decision = world.ask(cost=1)
    assert (decision.code, decision.retry_after) == ("budget_exceeded", 1800.0)
    world.wait(minutes=10)
    world.engine.record_usage("a", "t", 4, reservation_id=held)  # counts at the time of its hold
    world.wait(minutes=20, microseconds=-1)
    assert world.ask(cost=1).code == "budget_exceeded"
    world.wait(microseconds=1)
    assert world.look(cost=6).allowed
    assert not world.look(cost=7).allowed
    world.wait(minutes=30)
    assert world.look(cost=10).allowed


def test_a_hold_does_not_outlive_its_rolling_window(world):
    world.use(budget("10", "rolling 1m"), EVERYTHING, hold_ttl="10m")
    world.ask(cost=10)
    assert world.look(cost=10).retry_after == 60.0
    world.wait(minutes=1)
    assert world.ask(cost=10).allowed


def test_a_settle_counts_in_the_calendar_window_of_its_hold(world):
    world.use(budget("10", "calendar day"), EVERYTHING, hold_ttl="1d")
    world.now = world.now.replace(hour=23, minute=59)
    held = world.ask(cost=8).reservation_id
    world.wait(minutes=2)
    assert world.look(cost=10).allowed
    world.engine.record_usage("a", "t", 9, reservation_id=held)
    assert world.look(cost=10).allowed


def test_a_clock_that_goes_back_refills_nothing(world):
    world.use(budget("10", "calendar day"), rate("1 per 1h"), EVERYTHING)
    assert world.ask(cost=10).allowed
    noon = world.now
    for hours in (1, 24, 24 * 400):
        world.now = noon - timedelta(hours=hours)
        decision = world.ask(cost=10)
        assert decision.code == "budget_exceeded"
        world.now += timedelta(seconds=decision.retry_after)
        assert world.look(cost=10).allowed
        world.now -= timedelta(microseconds=1)
        assert not world.look(cost=10).allowed


def test_a_changed_limit_applies_at_once_to_the_same_counter(world):
    world.ask(cost=8)
    world.use(budget("8", per="agent"), EVERYTHING)
    assert world.ask(cost=1).code == "budget_exceeded"
    world.use(budget("20", per="agent"), EVERYTHING)
    assert world.ask(cost=12).allowed
    world.use(budget("8", "calendar day", per="agent"), EVERYTHING)
    assert world.ask(cost=8).allowed  # another window is another counter
    world.use(budget("8", per="agent"), EVERYTHING, currency="BRL")
    assert world.ask(cost=8).allowed  # so is another currency


def test_a_sliding_window_is_exact(world):
    world.use(rate("3 per 1m"), EVERYTHING)
    for _ in range(3):
        assert world.ask().allowed
        world.wait(seconds=10)
    decision = world.ask()
    assert (decision.code, decision.retry_after) == ("rate_limited", 30.0)
    world.wait(seconds=30, microseconds=-1)
    assert not world.ask().allowed
    world.wait(microseconds=1)
    assert world.ask().allowed
    assert world.ask().retry_after == 10.0


def test_a_bucket_lets_a_burst_through_and_then_its_rate(world):
    world.use(rate("2/s burst 3"), EVERYTHING)
    assert [world.ask().allowed for _ in range(4)] == [True, True, True, False]
    assert world.ask().retry_after == 0.5
    world.wait(milliseconds=500, microseconds=-1)
    assert not world.ask().allowed
    world.wait(microseconds=1)
    assert world.ask().allowed
    assert not world.ask().allowed
    world.wait(hours=1)
    assert [world.ask().allowed for _ in range(4)] == [True, True, True, False]


def test_more_than_the_limit_never_passes(world):
    decision = world.ask(cost=11)
    assert (decision.code, decision.never, decision.retry_after) == ("budget_exceeded", True, None)
    world.engine.record_usage("a", "t", 10)
    decision = world.ask(cost=1)
    assert (decision.never, decision.retry_after) == (True, None)  # a total never resets


def test_budgets_show_present_windows_and_untouched_rules(world):
    world.use(
        budget("10", "calendar day", per="agent"),
        {"id": "later", "effect": "budget", "limit": "1.5", "window": "rolling 2h", "per": ["agent", "project"]},
        EVERYTHING,
        timezone="America/Sao_Paulo",
    )
    fresh = world.engine.budgets()
    assert [(each.rule_id, each.scope, each.left) for each in fresh] == [
        ("later", "agent=*, project=*", Decimal("1.5")),
        ("money", "agent=*", 10),
    ]
    world.ask(cost=1, agent="x", project="p")
    world.wait(days=1)
    world.ask(cost=1, agent="y")
    found = {(each.rule_id, each.scope): each for each in world.engine.budgets()}
    assert set(found) == {("later", "agent=x, project=p"), ("later", "agent=y, no project"), ("money", "agent=y")}
    money = found["money", "agent=y"]
    assert money.resets_at is not None
    assert money.resets_at.isoformat() == "2026-11-25T03:00:00+00:00"
    assert found["later", "agent=y, no project"].resets_at is None


def test_a_late_settle_without_an_id_prefers_what_is_still_open(world):
    world.ask(cost=1)
    world.wait(minutes=11)
    fresh = world.ask(cost=2).reservation_id
    assert world.engine.record_usage("a", "t", 2).reservation_id == fresh
    assert world.engine.record_usage("a", "t", 1).unreserved is False


def test_a_tenants_holds_are_its_own(world):
    world.ask(cost=5, tenant="acme")
    assert world.engine.record_usage("a", "t", 5).unreserved
    settled = world.engine.record_usage("a", "t", 5, context=CallContext(tenant="acme"))
    assert settled.reservation_id is not None


def test_a_retry_waits_for_the_last_of_all_that_deny(world):
    money = {"effect": "budget", "limit": "10"}
    world.use(
        {"id": "a", "window": "rolling 3h", **money},
        {"id": "b", "window": "rolling 1h", **money},
        rate("1 per 1m"),
        {"id": "w", "effect": "window", "open": ["18:00-19:00", "12:00-12:30"]},
        EVERYTHING,
        hold_ttl="1d",
    )
    assert world.ask(cost=10).allowed
    decision = world.ask(cost=1)
    assert (decision.rule_id, decision.retry_after) == ("a", 6 * 3600.0)
    world.use({"id": "a", "window": "rolling 3h", **money}, {"id": "b", "window": "rolling 1h", **money}, EVERYTHING)
    assert world.look(cost=1).retry_after == 3 * 3600.0


def test_a_settle_under_another_spelling_finds_the_hold(store):
    world = World(budget("10"), EVERYTHING, store=store)
    held = world.ask("mcp__github__search", cost="3").reservation_id
    settled = world.engine.record_usage("a", "github/search", "2")
    assert (settled.reservation_id, settled.unreserved) == (held, False)
