"""Does a pattern match somewhere in a text? By an automaton that is in all of its states at once: never by backtracking.

Time is at most the length of the text times the number of states, and counted: past `MAX_STEPS` nothing is claimed.
Lookarounds are decided once for a place. Without lookarounds and word boundaries, sets of states are remembered
(a deterministic automaton that is made as it is needed), and a character costs one look into a table.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from codespar_cli.plugins.observability.checks.schema.ecma_classes import WORD, CharacterClass
from codespar_cli.plugins.observability.checks.schema.ecma_pattern import (
    Assertion,
    Choice,
    Node,
    NotAnExpression,
    Repeat,
    Sequence,
    Single,
    parse,
)

MAX_STATES = 4000
MAX_STEPS = 80_000
_MAX_REMEMBERED = 4000
_CHARACTERS_A_STEP = 4  # a look into the table costs about a quarter of a step


class TooManySteps(Exception):
    """The pattern and the text together take longer than anybody wants to wait."""


class _State(NamedTuple):
    """`outs` are states; `characters` is consumed on the way, `assertion` must hold, without either it is a fork."""

    outs: list[int]
    characters: CharacterClass | None = None
    assertion: Assertion | None = None
    body: Automaton | None = None


class Automaton:
    """States made of a tree; number 0 is the match."""

    def __init__(self, node: Node) -> None:
        self.states: list[_State] = [_State([])]
        self.placeless = True
        self.start = self._emit(node, 0)

    def _new(self, state: _State) -> int:
        if len(self.states) >= MAX_STATES:
            raise NotAnExpression(f"a pattern of more than {MAX_STATES} states")
        self.states.append(state)
        return len(self.states) - 1

    def _emit(self, node: Node, following: int) -> int:
        match node:
            case Single():
                return self._new(_State([following], characters=node.characters))
            case Sequence():
                for part in reversed(node.parts):
                    following = self._emit(part, following)
                return following
            case Choice():
                return self._new(_State([self._emit(option, following) for option in node.options]))
            case Repeat():
                return self._repeat(node, following)
            case Assertion():
                if node.kind not in "^$":
                    self.placeless = False
                body = None if node.body is None else Automaton(node.body)
                return self._new(_State([following], assertion=node, body=body))

    def _repeat(self, node: Repeat, following: int) -> int:
        if node.most is None:
            loop = self._new(_State([]))
            self.states[loop].outs.extend((self._emit(node.body, loop), following))
            following = loop
        else:
            after = following
            for _ in range(node.most - node.least):
                following = self._new(_State([self._emit(node.body, following), after]))
        for _ in range(node.least):
            following = self._emit(node.body, following)
        return following


@lru_cache(maxsize=256)
def _automaton(pattern: str) -> Automaton | str:
    try:
        return Automaton(parse(pattern))
    except NotAnExpression as error:
        return str(error)


class Searcher:
    """Searches whose steps are counted together: a schema of many patterns has no more time than one."""

    def __init__(self) -> None:
        self.steps = 0

    def searches(self, pattern: str, text: str) -> bool:
        """Whether `pattern` matches anywhere in `text`. Raises NotAnExpression, TooManySteps."""
        found = _automaton(pattern)
        if isinstance(found, str):
            raise NotAnExpression(found)
        run = _Run(text, self.steps)
        try:
            return run.remembered(found) if found.placeless else run.found(found, 0, anchored=False, until=None)
        finally:
            self.steps = run.steps


class _Run:
    """One text under search; nested automata (lookarounds) share its steps."""

    def __init__(self, text: str, steps: int) -> None:
        self.text = text
        self.steps = steps
        self._decided: dict[tuple[int, int], bool] = {}

    def found(self, automaton: Automaton, start: int, *, anchored: bool, until: int | None) -> bool:
        """Whether there is a match from `start` on. With `until`, one that ends exactly there."""
        here: set[int] = set()
        for at in range(start, len(self.text) + 1):
            if at == start or not anchored:
                here.add(automaton.start)
            reached = self._closure(automaton, here, at)
            if 0 in reached and until in (None, at):
                return True
            if at == until or at == len(self.text) or (anchored and not reached):
                break
            here = self._moved(automaton, reached, self.text[at])
        return False

    def remembered(self, automaton: Automaton) -> bool:
        table: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        here = frozenset(self._closure(automaton, {automaton.start}, 0))
        if 0 in here:
            return True
        for at, character in enumerate(self.text, 1):
            key = (here, character)
            following = table.get(key)
            # The end of the text is a place of its own: `$` holds there, and what is remembered does not say so.
            if following is None or at == len(self.text):
                moved = self._moved(automaton, here, character)
                moved.add(automaton.start)
                following = frozenset(self._closure(automaton, moved, at))
                if len(table) < _MAX_REMEMBERED:
                    table[key] = following
            elif at % _CHARACTERS_A_STEP == 0:
                self._spend(1)
            if 0 in following:
                return True
            here = following
        return False

    def _moved(self, automaton: Automaton, states: set[int] | frozenset[int], character: str) -> set[int]:
        self._spend(len(states))
        moved: set[int] = set()
        for number in states:
            state = automaton.states[number]
            if state.characters is not None and state.characters.has(character):
                moved.update(state.outs)
        return moved

    def _closure(self, automaton: Automaton, states: set[int], at: int) -> set[int]:
        reached, waiting = set(states), list(states)
        while waiting:
            self._spend(1)
            state = automaton.states[waiting.pop()]
            if state.characters is not None or (state.assertion is not None and not self._holds(state, at)):
                continue
            for out in state.outs:
                if out not in reached:
                    reached.add(out)
                    waiting.append(out)
        return reached

    def _holds(self, state: _State, at: int) -> bool:
        assertion = state.assertion
        assert assertion is not None
        match assertion.kind:
            case "^":
                return at == 0
            case "$":
                return at == len(self.text)
            case "b" | "B":
                return (self._is_word(at - 1) is not self._is_word(at)) is (assertion.kind == "b")
        key = (id(state), at)
        if key not in self._decided:
            assert state.body is not None
            if assertion.kind == "ahead":
                holds = self.found(state.body, at, anchored=True, until=None)
            else:
                holds = self.found(state.body, 0, anchored=False, until=at)
            self._decided[key] = holds is not assertion.negated
        return self._decided[key]

    def _is_word(self, at: int) -> bool:
        return 0 <= at < len(self.text) and WORD.has(self.text[at])

    def _spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise TooManySteps
