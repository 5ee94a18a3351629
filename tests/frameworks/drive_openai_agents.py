"""The scenario through the real OpenAI Agents SDK with a scripted Model, function tools and an MCP server's tools."""

import asyncio
import json
import sys

from agents import Agent, ModelResponse, RunConfig, Runner, Usage, function_tool
from agents.models.interface import Model
from framework_scenario import RAN, TOOLS, play
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from codespar_cli.frameworks.openai_agents import guards


class Scripted(Model):
    def __init__(self, calls):
        self.answers = [
            [
                ResponseFunctionToolCall(arguments=json.dumps(args), call_id=f"c{n}", name=tool, type="function_call")
                for n, (tool, args) in enumerate(calls)
            ],
            [
                ResponseOutputMessage(
                    id="m",
                    content=[ResponseOutputText(annotations=[], text="done", type="output_text")],
                    role="assistant",
                    status="completed",
                    type="message",
                )
            ],
        ]

    async def get_response(self, *args, **keywords):
        return ModelResponse(output=self.answers.pop(0), usage=Usage(), response_id=None)

    def stream_response(self, *args, **keywords):
        raise NotImplementedError


def tools_of(guarded):
    return [function_tool(function, **guarded) for function in TOOLS]


def told(result):
    return [str(item.output) for item in result.new_items if item.type == "tool_call_output_item"]


async def drive(guarded, calls, tools=None):
    agent = Agent("bot", model=Scripted(calls), tools=tools_of(guarded) if tools is None else tools)
    return told(await Runner.run(agent, "go", run_config=RunConfig(tracing_disabled=True)))


async def raising(acts):
    """A tool whose errors are let through ends the run: its hold is given back all the same."""
    before = acts.money()
    tools = [function_tool(function, **{**acts.guarded, "failure_error_function": None}) for function in TOOLS]
    try:
        await drive(None, [("broken", {})], tools)
    except Exception as error:
        assert "sesame" in f"{error} {error.__cause__}"
    else:
        raise AssertionError("the tool's error was swallowed")
    await asyncio.sleep(0)
    assert acts.money() == before
    assert acts.metrics()[-1].error_type == "LookupError"


async def served(acts):
    """A whole MCP server's tools, over stdio, behind the same three keywords."""
    from agents.mcp import MCPServerStdio

    script = (
        "from mcp.server import MCPServer\n"
        "mcp = MCPServer('s')\n"
        "@mcp.tool()\ndef echo(text: str) -> str: return text\n"
        "@mcp.tool()\ndef delete(path: str) -> str: return 'deleted ' + path\n"
        "mcp.run('stdio')\n"
    )
    async with MCPServerStdio({"command": sys.executable, "args": ["-c", script]}, **acts.guarded) as server:
        for call, wanted in (
            (("echo", {"text": "over there"}), "over there"),
            (("delete", {"path": "/"}), "codespar denied `delete`: not the root"),
            (("delete", {"path": "x"}), "deleted x"),
        ):
            agent = Agent("bot", model=Scripted([call]), mcp_servers=[server])
            (text,) = told(await Runner.run(agent, "go", run_config=RunConfig(tracing_disabled=True)))
            assert wanted in text, text


acts = asyncio.run(play(sys.argv[1], guards, drive, raising, served))
RAN.clear()
agent = Agent("bot", model=Scripted([("echo", {"text": "sync"})]), tools=tools_of(acts.guarded))
assert told(Runner.run_sync(agent, "go", run_config=RunConfig(tracing_disabled=True))) == ["sync"]
print("sync")
