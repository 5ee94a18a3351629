"""`codespar webhook replay` of 1,000 payloads, against what it takes to start at all.

    python benchmarks/webhook_replay.py [--rounds 7]

Cold starts in turns: `codespar --version`, the light door; a replay of an empty directory, which is start-up with
everything a replay loads except a payload's own work; and a replay of 1,000 payloads of 7.6 KB, once as a directory of
files and once as one file with a record a line, both with `--verify`, and once from the inbox with `--diff`. Every output is
counted before it is believed.
Promise: 1,000 payloads take under 1 s beyond start-up.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from webhook_receiver import ROOT, SECRET, delivery_id, request_of

from codespar_cli.core.clock import system_clock
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.webhooks.inbox.delivery import Arrival
from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox
from codespar_cli.webhooks.told_event import told_of

PAYLOADS, WITHIN_S = 1000, 1.0


def headers_and_body(number: int) -> tuple[dict[str, str], bytes]:
    head, _, body = request_of(number).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines), body


def fill_inbox(state: Path) -> None:
    """The same deliveries as `codespar serve` would have kept and read them."""
    store, hook, now = SqliteInbox(state), GitHub(), system_clock()
    for number in range(PAYLOADS):
        headers, body = headers_and_body(number)
        kept = tuple((name.lower(), value) for name, value in headers.items() if name.lower().startswith("x-"))
        [accepted] = store.accept([Arrival("default", "github", delivery_id(number), body, kept, now)])
        event = asyncio.run(hook.handle_webhook(body, headers))
        assert event is not None
        store.read(accepted.id, told_of(event), (), at=now)
    store.close()


def prepared(directory: Path) -> dict[str, tuple[list[str], int]]:
    """The commands, and how many payloads each must say that it handled."""
    config = directory / "plugins.toml"
    config.write_text(
        f'state_dir = "{directory}/state"\n[integrations]\nactive = ["github"]\n'
        '[integrations.github]\nsecret = "env:BENCHMARK_SECRET"\n'
    )
    empty, bodies, records = directory / "empty", directory / "bodies", directory / "records.ndjson"
    empty.mkdir()
    (empty / ".hidden").touch()
    bodies.mkdir()
    lines = []
    for number in range(PAYLOADS):
        headers, body = headers_and_body(number)
        (bodies / f"{number:04}.json").write_text(
            json.dumps({"headers": headers, "body_b64": base64.b64encode(body).decode()})
        )
        lines.append(json.dumps({"headers": headers, "body": body.decode(), "provider": "github"}))
    records.write_text("\n".join(lines))
    fill_inbox(directory / "state")
    codespar = [sys.executable, "-m", "codespar_cli"]
    replay = [*codespar, "--config", str(config), "webhook", "replay"]
    return {
        "codespar --version": ([*codespar, "--version"], 0),
        "replay of nothing": ([*replay, str(empty), "-o", "json"], 0),
        "1,000 files": ([*replay, str(bodies), "--verify", "-o", "json"], PAYLOADS),
        "1,000 lines": ([*replay, str(records), "--verify", "-o", "json"], PAYLOADS),
        "1,000 files, as a table": ([*replay, str(bodies), "--verify"], PAYLOADS),
        "1,000 of the inbox, --diff": ([*replay, "--last", str(PAYLOADS), "--diff"], PAYLOADS),
    }


def timed(command: list[str], expected: int, directory: Path) -> float:
    environment = {**os.environ, "HOME": str(directory), "BENCHMARK_SECRET": SECRET, "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, cwd=directory, capture_output=True, check=False)
    taken = time.perf_counter() - began
    if "json" in command:
        said = {delivery_id(number).encode() in done.stdout for number in range(expected)}
        good = False not in said and done.stdout.count(b'"handled"') == expected
    else:
        told = f"{expected} handled" + (", 0 would change" if "--diff" in command else "")
        good = not expected or told.encode() in done.stderr
    if not good or (expected and done.returncode):
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr.decode()[-2000:]}")
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description="replaying 1,000 payloads beyond start-up")
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        commands = prepared(Path(scratch))
        times: dict[str, list[float]] = {name: [] for name in commands}
        for count in range(rounds + 1):
            for name, (command, expected) in commands.items():
                taken = timed(command, expected, Path(scratch))
                if count:  # the first one fills the caches
                    times[name].append(taken)
    medians = {name: statistics.median(values) for name, values in times.items()}
    beyond = {name: medians[name] - medians["replay of nothing"] for name in medians}
    for name, value in medians.items():
        print(f"{name:28}{value * 1000:7.0f} ms   beyond start-up {max(beyond[name], 0) * 1000:6.0f} ms")
    worst = max(beyond.values())
    print(f"{PAYLOADS:,} payloads: {worst:.2f} s, aim < {WITHIN_S:.0f} s: {'kept' if worst < WITHIN_S else 'NOT KEPT'}")
    return 0 if worst < WITHIN_S else 1


if __name__ == "__main__":
    sys.exit(main())
