"""`codespar mcp wrap` beside the bare server, in the same run: time to the first answer, and time per call.

The policy has 200 rules and one budget, so a call is decided, held and recorded in the store before it passes. Promises: at
most 0.3 ms p50 added per call, at most 100 ms added to the start. Both are run in turns, so that a busy machine is busy for
both; and so is a proxy that only copies, the least that standing in between can cost. `durability = "full"`, the default, has each decision survive a power cut: then a call also waits for the disk, and
the last line shows how long the disk takes for a bare transaction.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
CALLS, ROUNDS, STARTS = 200, 12, 15
SERVER = """
import sys
out = sys.stdout.buffer
for line in sys.stdin.buffer:
    start = line.index(b'"id":') + 5
    end = line.index(b',', start)
    out.write(b'{"jsonrpc":"2.0","id":' + line[start:end] + b',"result":{"content":[{"type":"text","text":"hi"}]}}\\n')
    out.flush()
"""
COPIER = """
import os, subprocess, sys, threading
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def copy(source, target):
    while data := os.read(source, 65536):
        os.write(target, data)
    os.close(target)
threading.Thread(target=copy, args=(0, server.stdin.fileno()), daemon=True).start()
copy(server.stdout.fileno(), 1)
os._exit(server.wait())
"""
RULES = "".join(f"  - {{id: r{n}, effect: allow, tools: ['server{n}/**']}}\n" for n in range(200))
POLICY = f"""
version: 1
default: deny
costs: {{"small/**": "0.000001"}}
rules:
{RULES}  - {{id: small, effect: allow, tools: ["small/**"]}}
  - {{id: month, effect: budget, limit: "900000", per: agent, window: calendar month}}
"""


class Client:
    def __init__(self, command, environ):
        self.started = time.perf_counter()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ)
        self.number = 0

    def ask(self, method, params):
        self.number += 1
        message = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}
        data = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        began = time.perf_counter()
        os.write(self.process.stdin.fileno(), data)
        line = os.read(self.process.stdout.fileno(), 65536)
        took = time.perf_counter() - began
        assert b'"id":%d,' % self.number in line, line
        assert b"isError" not in line, line
        return took

    def first_answer(self):
        self.ask("initialize", {"clientInfo": {"name": "bench", "version": "1"}})
        return time.perf_counter() - self.started

    def call(self):
        return self.ask("tools/call", {"name": "echo", "arguments": {"message": f"hi {self.number}"}})

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)


def starts(commands, environ):
    times = {name: [] for name in commands}
    for number in range(STARTS + 1):
        for name, command in commands.items():
            client = Client(command, environ)
            took = client.first_answer()
            client.close()
            if number:  # the first fills caches
                times[name].append(took)
    return {name: statistics.median(values) * 1000 for name, values in times.items()}


def calls(commands, environ):
    clients = {name: Client(command, environ) for name, command in commands.items()}
    times = {name: [] for name in commands}
    for client in clients.values():
        client.first_answer()
        for _ in range(CALLS):
            client.call()
    for _ in range(ROUNDS):
        for name, client in clients.items():
            times[name] += [client.call() for _ in range(CALLS)]
    for client in clients.values():
        client.close()
    return {name: statistics.median(values) * 1000 for name, values in times.items()}


def show(what, times, most):
    added, copied = (times[name] - times["direct"] for name in ("wrapped", "copied"))
    print(f"{what:16} direct {times['direct']:7.3f} ms  wrapped {times['wrapped']:7.3f} ms", end="")
    print(f"  added {added:7.3f} ms, by a proxy that only copies {copied:7.3f} ms  (promise: {most})")


def one_sync(directory):
    """A transaction of one row that is on the disk when it returns: what full durability costs at the very least."""
    import apsw

    connection = apsw.Connection(str(directory / "floor.db"))
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "CREATE TABLE kept (a)"):
        list(connection.execute(statement))
    taken = []
    for number in range(CALLS):
        began = time.perf_counter()
        connection.execute("INSERT INTO kept VALUES (?)", (number,))
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


def environment(here, durability):
    here.mkdir()
    (here / "policy.yaml").write_text(POLICY)
    (here / "plugins.toml").write_text(
        f'version = 1\n[policy]\nbackend = "engine"\ndurability = "{durability}"\n[observability]\nbackend = "observer"\n'
    )
    return {
        **os.environ,
        "HOME": str(here),
        "CODESPAR_CONFIG": str(here / "plugins.toml"),
        "CODESPAR_STATE_DIR": str(here / "state"),
        "PYTHONPATH": str(ROOT),
    }


def main():
    with tempfile.TemporaryDirectory() as scratch:
        server = Path(scratch, "server.py")
        server.write_text(SERVER)
        normal, full = (environment(Path(scratch, name), name) for name in ("normal", "full"))
        direct = [sys.executable, str(server)]
        wrap = [sys.executable, "-P", "-m", "codespar_cli", "mcp", "wrap", "--name", "small", "--", *direct]
        copier = Path(scratch, "copier.py")
        copier.write_text(COPIER)
        commands = {"direct": direct, "copied": [sys.executable, str(copier), *direct], "wrapped": wrap}
        show("first answer", starts(commands, normal), "100 ms")
        show("call, p50", calls(commands, normal), "0.3 ms")
        show("call, p50, full", calls(commands, full), "0.3 ms and the disk's time")
        print(f"{'one synced row':16} {one_sync(Path(scratch)):8.3f} ms")


main()
