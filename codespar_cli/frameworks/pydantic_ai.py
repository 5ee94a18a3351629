"""Pydantic AI 2: `Agent(model, capabilities=[Codespar(gate)])`.

Sources: `AbstractCapability.get_wrapper_toolset`, `WrapperToolset.call_tool` and `SkipToolExecution` of pydantic-ai 2.68.
Other capabilities may change a call's arguments in their `before_tool_execute`. `call_tool` comes after all of them, so
what is judged there is what the tool gets; `wrap_tool_execute` would have judged what the model asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from codespar_cli.core.gate import Gate
from codespar_cli.frameworks.passage import CostOf, Passage, Refusal, not_installed

try:
    from pydantic_ai.capabilities import AbstractCapability
    from pydantic_ai.exceptions import SkipToolExecution
    from pydantic_ai.toolsets import AbstractToolset, WrapperToolset
except ImportError:
    raise not_installed("pydantic_ai", "pydantic-ai-slim>=2.0") from None


class Codespar(AbstractCapability[Any]):
    """Without a gate it loads plugins.toml as the CLI does, which may raise ConfigError. `cost_of` reads what the tool
    returns. The tools' names are those of the toolsets, prefixes included."""

    def __init__(
        self, gate: Gate | None = None, *, agent: str | None = None, cost_of: CostOf | None = None, **fields: Any
    ) -> None:
        self._passage = Passage(gate, agent=agent, cost_of=cost_of, **fields)

    def get_wrapper_toolset(self, toolset: AbstractToolset[Any]) -> AbstractToolset[Any]:
        return _Guarded(toolset, self._passage)


@dataclass
class _Guarded(WrapperToolset[Any]):
    passage: Passage

    async def call_tool(self, name: str, tool_args: dict[str, Any], ctx: Any, tool: Any) -> Any:
        call = await self.passage.aenter(name, tool_args)
        if isinstance(call, Refusal):
            raise SkipToolExecution(call.text)
        try:
            result = await super().call_tool(name, tool_args, ctx, tool)
        except BaseException as error:
            self.passage.leave(call, name, error=type(error))
            raise
        self.passage.leave(call, name, result)
        return result
