"""`policy simulate` in single steps; whole histories are in tests/properties/test_simulation_against_engines.py."""

import json
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal

import apsw
import pytest
from foreign_world import Foreign
from policy_world import EVERYTHING, NOON, World, budget, rate

from codespar_cli.errors import CodesparError, IntegrityError
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.replay.simulation import simulate
from codespar_cli.plugins.policy.stores.memory_store import MemoryStore
from codespar_cli.plugins.policy.stores.sqlite_store import SqliteStore

ASK = {"id": "ask", "effect": "approve", "approvers": ["ann", "bob"]}


def policy_of(*rules, **top):
    return compile_policy(json.dumps({"version": 1, "rules": list(rules), **top}).encode(), "new.yaml")


def simulated(world, *rules, since=None, tenant="default", **top):
    return simulate(world.store, tenant, policy_of(*rules, **top), since, None)


def changed(found):
    return [(flip.before, flip.after, flip.code) for flip in found.flips]


def test_an_empty_record():
    found = simulate(MemoryStore(), "default", policy_of(EVERYTHING), None, None)
    assert (found.replayed, found.reproduced, found.flips) == (0, 0, ())


def test_settlements_and_releases_are_replayed_into_the_other_policy():
    world = World(budget("100"), EVERYTHING)
    for cost in ("1", None, "9"):
        held = world.ask(cost="4").reservation_id
        if cost is None:
            world.engine.release(held)
        else:
            world.engine.record_usage("a", "t", cost, reservation_id=held)
    world.ask(cost="4")
    assert changed(simulated(world, budget("13.99"), EVERYTHING)) == [("allow", "deny", "budget_exceeded")]
    assert changed(simulated(world, budget("14"), EVERYTHING)) == []


def test_a_call_that_only_the_other_policy_allows_counts_at_its_estimate():
    world = World(budget("1"), EVERYTHING)
    for _ in range(3):
        world.ask(cost="2")
        world.wait(hours=1)
    assert changed(simulated(world, budget("4"), EVERYTHING)) == [("deny", "allow", None)] * 2
    assert changed(simulated(world, budget("4", "rolling 1h"), EVERYTHING)) == [("deny", "allow", None)] * 3


def test_the_first_budget_ever_sees_what_was_never_settled():
    world = World(EVERYTHING)
    for _ in range(3):
        world.ask(cost="2")
        world.wait(hours=1)
    assert changed(simulated(world, budget("4"), EVERYTHING)) == [("allow", "deny", "budget_exceeded")]


def test_a_cost_that_nobody_held_settles_what_the_other_policy_held():
    world = World(budget("1"), EVERYTHING)
    world.ask(cost="2")  # denied, and made all the same
    world.engine.record_usage("a", "t", "3")
    world.ask(cost="1")
    assert changed(simulated(world, budget("4"), EVERYTHING)) == [("deny", "allow", None)] * 2
    assert changed(simulated(world, budget("3.99"), EVERYTHING)) == [("deny", "allow", None)]


def test_an_approval_counts_where_the_same_voters_meet_the_other_policy():
    world = World(ASK, EVERYTHING)
    token = world.ask(args={"n": 1}).approval_id
    world.engine.vote(token, "ann", approves=True)
    world.ask(args={"n": 1})
    assert [record.body["verdict"] for record in world.store.records(("decision",))] == ["approve", "allow"]
    assert changed(simulated(world, ASK, EVERYTHING, currency="EUR")) == []
    assert changed(simulated(world, {**ASK, "quorum": 2}, EVERYTHING)) == [("allow", "approve", "approval_required")]
    assert changed(simulated(world, {**ASK, "approvers": ["bob"]}, EVERYTHING)) == [
        ("allow", "approve", "approval_required")
    ]
    assert changed(simulated(world, EVERYTHING)) == [("approve", "allow", None)]


def test_a_request_is_known_by_its_token_where_arguments_were_not_recorded():
    world = World(ASK, EVERYTHING)
    token = world.ask(args={"n": 5}).approval_id
    world.engine.vote(token, "ann", approves=True)
    assert world.ask(args={"n": 5.0}).allowed  # one number in JSON, two in the record's digest
    found = simulated(world, ASK, EVERYTHING)
    assert (found.replayed, found.flips) == (2, ())


