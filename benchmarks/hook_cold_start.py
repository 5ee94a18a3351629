"""`codespar hook claude`, end to end, against `python -c pass`: at most 2.5, with 200 rules and one budget.

Cold starts of the same interpreter, interleaved. Two ratios of medians are told: of CPU time, which other work on the
machine disturbs least, and of wall time, in which the disk's own time to make a hold and its record durable is as well.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = 41
EVENT = {
    "session_id": "s1",
    "transcript_path": "/tmp/transcript.jsonl",
    "cwd": "/tmp",
    "hook_event_name": "PreToolUse",
    "tool_name": "Read",
    "tool_input": {"file_path": "/etc/hosts"},
}
DIRECT = """
import sys
sys.path += {paths!r}
from codespar_cli.hook_main import main
main()
"""
GATE = """
import os, sys
sys.path += {paths!r}
import gc; gc.disable()
from codespar_cli.core.light_json import dumps, loads
from codespar_cli.cold_gate import open_gate
from codespar_cli.core.calls import CallContext, ToolCall
event = loads(os.read(0, 1 << 20).decode())
context = CallContext(session=event["session_id"], args=event["tool_input"])
decision = open_gate().check(ToolCall("claude", event["tool_name"], None, context))
os.write(1, dumps({{"allowed": decision.allowed, "hold": decision.reservation_id}}).encode())
os._exit(0)
"""


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


def timed(command, environment, directory):
    event = json.dumps({**EVENT, "tool_use_id": f"toolu_{time.monotonic_ns()}"})
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, env=environment, cwd=directory, input=event.encode(), capture_output=True, check=True
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall, done


def imported(command, environment, directory):
    """What a run imports beside what the interpreter starts with, of codespar and of others."""
    _, _, done = timed([*command[:3], "-X", "importtime", *command[3:]], environment, directory)
    names = [line.rpartition("|")[2].strip() for line in done.stderr.decode().splitlines() if "import time:" in line]
    names = names[names.index("site") + 1 :] if "site" in names else names
    ours = [name for name in names if name.startswith("codespar_cli")]
    return len(ours), sorted({name for name in names if not name.startswith("codespar_cli")})


def main():
    paths = [str(ROOT), *[path for path in sys.path if path.endswith("site-packages")]]
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch, "project")
        project.mkdir()
        Path(project, "policy.yaml").write_text(policy())
        Path(project, "plugins.toml").write_text('version = 1\n[policy]\nbackend = "engine"\nrules = "policy.yaml"\n')
        environment = {"HOME": scratch, "PATH": os.environ["PATH"]}
        isolated = [sys.executable, "-I", "-S", "-c"]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "the gate alone": [*isolated, GATE.format(paths=paths)],
            "codespar hook claude": [*isolated, DIRECT.format(paths=paths), "claude"],
        }
        time.sleep(0.1)  # the rules file must be older than a tick of its clock before anything is kept of it
        for command in commands.values():
            for _ in range(3):
                timed(command, environment, project)
        times = {name: [] for name in commands}
        for _ in range(RUNS):
            for name, command in commands.items():
                times[name].append(timed(command, environment, project)[:2])
        count, others = imported(commands["codespar hook claude"], environment, project)
    floor = [statistics.median(each) for each in zip(*times["python -c pass"], strict=True)]
    for name, values in times.items():
        cpu, wall = (statistics.median(each) for each in zip(*values, strict=True))
        print(
            f"{name:22} cpu {cpu * 1e3:6.1f} ms  ratio {cpu / floor[0]:.2f}"
            f"   wall {wall * 1e3:6.1f} ms  ratio {wall / floor[1]:.2f}"
        )
    print("codespar hook may take at most 2.5 of python -c pass")
    print(f"it imports {count} modules of codespar, and: {' '.join(others)}")


main()
