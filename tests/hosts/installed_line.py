"""The line that `hosts install` wrote before a call, run as each host runs it, in a world that governs."""

import json
import subprocess
import sys

from hook_world import RULES, World, shell
from host_golden import denies

from codespar_cli.hosts.install.layouts import LAYOUTS

DROP_OVERRIDES = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
for capability in (1, 2):
    if os.geteuid() == 0 and libc.prctl(24, capability, 0, 0, 0):
        sys.exit("no capability can be dropped")
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Root without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: modes of files hold for it as for anybody (capabilities(7))."""


class InstalledLine:
    """The host's hook has been asked once, and has allowed: what governs is known, and its stores are there."""

    def __init__(self, root, host):
        self.world = World(root, RULES.replace("3.00", "300.00"))
        self.host, self.layout = host, LAYOUTS[host]
        home = root / "user"
        home.mkdir()
        self.world.env["HOME"] = str(home)
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", self.layout.home_variable):
            self.world.env.pop(name, None)
        self.settings = self.layout.place(self.world.env)
        self.world.codespar("hosts", "install", host, "--yes")
        self.world.env.pop("PYTHONPATH")
        first = self.run()
        assert not self.runs_no_tool(first), first

    @property
    def handler(self):
        entry = json.loads(self.settings.read_text())["hooks"][self.layout.judged][0]
        return entry["hooks"][0] if self.layout.grouped else entry

    def argv(self):
        if "args" in self.handler:
            return [self.handler["command"], *self.handler["args"]]
        return ["/bin/sh", "-c", self.handler[self.layout.command_key]]

    def lose(self, found, instead):
        """The line as it is once a file that it names is gone."""
        text = self.settings.read_text()
        assert found in text
        self.settings.write_text(text.replace(found, instead))

    def run(self, *before, **process):
        """One finished process; 127 where it could not be started, as a shell says it."""
        given = {"capture_output": True, "timeout": 30, "cwd": self.world.project, "env": self.world.env} | process
        event = json.dumps(shell(self.host, "ls", "use-2")).encode()
        try:
            return subprocess.run([*before, *self.argv()], input=event, check=False, **given)
        except OSError:
            return subprocess.CompletedProcess(self.argv(), 127, b"", b"")

    def run_with_modes(self):
        return self.run(sys.executable, "-c", DROP_OVERRIDES)

    def runs_no_tool(self, done):
        """By the host's own rules: Claude Code takes any other code for a block where the hook's `onFailure` says so."""
        if self.host == "claude" and done.returncode not in {0, 2}:
            return self.handler["onFailure"] == "block"
        return denies(self.host, done.stdout, done.returncode)
