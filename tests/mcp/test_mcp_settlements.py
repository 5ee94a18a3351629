"""Calls that ended together are settled together, each once, none later than the books are kept."""

from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.mcp.settlements import TOGETHER, Settlements


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