def test_an_approval_presented_with_another_call_is_refused_again():
    world = World(ASK, EVERYTHING)
    token = world.ask(args={"n": 1}).approval_id
    world.engine.vote(token, "ann", approves=True)
    assert world.ask(args={"n": 2}, approval_id=token).code == "approval_invalid"
    assert world.ask(args={"n": 1}, approval_id="ap-00000000").code == "approval_invalid"
    assert world.ask(args={"n": {1, 2}}).code == "approval_invalid"
    assert world.ask(args={"n": 1}, approval_id=token).allowed
    assert world.ask(args={"n": 1}, approval_id=token).code == "approval_invalid"
    assert world.ask(args={"n": 1}).code == "approval_required"
    found = simulated(world, ASK, EVERYTHING)
    assert (found.replayed, found.flips) == (7, ())


FORCE = {"id": "no-force", "effect": "deny", "tools": ["git/**"], "when": {"args.force": True, "cost": {"gt": 1}}}


def test_what_depends_on_arguments_that_were_not_recorded_is_counted_and_named():
    world = World(FORCE, EVERYTHING)
    world.ask("git/push", cost=2, args={"force": True})
    world.ask("git/push", cost=1, args={"force": True})  # the other condition says that the rule is not about it
    world.ask("git/push", cost=2)
    world.ask("fs/read", args={"force": True})
    found = simulated(world, {**FORCE, "id": "renamed"}, EVERYTHING)
    assert (found.replayed, found.reproduced, found.flips) == (3, 3, ())
    assert found.not_replayable == (1, ("no-force",), {"arguments not recorded": 1})
    assert simulated(world, EVERYTHING).not_replayable.rules == ("no-force",)


def test_recorded_arguments_are_replayed():
    world = World(FORCE, EVERYTHING)
    world.use(FORCE, EVERYTHING, record_args=True)
    world.ask("git/push", cost=2, args={"force": True})
    world.ask("git/push", cost=2, args={"force": Decimal(1)})  # told as <Decimal>
    found = simulated(world, EVERYTHING)
    assert changed(found) == [("deny", "allow", None)]
    assert found.not_replayable == (1, ("no-force",), {"arguments not recorded": 1})


def test_a_call_that_cannot_be_asked_still_counts_as_it_did():
    rules = (FORCE, budget("10", tools=["git/**"]), EVERYTHING)
    world = World(*rules)
    for _ in range(6):
        held = world.ask("git/push", cost="2", args={"force": False}).reservation_id
        if held:
            world.engine.record_usage("a", "t", "2", reservation_id=held)
    world.ask("git/push", cost="0.5")
    found = simulated(world, *rules)
    assert (found.replayed, found.not_replayable.decisions, found.flips) == (1, 6, ())
    assert changed(simulated(world, FORCE, budget("10.5"), EVERYTHING)) == [("deny", "allow", None)]


def test_attributes_and_costs_that_were_cut_are_named():
    attributes = {"id": "by-team", "effect": "deny", "when": {"context.level": {"lt": 3}}}
    world = World(attributes, budget("5"), EVERYTHING)
    world.ask(cost="1", attributes={"level": Decimal(2)})
    world.ask(cost="1", attributes={"text": "x" * 70_000})
    world.ask(cost=Decimal("1." + "1" * 400))
    found = simulated(world, attributes, budget("5"), EVERYTHING)
    assert found.replayed == 0
    assert found.not_replayable == (
        3,
        ("by-team", "money"),
        {"attributes not recorded in full": 2, "cost not recorded in full": 1},
    )


def test_requests_that_are_none_stay_none_and_failures_are_named():
    world = World(EVERYTHING)
    world.ask("no tool", cost="1")
    world.ask(cost="many")
    with world.store.write() as transaction:
        transaction.record(
            2**50, "decision", "a", {"decision": "de-1", "tenant": "default", "code": "policy_error", "stage": "engine"}
        )
    found = simulated(world, EVERYTHING)
    assert (found.replayed, found.flips) == (2, ())
    assert found.not_replayable == (1, (), {"the engine had failed": 1})


def test_only_this_tenants_calls_and_everybodys_time():
    world = World(rate("1 per 1h"), EVERYTHING)
    world.ask()
    world.wait(hours=2)
    world.ask(tenant="acme")
    world.wait(hours=-2)
    world.ask()  # counted at the time acme was seen
    assert simulated(world, EVERYTHING).replayed == 2
    assert simulated(world, EVERYTHING, tenant="acme").replayed == 1


