"""LangChain 1.x and LangGraph: `create_agent(model, tools, middleware=[…, CodesparMiddleware(gate)])`.

Sources: `AgentMiddleware.wrap_tool_call` and `awrap_tool_call` of langchain 1.4.7, `ToolCallRequest` of langgraph-prebuilt
1.1.2. The first middleware of the list is the outermost: put this one last, so that it judges what the tool really gets.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from codespar_cli.core.gate import Gate
from codespar_cli.core.guarded_call import GuardedCall
from codespar_cli.frameworks.passage import CostOf, Passage, Refusal, ToolError, not_installed

try:
    from langchain.agents.middleware import AgentMiddleware
    from langchain_core.messages import ToolMessage
except ImportError:
    raise not_installed("langchain", "langchain>=1.0") from None


class CodesparMiddleware(AgentMiddleware[Any, Any]):
    """Without a gate it loads plugins.toml as the CLI does, which may raise ConfigError. `cost_of` reads a ToolMessage."""

    def __init__(
        self, gate: Gate | None = None, *, agent: str | None = None, cost_of: CostOf | None = None, **fields: Any
    ) -> None:
        super().__init__()
        self._passage = Passage(gate, agent=agent, cost_of=cost_of, **fields)

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        call = self._passage.enter(request.tool_call["name"], request.tool_call["args"])
        if isinstance(call, Refusal):
            return _refused(request, call)
        try:
            return self._left(call, request, handler(request))
        except BaseException as error:
            self._passage.leave(call, request.tool_call["name"], error=type(error))
            raise

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        call = await self._passage.aenter(request.tool_call["name"], request.tool_call["args"])
        if isinstance(call, Refusal):
            return _refused(request, call)
        try:
            return self._left(call, request, await handler(request))
        except BaseException as error:
            self._passage.leave(call, request.tool_call["name"], error=type(error))
            raise

    def _left(self, call: GuardedCall, request: Any, result: Any) -> Any:
        failed = isinstance(result, ToolMessage) and result.status == "error"
        self._passage.leave(call, request.tool_call["name"], result, error=ToolError if failed else None)
        return result


def _refused(request: Any, refusal: Refusal) -> ToolMessage:
    asked = request.tool_call
    return ToolMessage(content=refusal.text, tool_call_id=asked["id"], name=asked["name"], status="error")
