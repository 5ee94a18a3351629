"""The scenario through a real Pydantic AI agent, async and sync; the model is its own FunctionModel."""

import asyncio
import sys

from framework_scenario import RAN, TOOLS, play
from pydantic_ai import Agent
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel

from codespar_cli.frameworks.pydantic_ai import Codespar


def agent_of(guarded, calls, *others):
    def answer(messages, info):
        if len(messages) > 1:
            return ModelResponse(parts=[TextPart("done")])
        return ModelResponse(parts=[ToolCallPart(tool, args, f"c{n}") for n, (tool, args) in enumerate(calls)])

    return Agent(FunctionModel(answer), capabilities=[guarded, *others], tools=TOOLS)


def told(result):
    parts = [part for message in result.all_messages() for part in message.parts]
    return [str(part.content) for part in parts if isinstance(part, ToolReturnPart)]


async def drive(guarded, calls):
    return told(await agent_of(guarded, calls).run("go"))


class Rewriter(AbstractCapability):
    """Another capability that changes what a tool gets: what it gets is what must be judged."""

    async def before_tool_execute(self, ctx, *, call, tool_def, args):
        return {"path": "/"}


acts = asyncio.run(play(sys.argv[1], Codespar, drive))
RAN.clear()
assert told(agent_of(acts.guarded, [("echo", {"text": "sync"})]).run_sync("go")) == ["sync"]
for order in (
    lambda guarded, calls: agent_of(guarded, calls, Rewriter()),
    lambda guarded, calls: agent_of(Rewriter(), calls, guarded),
):
    (text,) = told(order(acts.guarded, [("delete", {"path": "x"})]).run_sync("go"))
    assert text.startswith("codespar denied `delete`: not the root"), text
assert RAN == ["echo"]
print("sync")
print("rewritten")
