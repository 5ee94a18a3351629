"""What a look at tool calls finds: values that cross from the checks to commands, reports and stores.

The names of checks are stable; docs/tool-checks.md says what each one means and what none of them can see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, get_args

from codespar_cli.core.clock import iso

CheckSeverity: TypeAlias = Literal["warn", "error"]
CheckName: TypeAlias = Literal[
    "unknown_tool",
    "missing_argument",
    "unknown_argument",
    "wrong_type",
    "not_in_enum",
    "invalid_value",
    "not_checked",
    "repeat_identical",
    "repeat_similar",
    "cycle",
    "repeat_after_same_error",
]
CHECK_NAMES: tuple[CheckName, ...] = get_args(CheckName)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing wrong with one call, and the evidence for it.

    `path` is a JSON pointer into the arguments (RFC 6901); empty for the call as a whole. `expected` and `got` are for
    people. `suggestions` are what was probably meant, best first. `got` may show an argument's value; `kept` is the same
    without it (its type and size), for whatever outlives the moment.
    """

    check: CheckName
    severity: CheckSeverity
    tool: str
    path: str = ""
    expected: str = ""
    got: str = ""
    suggestions: tuple[str, ...] = ()
    kept: str = ""

    def document(self, call: int | None = None) -> dict[str, Any]:
        """The JSON of `metrics checks`; `call` is the index of the call, from 0."""
        return {
            "check": self.check,
            "severity": self.severity,
            "tool": self.tool,
            "path": self.path,
            "expected": self.expected,
            "got": self.got,
            "suggestions": list(self.suggestions),
            "call": call,
        }


class ObservedCall(NamedTuple):
    """A call as a model made it. `arguments` is whatever stood there: nothing says that it is an object.

    `result` is a digest or text of the answer, if known: a call that is answered differently each time is no loop.
    """

    name: Any
    arguments: Any = None
    agent: str = "agent"
    session: str | None = None
    error: str | None = None
    result: str | None = None


class CheckFinding(NamedTuple):
    """A result with where it came from. `call` is the call's index in what was looked at."""

    time: datetime
    tenant: str
    agent: str
    session: str | None
    call: int | None
    result: CheckResult

    def document(self) -> dict[str, Any]:
        return {
            **self.result.document(self.call),
            "time": iso(self.time),
            "tenant": self.tenant,
            "agent": self.agent,
            "session": self.session,
        }


class CheckFilter(NamedTuple):
    """Which findings are meant. `tool` and `agent` are globs; `since` is inclusive, `until` exclusive."""

    tool: str | None = None
    agent: str | None = None
    tenant: str | None = None
    since: datetime | None = None
    until: datetime | None = None


ALL_FINDINGS = CheckFilter()


class CheckFindings(Protocol):
    """An observability plugin that keeps what checks found."""

    def findings(self, wanted: CheckFilter | None = None, *, limit: int = 1000) -> Sequence[CheckFinding]:
        """The newest `limit` of the wanted ones, oldest first. A store that does not exist yet is an empty one."""
        ...

    def record_findings(self, findings: Iterable[CheckFinding]) -> int:
        """All or none, without argument values. Answers how many."""
        ...
