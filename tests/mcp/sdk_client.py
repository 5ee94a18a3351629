"""The official SDK as a client: run by its own Python, it writes all that one server said as JSON on stdout.

Arguments: the environment as JSON, then the server's command.
"""

import json
import sys

import anyio
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CreateMessageResult, ElicitResult, ListRootsResult, PromptReference, Root, TextContent

heard, told, log = [], [], []
roots_known = anyio.Event()


async def sample(context, params):
    heard.append(["sampling", len(params.messages)])
    return CreateMessageResult(role="assistant", model="test", content=TextContent(type="text", text="sampled"))


async def elicit(context, params):
    heard.append(["elicitation", params.mode, params.message])
    return ElicitResult(action="decline")


async def roots(context):
    heard.append(["roots"])
    return ListRootsResult(roots=[Root(uri="file:///tmp/a")])


async def tell(message):
    """Every notification but progress, which has its own way to those who asked for it."""
    if isinstance(message, Exception):
        raise message
    told.append(plain(message))


async def logged(params):
    log.append(params.data)
    if str(params.data).startswith("Roots updated"):
        roots_known.set()


def plain(value):
    return value.model_dump(mode="json", by_alias=True)


async def given_up(session):
    """A call that is cancelled while it goes on; the SDK tells the server. What comes after it."""
    begun = anyio.Event()

    async def note(done, total, message):
        begun.set()

    async def endless():
        arguments = {"duration": 1, "steps": 20}
        await session.call_tool("trigger-long-running-operation", arguments, progress_callback=note)
        raise AssertionError("it was answered")

    async with anyio.create_task_group() as group:
        group.start_soon(endless)
        await begun.wait()
        group.cancel_scope.cancel()
    return plain(await session.call_tool("trigger-long-running-operation", {"duration": 1.2, "steps": 1}))


async def talk(session):
    said = {"hello": plain(await session.initialize())}
    await roots_known.wait()  # the server asks for them some time after that: in any order with all below
    for name in ("list_tools", "list_prompts", "list_resources", "list_resource_templates", "send_ping"):
        said[name] = plain(await getattr(session, name)())
    uri = "demo://resource/static/document/features.md"
    said["read"] = plain(await session.read_resource(uri))
    said["prompt"] = plain(await session.get_prompt("simple-prompt"))
    reference = PromptReference(name="completable-prompt")
    said["complete"] = plain(await session.complete(reference, {"name": "department", "value": "E"}))
    said["level"] = plain(await session.set_logging_level("debug"))
    said["subscribe"] = plain(await session.subscribe_resource(uri))
    calls = {
        "echo": {"message": "héllo \u2028 \U0001f600"},
        "get-sum": {"a": 1.5, "b": 2},
        "get-tiny-image": {},
        "get-structured-content": {"location": "Chicago"},
        "get-annotated-message": {"messageType": "error", "includeImage": True},
        "get-roots-list": {},
        "trigger-sampling-request": {"prompt": "x", "maxTokens": 5},
        "trigger-elicitation-request": {},
        "trigger-url-elicitation": {"url": "https://example.com/a", "elicitationId": "e"},
        "toggle-subscriber-updates": {},
        "toggle-subscriber-updates ": {},
        "get-resource-links": {"count": 3},
        "gzip-file-as-resource": {"data": "data:text/plain,hi", "outputType": "resource"},
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
    said["unsubscribe"] = plain(await session.unsubscribe_resource(uri))
    said["given up"] = await given_up(session)
    big = await session.call_tool("echo", {"message": "x" * (4 << 20)})
    return {**said, "progress": progress, "heard": heard, "told": told, "log": log, "big": len(big.content[0].text)}


async def main():
    environ, command = json.loads(sys.argv[1]), sys.argv[2:]
    parameters = StdioServerParameters(command=command[0], args=command[1:], env=environ)
    async with (
        stdio_client(parameters) as (reading, writing),
        ClientSession(
            reading,
            writing,
            sampling_callback=sample,
            elicitation_callback=elicit,
            list_roots_callback=roots,
            message_handler=tell,
            logging_callback=logged,
        ) as session,
    ):
        said = await talk(session)
    print(json.dumps(said))


anyio.run(main)
