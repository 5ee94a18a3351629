"""Calls that ended together are settled together, each once, none later than the books are kept."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.mcp.settlements import TOGETHER, Settlements

PATIENCE_S = 10


class Books:
    def round_off_with(self, task):
        self.round_off = task


@given(
    st.lists(st.sampled_from(("old gate", "new gate", "old gate", "new gate", "a run ends", "answer")), max_size=200)
)
def test_every_call_is_settled_once_with_its_own_gate_and_in_order(steps):
    books, settled, added = Books(), [], []
    settlements = Settlements(lambda gate, ended: settled.append((gate, [call for call, _ in ended])), books)
    for number, step in enumerate(steps):
        if step == "a run ends":
            books.round_off()
        elif step == "answer":
            settlements.flush()
        else:
            settlements.add(step, number, None)
            added.append((step, number))
        open_ = len(added) - sum(len(calls) for _, calls in settled)
        assert open_ < TOGETHER
        assert step.endswith("gate") or open_ == 0
    books.round_off()
    for gate in ("old gate", "new gate"):
        calls = [call for of, calls in settled if of == gate for call in calls]
        assert calls == [call for of, call in added if of == gate]
    assert all(len(calls) <= TOGETHER for _, calls in settled)


def test_who_flushes_comes_back_when_what_another_took_is_settled():
    took, go_on, settled = threading.Event(), threading.Event(), []

    def settle(gate, ended):
        took.set()
        assert go_on.wait(PATIENCE_S)
        settled.extend(call for call, _ in ended)

    settlements = Settlements(settle, Books())
    settlements.add("gate", "first", None)
    other = threading.Thread(target=settlements.flush)
    other.start()
    assert took.wait(PATIENCE_S)
    settlements.add("gate", "told its cost", None)
    threading.Timer(0.05, go_on.set).start()
    settlements.flush()
    assert settled == ["first", "told its cost"]
    other.join(PATIENCE_S)


def test_what_ends_one_gates_settling_leaves_the_others_to_be_settled():
    settled = []

    def settle(gate, ended):
        if gate == "bad":
            raise KeyboardInterrupt
        settled.extend(call for call, _ in ended)

    settlements = Settlements(settle, Books())
    for number, gate in enumerate(("bad", "good", "bad", "good")):
        settlements.add(gate, number, None)
    with pytest.raises(KeyboardInterrupt):
        settlements.flush()
    settlements.flush()
    assert settled == [1, 3]