def test_the_hours_of_a_clock_that_was_set_back_are_those_it_showed():
    hours = {"id": "hours", "effect": "window", "open": ["08:00-18:00"]}
    world = World(hours, EVERYTHING)
    world.ask()
    world.wait(hours=-6)
    assert world.ask().code == "outside_window"
    assert simulated(world, hours, EVERYTHING).replayed == 2


@pytest.mark.parametrize("edit", [{"verdict": "deny"}, {"rule": "other"}, {"code": "x"}])
def test_a_decision_that_is_not_reproduced_is_named(edit):
    world = World(budget("5"), EVERYTHING)
    first = world.ask(cost="1")
    world.ask(cost="1")
    world.store.contents.records[1].body.update(edit)
    with pytest.raises(CodesparError) as caught:
        simulated(world, EVERYTHING)
    assert caught.value.code == "not_reproduced"
    assert caught.value.exit_code == 1
    assert world.store.contents.records[1].body["decision"] in caught.value.message
    assert first.decision_id not in caught.value.message


def test_a_counter_that_is_not_reproduced_is_named():
    world = World(budget("5"), EVERYTHING)
    world.ask(cost="1")
    world.store.contents.records[0].body["counters"][0][4] = 7
    with pytest.raises(
        CodesparError, match="the counter of rule money was 7 used and 0 held in tenant=default total USD"
    ):
        simulated(world, EVERYTHING)


def test_a_policy_whose_text_is_gone_or_edited():
    world = World(EVERYTHING)
    decided = world.ask().policy_hash
    world.store.contents.sources[decided] = json.dumps({"version": 1, "rules": []})
    with pytest.raises(IntegrityError):
        simulated(world, EVERYTHING)
    del world.store.contents.sources[decided]
    with pytest.raises(CodesparError, match="whose text the store does not have"):
        simulated(world, EVERYTHING)


def test_a_rolling_window_of_ten_thousand_costs_what_a_small_one_does():
    """Counted in steps, not in seconds: no read may walk over what the one before walked over."""
    from codespar_cli.plugins.policy.stores.memory_store import Reckoning

    class Counted(list):
        reads = 0

        def __getitem__(self, index):
            Counted.reads += 1
            return super().__getitem__(index)

    items, reckoning = Counted((at, 1) for at in range(10_000)), Reckoning()
    assert [reckoning.by(items, at) for at in (-1, 4_999, 5_000, 9_999, 20_000)] == [0, 5_000, 5_001, 10_000, 10_000]
    assert Counted.reads < 4 * 10_000
    before = Counted.reads
    assert [reckoning.by(items, 20_000 + at) for at in range(1_000)] == [10_000] * 1_000
    assert Counted.reads == before
    assert reckoning.by(items, 10) == 11


def test_a_broken_chain_is_told_as_such(tmp_path):
    store = SqliteStore(tmp_path / "state", "normal")
    world = World(EVERYTHING, store=store)
    for _ in range(3):
        world.ask()
    connection = apsw.Connection(str(tmp_path / "state" / "policy.db"))
    connection.execute("UPDATE chain SET body = replace(body, '\"t\"', '\"u\"') WHERE seq = 2")
    connection.close()
    with pytest.raises(IntegrityError, match="record 2 was edited"):
        simulated(world, EVERYTHING)
    store.database.close()


def test_decisions_of_a_cedar_policy_are_replayed(tmp_path):
    pytest.importorskip("cedarpy")
    rules = json.dumps({"rules": [budget("5")]})
    world = Foreign(tmp_path, "cedar", "permit (principal, action, resource);", rules, record_args=True)
    for args in (None, {"n": 1}, {"n": 2}):
        world.ask(cost="2", args=args)
    store = SqliteStore(tmp_path / "state", "normal")
    found = simulate(store, "default", policy_of(budget("3"), EVERYTHING), None, None)
    assert (found.replayed, found.reproduced) == (3, 3)
    assert changed(found) == [("allow", "deny", "budget_exceeded")]
    world.options["record_args"] = False
    world.load()
    world.ask(cost="2", args={"n": 3})
    found = simulate(store, "default", policy_of(budget("3"), EVERYTHING), None, None)
    assert (found.replayed, found.not_replayable.decisions) == (3, 1)
    store.database.close()


