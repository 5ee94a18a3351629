"""One call under way: enter asks the policy, leave settles and records, whatever happened in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, cast

from codespar_cli.core.hooks import Cost, PolicyDecision, ToolCall
from codespar_cli.errors import ApprovalRequired, CallDenied

if TYPE_CHECKING:
    from codespar_cli.core.gate import Gate

P = ParamSpec("P")
R = TypeVar("R")


class GuardedCall:
    """What `gate.call(…)` gives to the block. Set `cost` and tokens inside it when they become known."""

    def __init__(self, gate: Gate, call: ToolCall) -> None:
        self._gate = gate
        self._call = call
        self._started = 0.0
        self.decision: PolicyDecision | None = None
        self.cost: Cost | None = None
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None

    def __enter__(self) -> Self:
        return self._begin(self._gate.check(self._call))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(kind)

    async def __aenter__(self) -> Self:
        return self._begin(await self._gate.acheck(self._call))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(kind)

    def _begin(self, decision: PolicyDecision) -> Self:
        self.decision = decision
        if not decision.allowed:
            raise (ApprovalRequired if decision.requires_approval else CallDenied)(decision)
        self._started = self._gate.timer()
        return self

    def _end(self, error: type[BaseException] | None) -> None:
        from codespar_cli.core.gate import Outcome

        if error is GeneratorExit:
            error = None  # the consumer has had enough: the tool did run
        outcome = Outcome(
            success=error is None,
            latency_ms=max(0.0, (self._gate.timer() - self._started) * 1000),
            cost=self.cost,
            error_type=error.__name__ if error else None,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            decision=self.decision,
        )
        self._gate.record(self._call, outcome)


def guard_function(function: Callable[P, R], begin: Callable[[Mapping[str, Any]], GuardedCall]) -> Callable[P, R]:
    """The same function, guarded for as long as it runs; a generator runs until it is exhausted or closed."""
    import inspect

    signature = inspect.signature(function)

    def bound(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        arguments = signature.bind(*args, **kwargs)
        arguments.apply_defaults()
        return {name: value for name, value in arguments.arguments.items() if name not in {"self", "cls"}}

    inner = cast("Callable[..., Any]", function)
    wrapper: Any
    if inspect.isasyncgenfunction(function):

        @wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            async with begin(bound(args, kwargs)):
                async for item in inner(*args, **kwargs):
                    yield item

    elif inspect.iscoroutinefunction(function):

        @wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            async with begin(bound(args, kwargs)):
                return await inner(*args, **kwargs)

    elif inspect.isgeneratorfunction(function):

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with begin(bound(args, kwargs)):
                return (yield from inner(*args, **kwargs))

    else:

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with begin(bound(args, kwargs)):
                return inner(*args, **kwargs)

    return cast("Callable[P, R]", wrapper)
