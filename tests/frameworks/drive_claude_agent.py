"""The scenario through the real Claude Agent SDK. Its transport is a scripted stand-in for the Claude Code process: it
speaks the SDK's control protocol, asks the registered hooks before and after each tool, and runs the tools itself."""

import asyncio
import inspect
import json
import sys

from claude_agent_sdk import ClaudeAgentOptions, Transport, query
from framework_scenario import RAN, TOOLS, play

from codespar_cli.frameworks.claude_agent import codespar_hooks

FUNCTIONS = {function.__name__: function for function in TOOLS}


class ClaudeCode(Transport):
    def __init__(self, calls):
        self.calls, self.told, self.hooks = calls, [], {}
        self.sent, self.waiting = asyncio.Queue(), {}

    async def connect(self):
        return

    async def close(self):
        return

    async def end_input(self):
        return

    def is_ready(self):
        return True

    async def write(self, data):
        message = json.loads(data)
        if message["type"] == "control_request":
            self.hooks = message["request"].get("hooks") or self.hooks
            answer = {"hook_on_failure_supported": True, "hooks_applied": True, "commands": []}
            body = {"subtype": "success", "request_id": message["request_id"], "response": answer}
            await self.sent.put({"type": "control_response", "response": body})
        elif message["type"] == "control_response":
            self.waiting.pop(message["response"]["request_id"]).set_result(message["response"])
        elif message["type"] == "user":
            self.work = asyncio.create_task(self.turn())

    async def read_messages(self):
        while (message := await self.sent.get()) is not None:
            yield message

    async def ask(self, event, number, **more):
        tool, args = self.calls[number]
        (matcher,) = self.hooks[event]
        if event == "PreToolUse":
            assert matcher["onFailure"] == "block"
        said = {
            "hook_event_name": event, "session_id": "s1", "cwd": "/w", "transcript_path": "/t", "tool_name": tool,
            "tool_input": args, "tool_use_id": f"t{id(self)}-{number}", **more,
        }  # fmt: skip
        name = f"{event}-{number}"
        request = {"subtype": "hook_callback", "callback_id": matcher["hookCallbackIds"][0], "input": said}
        self.waiting[name] = asyncio.get_running_loop().create_future()
        answer = self.waiting[name]
        await self.sent.put({"type": "control_request", "request_id": name, "request": request})
        return (await answer)["response"]

    async def call(self, number):
        tool, args = self.calls[number]
        answer = (await self.ask("PreToolUse", number)).get("hookSpecificOutput", {})
        if answer.get("permissionDecision") == "deny":
            return answer["permissionDecisionReason"]
        try:
            result = FUNCTIONS[tool](**args)
            result = await result if inspect.isawaitable(result) else result
        except Exception as error:
            await self.ask("PostToolUseFailure", number, error=str(error))
            return "the tool failed"
        await self.ask("PostToolUse", number, tool_response=result)
        return result

    async def turn(self):
        self.told = await asyncio.gather(*map(self.call, range(len(self.calls))))
        result = {
            "type": "result", "subtype": "success", "duration_ms": 1, "duration_api_ms": 1, "is_error": False,
            "num_turns": 1, "session_id": "s1",
        }  # fmt: skip
        await self.sent.put(result)
        await self.sent.put(None)


async def drive(guarded, calls):
    process = ClaudeCode(calls)

    async def prompt():
        yield {"type": "user", "message": {"role": "user", "content": "go"}, "session_id": "s1"}

    async for _ in query(prompt=prompt(), options=ClaudeAgentOptions(hooks=guarded), transport=process):
        pass
    return process.told


acts = asyncio.run(play(sys.argv[1], codespar_hooks, drive, error="ToolError"))
RAN.clear()
