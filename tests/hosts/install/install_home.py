"""A home with agent hosts in it, and `codespar hosts` as a person there runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from codespar_cli.hosts.install.backups import Backups
from codespar_cli.hosts.install.installing import carry_out, plan_install, plan_uninstall, settings_path
from codespar_cli.hosts.install.layouts import LAYOUTS
from codespar_cli.hosts.install.settings_file import read_settings
from codespar_cli.hosts.install.status import Surroundings

HOSTS = tuple(LAYOUTS)
ROOT = Path(__file__).parents[3]


class Home:
    """`home` is the user's, `work` where the user is, `root` stands for the system's own directories."""

    def __init__(self, directory):
        directory = directory / "house"
        self.home, self.work, self.root = directory / "home", directory / "work", directory / "root"
        for path in (self.home, self.work, self.root):
            path.mkdir(parents=True)
        self.state = directory / "state"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "CODESPAR_STATE_DIR": str(self.state),
            "PYTHONPATH": str(ROOT),
        }
        self.backups = Backups(str(self.state))

    def around(self, project=None):
        return Surroundings(self.env, self.work, str(self.state), project, self.root)

    def path(self, host, project=None):
        return settings_path(LAYOUTS[host], self.env, project)

    def write(self, host, text, mode=0o644):
        path = LAYOUTS[host].place(self.env)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    def plan(self, host, project=None):
        return plan_install(LAYOUTS[host], read_settings(self.path(host, project), project), self.backups)

    def install(self, host, project=None):
        return carry_out(self.plan(host, project), self.backups, keeping=True)

    def uninstall(self, host, project=None):
        path = self.path(host, project)
        change = plan_uninstall(LAYOUTS[host], read_settings(path, project), self.backups)
        carry_out(change, self.backups, keeping=False)
        return change

    def tree(self):
        """Everything under home: bytes, mode, and where a link leads."""
        return {
            str(path.relative_to(self.home)): (
                path.is_symlink() and path.readlink(),
                path.read_bytes() if path.is_file() else None,
                path.stat().st_mode,
            )
            for path in sorted(self.home.rglob("*"))
        }

    def codespar(self, *arguments, **process):
        given = {"capture_output": True, "text": True, "timeout": 120, "cwd": self.work, "env": self.env} | process
        return subprocess.run([sys.executable, "-P", "-m", "codespar_cli", *arguments], check=False, **given)

    def change(self, host, edit):
        """Edit what is installed, as a person would: `edit` gets the settings and the hooks of the judged event."""
        path = self.path(host)
        said = json.loads(path.read_text())
        edit(said, said["hooks"][LAYOUTS[host].judged])
        path.write_text(json.dumps(said, indent=2))
