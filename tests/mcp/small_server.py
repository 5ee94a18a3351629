"""A small MCP server of our own, for tests: it says and does what the tools below are called for, and nothing by itself.

Run as a program. It speaks both generations of the protocol, reads like a lenient server does (last of two keys, NaN taken)
and writes every line that it was given to the file that $SMALL_SERVER_LOG names. Where $SMALL_SERVER_TOOLS names a file, its
tools are those in it.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

LOG = os.environ.get("SMALL_SERVER_LOG")
TOOLS = [
    {"name": name, "description": f"does {name} · “quoted” \\ ünïcode", "inputSchema": {"type": "object"}}
    for name in ("echo", "big", "ask-client", "notify", "slow", "fail", "error", "priced", "env", "die", "secret/admin")
]
OTHER_TOOLS = os.environ.get("SMALL_SERVER_TOOLS")
write_lock = threading.Lock()
cancelled = threading.Event()
client_answers = {}
client_answered = threading.Condition()


def send(message, end="\n"):
    data = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
    with write_lock:
        sys.stdout.buffer.write((data + end).encode())
        sys.stdout.buffer.flush()


def text(words, **more):
    return {"content": [{"type": "text", "text": words}], **more}


def ask_client(id_, arguments):
    for number, method in enumerate(arguments["methods"]):
        asked = f"server-{number}"
        send({"jsonrpc": "2.0", "id": asked, "method": method, "params": {"n": number}})
        with client_answered:
            client_answered.wait_for(lambda asked=asked: asked in client_answers, 30)
    return text(json.dumps(client_answers, sort_keys=True))


def notify(id_, arguments):
    for number in range(arguments.get("times", 3)):
        progress = {"progressToken": arguments.get("token", 1), "progress": number}
        send({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress})
        send({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": number}})
    return text("notified")


def slow(id_, arguments):
    """Never answers: what is cancelled is not answered."""
    cancelled.wait(30)


def die(id_, arguments):
    number = arguments.get("signal")
    if number:
        os.kill(os.getpid(), number)
        time.sleep(30)
    os._exit(arguments.get("code", 0))


CALLS = {
    "echo": lambda id_, arguments: text(arguments.get("message", "")),
    "big": lambda id_, arguments: text("x" * arguments["size"]),
    "ask-client": ask_client,
    "notify": notify,
    "slow": slow,
    "fail": lambda id_, arguments: text("it broke", isError=True),
    "priced": lambda id_, arguments: text("paid", _meta=arguments["meta"], isError=arguments.get("failed", False)),
    "env": lambda id_, arguments: text(json.dumps({name: os.environ.get(name) for name in arguments["names"]})),
    "die": die,
    "secret/admin": lambda id_, arguments: text("admin"),
}


def answer(message):
    id_, method, params = message.get("id"), message.get("method"), message.get("params") or {}
    if method == "initialize":
        info = {"name": "small", "version": "1.2.3"}
        result = {
            "protocolVersion": params.get("protocolVersion", "2025-11-25"),
            "capabilities": {},
            "serverInfo": info,
        }
    elif method == "server/discover":
        result = {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
    elif method == "tools/list":
        result = {"tools": json.loads(Path(OTHER_TOOLS).read_text()) if OTHER_TOOLS else TOOLS}
    elif method == "tools/call":
        name = params.get("name")
        if name == "error":
            send({"jsonrpc": "2.0", "id": id_, "error": {"code": -32602, "message": "no"}})
            return
        result = CALLS[name](id_, params.get("arguments") or {})
    else:
        result = {}
    if result is not None:
        send({"jsonrpc": "2.0", "id": id_, "result": result})


def main():
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if LOG else None
    for line in sys.stdin.buffer:
        if log is not None:
            os.write(log, line)
        try:
            messages = json.loads(line)
        except ValueError:
            continue
        for message in messages if isinstance(messages, list) else [messages]:
            if not isinstance(message, dict):
                continue
            if "method" not in message:
                with client_answered:
                    client_answers[message.get("id")] = message.get("result", message.get("error"))
                    client_answered.notify_all()
            elif message["method"] == "notifications/cancelled":
                cancelled.set()
            elif "id" in message or message["method"] == "tools/call":
                threading.Thread(target=answer, args=(message,)).start()


main()
