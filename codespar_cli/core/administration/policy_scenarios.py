"""What `codespar policy test` shows: one result for each scenario of a file."""

from __future__ import annotations

from typing import NamedTuple


class ScenarioFailure(NamedTuple):
    """The first call of a scenario that was not answered as expected. `call` counts from 1, `line` is its line in the
    file; `explained` are the lines of the trace, and the votes that were refused, that say why."""

    call: int
    line: int
    expected: str
    found: str
    explained: tuple[str, ...] = ()


class ScenarioResult(NamedTuple):
    """One scenario. `calls` is how many of its calls were made, `seconds` how long that took in real time."""

    file: str
    name: str
    line: int
    calls: int
    seconds: float
    failure: ScenarioFailure | None = None

    @property
    def passed(self) -> bool:
        return self.failure is None
