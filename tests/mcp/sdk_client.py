"""The official SDK as a client: run by its own Python, it writes all that one server said as JSON on stdout.

Arguments: the environment as JSON, then the server's command.
"""

import asyncio
import json
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CreateMessageResult, ElicitResult, ListRootsResult, Root, TextContent

heard = []


async def sample(context, params):
    heard.append(["sampling", len(params.messages)])
    return CreateMessageResult(role="assistant", model="test", content=TextContent(type="text", text="sampled"))


async def elicit(context, params):
    heard.append(["elicitation", params.message])
    return ElicitResult(action="decline")


async def roots(context):
    heard.append(["roots"])
    return ListRootsResult(roots=[Root(uri="file:///tmp/a")])


def plain(value):
    return value.model_dump(mode="json", by_alias=True)


async def talk(session):
    said = {"hello": plain(await session.initialize())}
    for name in ("list_tools", "list_prompts", "list_resources", "list_resource_templates"):
        said[name] = plain(await getattr(session, name)())
    said["read"] = plain(await session.read_resource("demo://resource/static/document/features.md"))
    said["prompt"] = plain(await session.get_prompt("simple-prompt"))
    calls = {
        "echo": {"message": "héllo \u2028 \U0001f600"},
        "get-sum": {"a": 1.5, "b": 2},
        "get-tiny-image": {},
        "get-structured-content": {"location": "Chicago"},
        "get-annotated-message": {"messageType": "error", "includeImage": True},
        "get-roots-list": {},
        "trigger-sampling-request": {"prompt": "x", "maxTokens": 5},
        "trigger-elicitation-request": {},
        "get-env": {},
        "no-such-tool": {},
        "get-sum ": {"a": "not a number"},
    }
    for name, arguments in calls.items():
        try:
            said[name] = plain(await session.call_tool(name.strip(), arguments))
        except Exception as error:
            said[name] = [type(error).__name__, str(error)]
    progress = []

    async def note(done, total, message):
        progress.append([done, total])

    said["long"] = plain(
        await session.call_tool("trigger-long-running-operation", {"duration": 0.3, "steps": 3}, progress_callback=note)
    )
    big = await session.call_tool("echo", {"message": "x" * (4 << 20)})
    return {**said, "progress": progress, "heard": heard, "big": len(big.content[0].text)}


async def main():
    environ, command = json.loads(sys.argv[1]), sys.argv[2:]
    parameters = StdioServerParameters(command=command[0], args=command[1:], env=environ)
    async with (
        stdio_client(parameters) as (reading, writing),
        ClientSession(
            reading, writing, sampling_callback=sample, elicitation_callback=elicit, list_roots_callback=roots
        ) as session,
    ):
        said = await talk(session)
    print(json.dumps(said))


asyncio.run(main())