WORKER = """
import sys
from pathlib import Path
from codespar_cli.core.hooks import CallContext
from codespar_cli.core.services import Services
from codespar_cli.plugins.policy.engine import PolicyEngine

base, me = Path(sys.argv[1]), int(sys.argv[2])
engine = PolicyEngine.from_options({"durability": "normal"}, Services(base / "state", config_dir=base))
while not (base / "go").exists():
    pass
for number in range(40):
    decision = engine.evaluate(f"agent-{me % 3}", "paid/x", "1.10", context=CallContext(args={"n": number}))
    if decision.allowed and number % 3 == 0:
        engine.record_usage("agent", "paid/x", "0.70", reservation_id=decision.reservation_id)
    elif decision.allowed and number % 3 == 1:
        engine.release(decision.reservation_id)
"""


def test_a_store_that_eight_processes_wrote_at_once(tmp_path):
    rules = [budget("60", per="agent"), budget("90", "rolling 1h", id="all-money"), rate("200 per 1h"), EVERYTHING]
    rules[1]["id"] = "all-money"
    (tmp_path / "policy.yaml").write_text(json.dumps({"version": 1, "rules": rules}))
    command = [sys.executable, "-c", WORKER, str(tmp_path)]
    workers = [subprocess.Popen([*command, str(n)], stderr=subprocess.PIPE, text=True) for n in range(8)]
    (tmp_path / "go").touch()
    for worker in workers:
        assert (worker.communicate(timeout=120)[1], worker.returncode) == ("", 0)
    store = SqliteStore(tmp_path / "state", "normal")
    found = simulate(store, "default", policy_of(*rules), None, None)
    assert (found.replayed, found.reproduced, found.flips) == (320, 320, ())
    tighter = simulate(store, "default", policy_of({**rules[0], "limit": "10"}, EVERYTHING), None, None)
    assert {(flip.before, flip.code) for flip in tighter.flips} >= {("allow", "budget_exceeded")}
    store.database.close()


# ── what was observed ──


def test_what_was_observed_was_let_through_whatever_the_policy_said():
    world = World(FORCE, ASK, budget("10"), EVERYTHING, observe=True)
    assert world.ask(cost="11").allowed
    assert world.ask(cost="1").allowed
    found = simulated(world, budget("10"), EVERYTHING)
    assert changed(found) == [("allow", "deny", "budget_exceeded")]
    assert (found.observed, found.as_judged, found.counted) == (2, 0, 2)
    assert [(flip.before_code, flip.before_rule_id) for flip in found.flips] == [(None, None)]


def test_without_the_arguments_the_same_file_shows_what_it_said_then():
    world = World(FORCE, budget("10"), EVERYTHING, observe=True)
    world.ask(tool="git/push", cost="2", args={"force": True})
    world.ask(tool="git/push", cost="2", args={"force": False})
    same = simulated(world, FORCE, budget("10"), EVERYTHING)
    assert changed(same) == [("allow", "deny", "denied_by_rule")]
    assert (same.replayed, same.as_judged, same.observed, same.counted) == (0, 2, 2, 2)
    assert same.not_replayable.decisions == 0
    other = simulated(world, {**FORCE, "id": "renamed"}, budget("10"), EVERYTHING)
    assert (other.as_judged, other.not_replayable.decisions, other.flips) == (0, 2, ())


def test_a_call_that_was_none_is_refused_by_every_file():
    world = World(EVERYTHING, observe=True)
    assert world.ask(cost="-1").allowed
    found = simulated(world, EVERYTHING)
    assert changed(found) == [("allow", "deny", "invalid_request")]
    assert (found.replayed, found.observed) == (1, 1)


def test_observed_calls_before_since_are_no_flips():
    world = World({"id": "no", "effect": "deny", "tools": ["t"]}, FORCE, EVERYTHING, observe=True)
    world.ask()
    world.ask(cost="-1")
    world.ask(tool="git/push", cost="2", args={"force": True})
    policy = ({"id": "no", "effect": "deny", "tools": ["t"]}, FORCE, EVERYTHING)
    assert len(simulated(world, *policy).flips) == 3
    found = simulated(world, *policy, since=NOON + timedelta(days=1))
    assert (found.flips, found.counted, found.observed, found.as_judged) == ((), 0, 0, 0)
