"""`POST /v1/hook/claude` on a running `codespar serve`, over one connection that is kept: at most 1 ms, p50.

    python benchmarks/http_hook.py [--rounds 400]

200 rules and one budget, as in hook_cold_start.py. Each round asks `/healthz` (what the server costs by itself), then a
PreToolUse that is allowed (judged, reserved, noted), its PostToolUse (settled, recorded), and a PreToolUse that is denied.
Both settings of the policy's `durability` are measured by turns: with `full`, the default, every decision is on the disk
before it is answered, and what the disk takes for that is measured beside it, by appending and syncing 4 KiB in the same
directory. The promise is held with `normal`, which a crash or kill -9 does not hurt and a power cut may take back; with
`full` it is held beyond what the disk takes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOKEN = "only-for-this-benchmark"
LIMIT_MS, WARM_UP = 1.0, 40
PLUGINS = """version = 1
state_dir = "state"
[policy]
backend = "engine"
rules = "policy.yaml"
durability = "{durability}"
[observability]
backend = "observer"
durability = "batch"
[integrations]
active = []
[serve]
token = "env:BENCHMARK_TOKEN"
"""
EVENT = {
    "session_id": "s1",
    "transcript_path": "/tmp/t.jsonl",
    "cwd": "/tmp",
    "tool_input": {"file_path": "/etc/hosts"},
}


def policy():
    """200 rules, of which one is a budget that is about every call."""
    rules = [{"id": "money", "effect": "budget", "limit": "5000.00", "per": "agent", "window": "calendar day"}]
    for n in range(66):
        when = {"args.force": True, "args.environment": ["production", "staging"]}
        rules.append({"id": f"deny-{n}", "effect": "deny", "tools": [f"svc{n}/del_*", f"old{n}/**"], "when": when})
        rules.append({"id": f"pace-{n}", "effect": "rate", "tools": [f"svc{n}/**"], "limit": "1000 per 1h"})
        rules.append({"id": f"allow-{n}", "effect": "allow", "tools": [f"svc{n}/get_*"], "agents": ["claude*"]})
    rules.append({"id": "everything", "effect": "allow", "tools": ["**"]})
    return json.dumps({"version": 1, "costs": {"**": "0.01"}, "rules": rules}, indent=1)


class Client:
    """One connection, kept."""

    def __init__(self, port):
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, path, document=None):
        """Seconds, and the body of the answer."""
        body = b"" if document is None else json.dumps(document).encode()
        method = "GET" if document is None else "POST"
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
        started = time.perf_counter()
        self.connection.sendall(head.encode() + body)
        found = b""
        while b"\r\n\r\n" not in found:
            found += self.connection.recv(65536)
        head, _, answer = found.partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head)[1])
        while len(answer) < length:
            answer += self.connection.recv(65536)
        took = time.perf_counter() - started
        assert head.startswith(b"HTTP/1.1 200"), head
        return took, answer


@contextmanager
def serving(directory, durability):
    directory.mkdir()
    (directory / "plugins.toml").write_text(PLUGINS.format(durability=durability))
    (directory / "policy.yaml").write_text(policy())
    environment = {
        **os.environ,
        "BENCHMARK_TOKEN": TOKEN,
        "PYTHONPATH": str(ROOT),
        "HOME": str(directory),
        "CODESPAR_STATE_DIR": str(directory / "user"),
    }
    command = [sys.executable, "-m", "codespar_cli", "--config", "plugins.toml", "serve", "--port", "0"]
    process = subprocess.Popen(command, cwd=directory, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        said = process.stderr.readline()
        found = re.search(r":(\d+)$", said.strip())
        assert found, said
        yield Client(int(found[1]))
    finally:
        process.terminate()
        process.communicate()


def synced(directory):
    """What it takes to append 4 KiB and have them on the disk."""
    with (directory / "synced").open("ab") as file:
        started = time.perf_counter()
        file.write(bytes(4096))
        file.flush()
        os.fdatasync(file.fileno())
        return time.perf_counter() - started


def one_round(client, number, figures):
    def timed(name, path, document=None):
        took, body = client.ask(path, document)
        figures.setdefault(name, []).append(took * 1000)
        return body

    timed("healthz", "/healthz")
    event = {**EVENT, "tool_use_id": f"toolu_{number}", "tool_name": "Read"}
    allowed = timed("allowed", "/v1/hook/claude", {**event, "hook_event_name": "PreToolUse"})
    assert not allowed, allowed
    timed("over", "/v1/hook/claude", {**event, "hook_event_name": "PostToolUse", "tool_response": {"ok": True}})
    denied = {**event, "tool_name": "svc1/del_all", "tool_input": {"force": True, "environment": "production"}}
    answer = timed("denied", "/v1/hook/claude", {**denied, "hook_event_name": "PreToolUse"})
    assert b"deny-1" in answer, answer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=400)
    rounds = parser.parse_args().rounds
    settings = ("normal", "full")
    figures = {setting: {} for setting in settings}
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clients = {setting: stack.enter_context(serving(root / setting, setting)) for setting in settings}
        for number in range(rounds + WARM_UP):
            if number == WARM_UP:
                figures = {setting: {} for setting in settings}
            for setting, client in clients.items():
                one_round(client, number, figures[setting])
            figures["full"].setdefault("disk", []).append(synced(root) * 1000)
    for setting in settings:
        for name, values in figures[setting].items():
            cut = statistics.quantiles(values, n=100)
            print(f"{setting:7} {name:8} p50 {cut[49]:.3f} ms  p95 {cut[94]:.3f} ms  p99 {cut[98]:.3f} ms")
    p50 = {
        setting: {name: statistics.median(values) for name, values in figures[setting].items()} for setting in settings
    }
    within = p50["normal"]["allowed"] <= LIMIT_MS
    beyond = p50["full"]["allowed"] - p50["full"]["disk"]
    print(f"normal: an allowed call {p50['normal']['allowed']:.3f} ms, at most {LIMIT_MS} ms: {within}")
    print(f"full: an allowed call {beyond:.3f} ms beyond one sync of the disk")
    print(f"cpu of this process {resource.getrusage(resource.RUSAGE_SELF).ru_utime:.1f} s")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
