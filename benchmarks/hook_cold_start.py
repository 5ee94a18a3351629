"""`codespar hook claude`, end to end, against `python -c pass`: at most 2.5, with 200 rules and one budget.

Two ways to start it: the line that `codespar hosts install` writes, and the console command, to which an installer may add
what it likes (the script of an older pip imports `re`, a third of `python -c pass`). Cold starts of the same interpreter, interleaved. Two ratios of medians are told: of CPU time, which other work on the
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

from codespar_cli.hosts.install.command import hook_command

RUNS = 41
HOOK = "what hosts install wrote"
EVENT = {
    "session_id": "s1",
    "transcript_path": "/tmp/transcript.jsonl",
    "cwd": "/tmp",
    "hook_event_name": "PreToolUse",
    "tool_name": "Read",
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


def timed(command, environment, directory):
    event = json.dumps({**EVENT, "tool_use_id": f"toolu_{time.monotonic_ns()}"})
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, env=environment, cwd=directory, input=event.encode(), capture_output=True, check=True
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall, done


def imported(command, environment, directory):
    """What a run imports of others, beside what the interpreter starts with."""
    _, _, done = timed([command[0], "-X", "importtime", *command[1:]], environment, directory)
    names = [line.rpartition("|")[2].strip() for line in done.stderr.decode().splitlines() if "import time:" in line]
    names = names[names.index("site") + 1 :] if "site" in names else names
    return sorted({name for name in names if not name.startswith("codespar_cli")})


def main():
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch, "project")
        project.mkdir()
        Path(project, "policy.yaml").write_text(policy())
        Path(project, "plugins.toml").write_text('version = 1\n[policy]\nbackend = "engine"\nrules = "policy.yaml"\n')
        environment = {"HOME": scratch, "PATH": os.environ["PATH"]}
        console = Path(sys.executable).with_name("codespar")
        commands = {"python -c pass": [sys.executable, "-c", "pass"], HOOK: hook_command("claude")}
        if console.is_file():
            commands["codespar hook claude"] = [str(console), "hook", "claude"]
        time.sleep(0.1)  # the rules file must be older than a tick of its clock before anything is kept of it
        for command in commands.values():
            for _ in range(3):
                timed(command, environment, project)
        times = {name: [] for name in commands}
        for _ in range(RUNS):
            for name, command in commands.items():
                times[name].append(timed(command, environment, project)[:2])
        others = imported(commands[HOOK], environment, project)
    floor = [statistics.median(each) for each in zip(*times["python -c pass"], strict=True)]
    for name, values in times.items():
        cpu, wall = (statistics.median(each) for each in zip(*values, strict=True))
        print(
            f"{name:24} cpu {cpu * 1e3:6.1f} ms  ratio {cpu / floor[0]:.2f}"
            f"   wall {wall * 1e3:6.1f} ms  ratio {wall / floor[1]:.2f}"
        )
    print("codespar hook may take at most 2.5 of python -c pass")
    print(f"beside codespar it imports {' '.join(others)}")


main()
