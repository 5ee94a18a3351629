"""One call under way: enter asks the policy, leave settles and records, whatever happened in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, wraps
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, cast

from codespar_cli.core.hooks import Cost, PolicyDecision, ToolCall
from codespar_cli.errors import ApprovalRequired, CallDenied

if TYPE_CHECKING:
    from codespar_cli.core.gate import Gate

P = ParamSpec("P")
R = TypeVar("R")


class GuardedCall:
    """What `gate.call(…)` gives to the block. Set `cost` and tokens inside it when they become known.

    It may be entered again after it was left, and begins anew; never while it is under way, for it holds one answer.
    """

    def __init__(self, gate: Gate, call: ToolCall) -> None:
        self._gate = gate
        self._call = call
        self._under_way = Lock()
        self._reset()

    def _reset(self) -> None:
        self._started = 0.0
        self.decision: PolicyDecision | None = None
        self.cost: Cost | None = None
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None

    def __enter__(self) -> Self:
        self._claim()
        try:
            return self._begin(self._gate.check(self._call))
        except BaseException:
            self._under_way.release()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(kind)

    async def __aenter__(self) -> Self:
        self._claim()
        try:
            return self._begin(await self._gate.acheck(self._call))
        except BaseException:
            self._under_way.release()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(kind)

    def secret(self, key: str) -> str | None:
        """A credential for this very call, see `Gate.get_secret`. Raises RuntimeError unless it is allowed and under way."""
        self._require_allowed()
        return self._gate.get_secret(self._call, key)

    async def asecret(self, key: str) -> str | None:
        """`secret` off the event loop, see `Gate.aget_secret`."""
        self._require_allowed()
        return await self._gate.aget_secret(self._call, key)

    def _require_allowed(self) -> None:
        if not (self._under_way.locked() and self.decision is not None and self.decision.allowed):
            raise RuntimeError("a call gets its secret inside `with gate.call(…)`, once the policy has allowed it")

    def _claim(self) -> None:
        if not self._under_way.acquire(blocking=False):
            raise RuntimeError("this call is already under way; every call needs a gate.call() of its own")
        self._reset()

    def _begin(self, decision: PolicyDecision) -> Self:
        self.decision = decision
        if not decision.allowed:
            raise (ApprovalRequired if decision.requires_approval else CallDenied)(decision)
        self._started = self._gate.timer()
        return self

    def _end(self, error: type[BaseException] | None) -> None:
        from codespar_cli.core.outcome import Outcome

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
        try:
            self._gate.record(self._call, outcome)
        finally:
            self._under_way.release()


def guard_function(function: Callable[P, R], begin: Callable[[Mapping[str, Any]], GuardedCall]) -> Callable[P, R]:
    """The same function, guarded for as long as it runs; a generator runs until it is exhausted or closed."""
    import inspect

    bound = _binder(function)
    inner = cast("Callable[..., Any]", function)
    # Of an object that can be called it is `__call__` that says which kind it is.
    target = function.func if isinstance(function, partial) else function
    kind = target if inspect.isroutine(target) or inspect.isclass(target) else type(target).__call__
    wrapper: Any
    if inspect.isasyncgenfunction(kind):

        @wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            async with begin(bound(args, kwargs)):
                stream = inner(*args, **kwargs)
                try:
                    step = stream.asend(None)
                    while True:
                        try:
                            item = await step
                        except StopAsyncIteration:
                            return
                        try:
                            sent = yield item
                        except GeneratorExit:
                            raise
                        except BaseException as error:
                            step = stream.athrow(error)
                        else:
                            step = stream.asend(sent)
                finally:
                    await stream.aclose()

    elif inspect.iscoroutinefunction(kind):

        @wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            async with begin(bound(args, kwargs)):
                return await inner(*args, **kwargs)

    elif inspect.isgeneratorfunction(kind):

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


def name_of(function: Callable[..., Any]) -> str:
    """A function's name; of a partial the function's below it, of any other object its class's."""
    target = function.func if isinstance(function, partial) else function
    return str(getattr(target, "__name__", type(target).__name__))


def _binder(function: Callable[..., Any]) -> Callable[[tuple[Any, ...], dict[str, Any]], dict[str, Any]]:
    """How the arguments of a call become a policy's `args`: by name, where the function has names."""
    import inspect

    first: tuple[Any, ...] = ()
    preset: dict[str, Any] = {}
    target = function
    if isinstance(function, partial):  # the policy sees what was filled in before as well
        target, first, preset = function.func, function.args, function.keywords
    try:
        signature = inspect.signature(target)
    except (ValueError, TypeError):  # most of what is written in C does not say
        return lambda args, kwargs: {"args": [*first, *args], "kwargs": {**preset, **kwargs}}
    receiver = _receiver(target, signature.parameters)

    def bound(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        arguments = signature.bind(*first, *args, **{**preset, **kwargs})
        arguments.apply_defaults()
        return {name: value for name, value in arguments.arguments.items() if name != receiver}

    return bound


def _receiver(function: Callable[..., Any], parameters: Mapping[str, Any]) -> str | None:
    """`self` or `cls`, where it is what a method is bound to and no argument of the call."""
    scope = str(getattr(function, "__qualname__", "")).rpartition(".")[0]
    if not scope or scope.endswith("<locals>"):
        return None  # no method
    name = next(iter(parameters), None)
    return name if name in {"self", "cls"} else None
