"""A home with a governed project, and the hook as the process that a host starts there."""

import json
import os
import subprocess
import sys
from pathlib import Path

from host_golden import before

HOOK = (sys.executable, "-P", "-m", "codespar_cli", "hook")
PLUGINS = """version = 1
[policy]
backend = "engine"
rules = "policy.yaml"
[observability]
backend = "observer"
"""
ALLOW_ALL = "version: 1\ntimezone: UTC\ncurrency: USD\ndefault: allow\nrules: []\n"
RULES = """version: 1
timezone: UTC
currency: USD
default: deny
costs: {"shell": "1.00"}
rules:
  - {id: no-rm, effect: deny, tools: ["shell"], when: {args.command: {glob: "rm *"}}, reason: nothing is removed here}
  - {id: deploys, effect: approve, tools: ["shell"], when: {args.command: {glob: "deploy *"}}, approvers: [ana]}
  - {id: budget, effect: budget, tools: ["shell"], limit: "3.00", per: agent, window: total}
  - {id: shells, effect: allow, tools: ["shell", "fs/read"]}
"""


class World:
    """`home/project` holds plugins.toml, `state` what codespar keeps."""

    def __init__(self, root, rules=RULES, plugins=PLUGINS):
        self.project = root / "project"
        self.state = root / "state"
        self.project.mkdir()
        self.config = self.project / "plugins.toml"
        self.rules = self.project / "policy.yaml"
        self.rules.write_text(rules)
        if plugins is not None:
            self.config.write_text(plugins)
        package = Path(__file__).parents[2]
        self.env = {**os.environ, "CODESPAR_STATE_DIR": str(self.state), "PYTHONPATH": str(package)}

    def hook(self, host, event, *options, raw=None, **process):
        """One finished process."""
        data = json.dumps(event).encode() if raw is None else raw
        given = {"capture_output": True, "timeout": 30, "cwd": self.project, "env": self.env} | process
        return subprocess.run([*HOOK, host, *options], input=data, **given)

    def start(self, host, *options, **process):
        """One that is still to be told its event."""
        pipe = subprocess.PIPE
        given = {"stdin": pipe, "stdout": pipe, "stderr": pipe, "cwd": self.project, "env": self.env} | process
        return subprocess.Popen([*HOOK, host, *options], **given)

    def codespar(self, *arguments):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "codespar_cli", *arguments],
            capture_output=True, text=True, timeout=60, cwd=self.project, env=self.env, check=False,
        )  # fmt: skip
        assert done.returncode in {0, 1}, done.stderr
        return done.stdout

    def budget(self, agent):
        found = json.loads(self.codespar("policy", "budgets", "-o", "json"))
        return next(((row["spent"], row["held"]) for row in found if agent in row["scope"]), None)

    def metrics(self):
        return json.loads(self.codespar("metrics", "stats", "-o", "json"))


def shell(host, command, use="use-1", **more):
    """One event before a shell command."""
    event = before(host)
    key = "toolArgs" if host == "copilot" else "tool_input"
    event = {**event, key: {"command": command}, **more}
    return {**event, "tool_use_id": use} if "tool_use_id" in event else event
