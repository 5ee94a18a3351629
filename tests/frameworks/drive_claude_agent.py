"""The scenario through the real Claude Agent SDK and the Claude Code that it brings along. The model is a server on this
machine's loopback that answers as the Messages API does; the tools are an in-process MCP server of the SDK's own."""

import asyncio
import inspect
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from claude_agent_sdk import ClaudeAgentOptions, ToolResultBlock, UserMessage, create_sdk_mcp_server, query, tool
from framework_scenario import TOOLS, play

from codespar_cli.frameworks.claude_agent import codespar_hooks

PREFIX = "mcp__s__"


class Messages(BaseHTTPRequestHandler):
    """Asks for every call of the server's `calls` once, then says that it is done."""

    def log_message(self, *args):
        return

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        calls = [] if "tool_result" in json.dumps(request["messages"]) else self.server.calls
        blocks = [
            (
                {"type": "tool_use", "id": f"toolu_{os.urandom(4).hex()}_{number}", "name": PREFIX + name, "input": {}},
                {"type": "input_json_delta", "partial_json": json.dumps(args)},
            )
            for number, (name, args) in enumerate(calls)
        ] or [({"type": "text", "text": ""}, {"type": "text_delta", "text": "done"})]
        usage = {"input_tokens": 1, "output_tokens": 1}
        message = {"id": "m", "type": "message", "role": "assistant", "model": "none", "content": [], "usage": usage}
        events = [{"type": "message_start", "message": message}]
        for index, (block, delta) in enumerate(blocks):
            events += [
                {"type": "content_block_start", "index": index, "content_block": block},
                {"type": "content_block_delta", "index": index, "delta": delta},
                {"type": "content_block_stop", "index": index},
            ]
        reason = {"stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None}
        events += [{"type": "message_delta", "delta": reason, "usage": usage}, {"type": "message_stop"}]
        body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def as_tool(function):
    async def called(args):
        result = function(**args)
        result = await result if inspect.isawaitable(result) else result
        return {"content": [{"type": "text", "text": result}]}

    parameters = dict.fromkeys(inspect.signature(function).parameters, str)
    return tool(function.__name__, "a tool", parameters)(called)


def text_of(content):
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)


async def drive(guarded, calls):
    model.calls = calls
    options = ClaudeAgentOptions(
        hooks=guarded,
        mcp_servers={"s": create_sdk_mcp_server("s", tools=[as_tool(function) for function in TOOLS])},
        allowed_tools=[PREFIX + function.__name__ for function in TOOLS],
        setting_sources=[],
        model="none",
        env={
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{model.server_port}",
            "ANTHROPIC_API_KEY": "none",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
    )
    told = {}
    async for message in query(prompt="go", options=options):
        if isinstance(message, UserMessage) and isinstance(message.content, list):
            blocks = [block for block in message.content if isinstance(block, ToolResultBlock)]
            told.update({int(block.tool_use_id.rpartition("_")[2]): text_of(block.content) for block in blocks})
    return [told[number] for number in range(len(calls))]


async def denied_without_the_policys_doing(acts):
    """A hook that fails is a denial too: Claude Code is told so by `on_failure`."""
    hooks = codespar_hooks(acts.gate)

    async def failing(event, tool_use_id, context):
        raise RuntimeError

    hooks["PreToolUse"][0].hooks = [failing]
    (text,) = await drive(hooks, [("echo", {"text": "let through"})])
    assert "let through" not in text


model = ThreadingHTTPServer(("127.0.0.1", 0), Messages)
Thread(target=model.serve_forever, daemon=True).start()
more = {"error": "ToolError", "prefix": PREFIX}
asyncio.run(play(sys.argv[1], codespar_hooks, drive, denied_without_the_policys_doing, **more))
