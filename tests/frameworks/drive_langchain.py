"""The scenario through a real LangChain agent, async and sync; the model is LangChain's own fake."""

import asyncio
import sys

from framework_scenario import RAN, TOOLS, play
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool

from codespar_cli.frameworks.langchain import CodesparMiddleware


class Scripted(GenericFakeChatModel):
    def bind_tools(self, tools, **keywords):
        return self


def as_tool(function):
    if asyncio.iscoroutinefunction(function):
        return StructuredTool.from_function(coroutine=function, name=function.__name__, description="a tool")
    return StructuredTool.from_function(function, name=function.__name__, description="a tool")


def agent_of(guarded, calls):
    wanted = [{"name": tool, "args": args, "id": f"c{number}"} for number, (tool, args) in enumerate(calls)]
    model = Scripted(messages=iter([AIMessage(content="", tool_calls=wanted), AIMessage(content="done")]))
    return create_agent(model, [as_tool(function) for function in TOOLS], middleware=[guarded])


def told(answer):
    return [message.content for message in answer["messages"] if isinstance(message, ToolMessage)]


async def drive(guarded, calls):
    answer = await agent_of(guarded, calls).ainvoke({"messages": [HumanMessage("go")]})
    for message in answer["messages"]:
        if isinstance(message, ToolMessage):
            assert (message.status == "error") is message.content.startswith("codespar"), message
    return told(answer)


ask = {"messages": [HumanMessage("go")]}


async def sync_error(acts):
    before = acts.money()
    try:
        agent_of(acts.guarded, [("broken", {})]).invoke(ask)
    except LookupError:
        assert RAN == ["broken"]
    else:
        raise AssertionError("the tool's error was swallowed")
    assert acts.money() == before
    assert acts.metrics()[-1].error_type == "LookupError"


acts = asyncio.run(play(sys.argv[1], CodesparMiddleware, drive, sync_error))
RAN.clear()
assert told(agent_of(acts.guarded, [("echo", {"text": "sync"})]).invoke(ask)) == ["sync"]
(text,) = told(agent_of(acts.guarded, [("delete", {"path": "/"})]).invoke(ask))
assert text.startswith("codespar denied `delete`")
assert RAN == ["echo"]
print("sync")
