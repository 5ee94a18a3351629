"""Calls that ended together are settled together, each once, none later than the books are kept."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.mcp.settlements import TOGETHER, Settlements


class Books:
    def __init__(self):
        self.tasks = deque()

    def add(self, task):
        self.tasks.append(task)


@given(st.lists(st.sampled_from(("old gate", "new gate", "books", "answer")), max_size=200))
def test_every_call_is_settled_once_with_its_own_gate_and_in_order(steps):
    books, settled = Books(), []
    settlements = Settlements(lambda gate, ended: settled.append((gate, [call for call, _ in ended])), books)
    added, open_ = [], 0
    for number, step in enumerate(steps):
        if step == "books" and books.tasks:
            books.tasks.popleft()()
        elif step == "answer":
            settlements.flush()
        elif step.endswith("gate"):
            settlements.add(step, number, None)
            added.append((step, number))
        done = sum(len(calls) for _, calls in settled)
        open_ = len(added) - done
        assert open_ < TOGETHER
        assert not open_ or books.tasks  # whoever waits has somebody who comes for it
    while books.tasks:
        books.tasks.popleft()()
    for gate in ("old gate", "new gate"):
        calls = [call for of, calls in settled if of == gate for call in calls]
        assert calls == [call for of, call in added if of == gate]
