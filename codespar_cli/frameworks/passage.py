"""One tool call of any framework through one gate: entered before the tool, left after it, whatever happens.

The framework is never shown an exception of ours: what goes wrong before the tool is a refusal, a text for the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from codespar_cli.core.gate import Gate
from codespar_cli.core.guarded_call import GuardedCall
from codespar_cli.core.hooks import Cost, PolicyDecision
from codespar_cli.core.text import visible
from codespar_cli.errors import CallDenied, ConfigError
from codespar_cli.startup import load

CostOf: TypeAlias = Callable[[str, Any], Cost | None]
"""What a call has cost, from its tool's name and its result, in the policy's currency; None when the result does not say."""


class ToolError(Exception):
    """The error class of a tool that answered with an error in place of raising one."""


class NotRun(Exception):
    """The error class of a call that was allowed, and of which nothing more was heard."""


class Refusal(NamedTuple):
    """The tool does not run; `text` is for the model."""

    text: str


class Passage:
    """`agent` is who calls, else the gate's; `fields` are those of CallContext (project, session, environment, …)."""

    def __init__(
        self, gate: Gate | None = None, *, agent: str | None = None, cost_of: CostOf | None = None, **fields: Any
    ) -> None:
        self._gate = load() if gate is None else gate
        self._agent = agent or self._gate.agent_id
        self._cost_of = cost_of
        self._fields = fields

    def enter(self, tool: str, args: Mapping[str, Any], **fields: Any) -> GuardedCall | Refusal:
        """Ask before the tool runs."""
        try:
            return self._call(tool, args, fields).__enter__()
        except Exception as error:  # a gate that lets an exception through is a gate that is open
            return Refusal(_words(tool, error))

    async def aenter(self, tool: str, args: Mapping[str, Any], **fields: Any) -> GuardedCall | Refusal:
        """`enter` off the event loop. A cancelled task leaves no hold behind."""
        try:
            return await self._call(tool, args, fields).__aenter__()
        except Exception as error:  # as above
            return Refusal(_words(tool, error))

    def leave(
        self, call: GuardedCall, tool: str, result: Any = None, *, error: type[BaseException] | None = None
    ) -> None:
        """The tool is through: settle and record. `error` is the class of what it raised. Never raises."""
        if error is None and self._cost_of is not None:
            try:
                call.cost = self._cost_of(tool, result)
            except Exception:  # a cost that nobody can tell settles at the estimate
                call.cost = None
        call.__exit__(error, None, None)

    def _call(self, tool: str, args: Mapping[str, Any], fields: Mapping[str, Any]) -> GuardedCall:
        return self._gate.call(self._agent, tool, args=args, **{**self._fields, **fields})


def not_installed(framework: str, package: str) -> ConfigError:
    """What importing a framework's module raises where the framework is missing."""
    return _Missing(f"codespar_cli.frameworks.{framework} needs `{package}`, which is not installed", package)


class _Missing(ConfigError, ImportError):
    def __init__(self, message: str, package: str) -> None:
        super().__init__(message, hint=f"pip install '{package}'", code="missing_framework")

    def __str__(self) -> str:  # nobody but a traceback may be there to show the hint
        return f"{super().__str__()}; {self.hint}"


def _words(tool: Any, error: Exception) -> str:
    name = visible(str(tool)[:128])
    if not isinstance(error, CallDenied):
        # The class alone: a message may hold what the call was about.
        return f"codespar denied `{name}`: the policy could not be asked: {type(error).__name__}."
    decision: PolicyDecision = error.decision
    reason = visible(decision.reason or "denied by policy")
    if decision.requires_approval and decision.approval_id is not None:
        token = visible(decision.approval_id)
        return (
            f"codespar: `{name}` needs approval {token}: {reason}. A person approves it with"
            f" `codespar approvals approve {token} --as NAME`; then make the same call again."
        )
    return f"codespar denied `{name}`: {reason}{f' ({decision.code})' if decision.code else ''}."
