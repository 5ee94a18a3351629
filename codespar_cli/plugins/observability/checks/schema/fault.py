"""What an evaluation answers: faults, warnings, and which names and items a schema has looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from codespar_cli.core.administration.tool_checks import CheckName
from codespar_cli.plugins.observability.checks.json_values import Path


class Fault(NamedTuple):
    """`kept` is `got` without any argument's value, where the two differ."""

    check: CheckName
    path: Path
    expected: str
    got: str
    suggestions: tuple[str, ...] = ()
    kept: str | None = None


@dataclass(slots=True)
class Outcome:
    """Of one schema at one place. Faults make it invalid, warnings do not.

    `names` and `items` were looked at by what is valid (`unevaluatedProperties` is about the rest); `known` are the names
    that any schema for this place declares, also an alternative that did not fit; `foreseen` those that a pattern or a
    schema for further names covers; `declares` says that there is a list of names at all.
    """

    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    foreseen: set[str] = field(default_factory=set)
    items: set[int] = field(default_factory=set)
    declares: bool = False

    @property
    def valid(self) -> bool:
        return not self.faults

    def add(self, other: Outcome) -> None:
        """All of another schema for the same place."""
        self.faults += other.faults
        self.warnings += other.warnings
        self.learn(other)
        if other.valid:
            self.names |= other.names
            self.items |= other.items

    def learn(self, other: Outcome) -> None:
        """Only what it declares: it need not hold."""
        self.known |= other.known
        self.foreseen |= other.foreseen
        self.declares = self.declares or other.declares
