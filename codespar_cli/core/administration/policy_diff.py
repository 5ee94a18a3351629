"""What `policy diff` says of two rules files."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Direction: TypeAlias = Literal["loosens", "tightens", "changes"]
"""`loosens`: no call is denied that was allowed; `tightens`: none is allowed that was denied, with the same counters;
`changes`: it may go both ways, or nobody can tell without trying (`policy simulate` does)."""


class PolicyChange(NamedTuple):
    """One difference that can be told from the two files. No `rule_id`: it stands at the top of the file, as `field`
    says. No `field`: the whole rule was added or removed. `line` is in the second file, or in the first for a rule that
    is gone. `restarts`: counters begin at nothing again, whatever has been spent."""

    rule_id: str | None
    change: Literal["added", "removed", "changed"]
    field: str | None
    before: str | None
    after: str | None
    direction: Direction
    line: int | None = None
    restarts: bool = False
