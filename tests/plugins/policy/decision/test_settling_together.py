"""Many holds settled at once: as if they had been settled one after the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_world import EVERYTHING, World, budget, rate

from codespar_cli.core.calls import PolicyDecision, ToolCall
from codespar_cli.core.gate import Gate
from codespar_cli.core.outcome import Outcome, Usage
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.errors import NotFoundError, StoreError, UsageError
from codespar_cli.plugins.policy.stores.memory_store import MemoryStore
from codespar_cli.plugins.policy.stores.sqlite_store import SqliteStore
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

COSTS = st.sampled_from((None, "0", "0.000001", "2.50", 7, 1000, "-1", "NaN", "ten"))
HOLDS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 9)), min_size=1, max_size=6)
USAGES = st.lists(st.tuples(st.integers(0, 7), COSTS), max_size=10)


def started(holds, store):
    world = World(
        budget("100000", per="agent"), {**budget("9", window="rolling 1h"), "id": "brief"}, EVERYTHING, store=store
    )
    ids = [world.ask(agent=agent, cost=cost).reservation_id for agent, cost in holds]
    return world, [id_ or "rs-none" for id_ in ids]


def one_by_one(world, usages):
    answers = []
    for agent, tool, cost, reservation in usages:
        try:
            answers.append(world.engine.record_usage(agent, tool, cost, reservation_id=reservation))
        except (NotFoundError, UsageError) as error:
            answers.append(error)
    return answers


def shown(answers, ids):
    """Answers without the random parts of ids."""
    return [
        (type(one).__name__, str(one)) if isinstance(one, Exception) else (ids.index(one[0]), *one[1:])
        for one in answers
    ]


def kept(world, ids):
    bodies = [(record.kind, record.actor, dict(record.body)) for record in world.records]
    for _, _, body in bodies:
        body["reservation"] = ids.index(body["reservation"]) if body.get("reservation") in ids else None
    return [body for body in bodies if body[0] == "settlement"], world.engine.budgets()


@given(HOLDS, USAGES)
def test_together_is_one_after_the_other(holds, usages):
    together, ids = started(holds, MemoryStore())
    apart, others = started(holds, MemoryStore())

    def said(names):
        return [
            Usage(holds[number % len(holds)][0], "t", cost, names[number] if number < len(names) else "rs-unknown")
            for number, cost in usages
        ]

    # An id is drawn at random; `rs-none` is of no hold in either world.
    answers = together.engine.record_usages(said(ids))
    assert shown(answers, ids) == shown(one_by_one(apart, said(others)), others)
    assert kept(together, ids) == kept(apart, others)


def test_every_store_settles_together(store):
    world = World(budget("10", per="agent"), rate("9 per 1h"), EVERYTHING, store=store)
    first, second = (world.ask(cost=cost).reservation_id for cost in (3, 4))
    answers = world.engine.record_usages(
        [Usage("a", "t", "1", first), Usage("a", "t", 5, "rs-unknown"), Usage("a", "t", None, second)]
    )
    assert [type(one).__name__ for one in answers] == ["Settlement", "NotFoundError", "Settlement"]
    (state,) = world.engine.budgets()
    assert (state.spent, state.held, state.left) == (5, 0, 5)


def test_where_there_is_no_store_yet_nothing_is_known_and_none_is_made(tmp_path):
    world = World(EVERYTHING)
    world.engine._address = StoreAddress.sqlite(tmp_path / "state", "normal")
    (answer,) = world.engine.record_usages([Usage("a", "t", 1, "rs-1")])
    assert isinstance(answer, NotFoundError)
    assert not (tmp_path / "state").exists()


def test_a_store_that_fails_half_way_has_counted_nothing(monkeypatch):
    world, ids = started([("a", 1), ("a", 2)], MemoryStore())
    before = world.engine.budgets()
    kind = type(world.store.write().__enter__())
    inner, calls = kind.settle, []

    def settle(self, hold, amount, now):
        calls.append(hold.id)
        if len(calls) == 2:
            raise StoreError("the disk is full")
        return inner(self, hold, amount, now)

    monkeypatch.setattr(kind, "settle", settle)
    with pytest.raises(StoreError):
        world.engine.record_usages([Usage("a", "t", 1, id_) for id_ in ids])
    assert len(calls) == 2
    assert world.engine.budgets() == before


def test_one_damaged_hold_does_not_keep_the_others_open(tmp_path):
    world, ids = started([("a", 1)] * 4, SqliteStore(tmp_path, "normal"))
    with world.store.database.write() as connection:
        connection.execute("UPDATE hold SET parts = 'x' WHERE id = ?", (ids[1],))
    registry = PluginRegistry()
    registry.register_policy(world.engine)
    gate = Gate(registry)
    decisions = [PolicyDecision(allowed=True, reservation_id=id_) for id_ in ids]
    gate.record_all([(ToolCall("a", "t"), Outcome(decision=decision)) for decision in decisions])
    assert gate.failures == {"policy": 1}
    settled = [record.body["reservation"] for record in world.records if record.kind == "settlement"]
    assert settled == [ids[0], *ids[2:]]
