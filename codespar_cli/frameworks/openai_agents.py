"""OpenAI Agents SDK: `@function_tool(**guards(gate))`, and `MCPServerStdio(params, **guards(gate))` for a whole server.

Sources: `ToolInputGuardrail`, `ToolOutputGuardrail`, `ToolErrorFunction` and `ToolContext` of openai-agents 0.24. The SDK
tells a guardrail neither that the tool raised nor that it was cancelled. So the error function notes what was raised,
and a call whose output no guardrail has seen when its task ends is left then.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from codespar_cli.core.gate import Gate
from codespar_cli.core.guarded_call import GuardedCall
from codespar_cli.frameworks.passage import CostOf, NotRun, Passage, Refusal, not_installed

try:
    from agents import ToolGuardrailFunctionOutput, ToolInputGuardrail, ToolOutputGuardrail
    from agents.tool import default_tool_error_function
except ImportError:
    raise not_installed("openai_agents", "openai-agents>=0.24") from None


def guards(
    gate: Gate | None = None, *, agent: str | None = None, cost_of: CostOf | None = None, **fields: Any
) -> dict[str, Any]:
    """The keywords that put one gate around tools: the two guardrails and the error function.

    Without a gate it loads plugins.toml as the CLI does, which may raise ConfigError. `cost_of` reads the tool's output.
    """
    guard = _Guard(Passage(gate, agent=agent, cost_of=cost_of, **fields))
    return {
        "tool_input_guardrails": [ToolInputGuardrail(guard.before, name="codespar")],
        "tool_output_guardrails": [ToolOutputGuardrail(guard.after, name="codespar")],
        "failure_error_function": guard.failed,
    }


class _Guard:
    def __init__(self, passage: Passage) -> None:
        self._passage = passage
        self._open: WeakKeyDictionary[Any, GuardedCall] = WeakKeyDictionary()
        self._errors: WeakKeyDictionary[Any, type[BaseException]] = WeakKeyDictionary()

    async def before(self, data: Any) -> ToolGuardrailFunctionOutput:
        context = data.context
        try:
            args = json.loads(context.tool_arguments or "{}")  # as the SDK reads them
            if not isinstance(args, dict):
                raise TypeError
        except (TypeError, ValueError, RecursionError):
            return ToolGuardrailFunctionOutput.reject_content("codespar denied a call whose arguments are no object.")
        call = await self._passage.aenter(context.qualified_tool_name, args)
        if isinstance(call, Refusal):
            return ToolGuardrailFunctionOutput.reject_content(call.text)
        self._open[context] = call
        if (task := asyncio.current_task()) is not None:
            task.add_done_callback(partial(self._ended, context))
        return ToolGuardrailFunctionOutput.allow()

    async def after(self, data: Any) -> ToolGuardrailFunctionOutput:
        self._leave(data.context, data.output, self._errors.pop(data.context, None))
        return ToolGuardrailFunctionOutput.allow()

    def failed(self, context: Any, error: Exception) -> str:
        """The SDK's own words to the model; the class of the error is what is recorded."""
        if context in self._open:
            self._errors[context] = type(error)
        return str(default_tool_error_function(context, error))

    def _ended(self, context: Any, task: asyncio.Task[Any]) -> None:
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None:
            error = error.__cause__ or error  # the SDK wraps what a tool raised in its own UserError
        self._leave(context, None, NotRun if error is None else type(error))

    def _leave(self, context: Any, output: Any, error: type[BaseException] | None) -> None:
        call = self._open.pop(context, None)
        if call is not None:
            self._passage.leave(call, context.qualified_tool_name, output, error=error)
