"""An agent in a project below a home, with settings, links and another name of a protected file there."""

import os

from codespar_cli.core.calls import CallContext, ToolCall
from codespar_cli.core.guard.self_protection import SelfProtection


def world_in(root):
    home, project = root / "home", root / "home/code/project"
    for directory in (
        home / ".claude",
        home / ".config/codespar",
        home / ".local/state/codespar",
        project / "src",
        project / ".claude",
    ):
        directory.mkdir(parents=True)
    (home / ".claude/settings.json").write_text("{}")
    (home / ".bashrc").write_text("")
    (project / "plugins.toml").write_text("")
    (project / ".claude/settings.json").write_text("{}")
    (project / "link").symlink_to(home / ".claude")
    (project / "alias.json").symlink_to(home / ".claude/settings.json")
    os.link(project / ".claude/settings.json", project / "hard.json")
    return root


class Agent:
    """Asks about its calls. Each answer is a refusal or None."""

    def __init__(self, root, **environ):
        self.home, self.project = root / "home", root / "home/code/project"
        files = [str(self.project / "plugins.toml"), str(self.project / "rules/policy.yaml")]
        self.protection = SelfProtection(files, environ={"HOME": str(self.home), **environ})

    def asks(self, tool, cwd=None, **args):
        return self.gives(tool, args, cwd)

    def gives(self, tool, args, cwd=None):
        attributes = {"cwd": str(cwd or self.project)}
        return self.protection(ToolCall("claude", tool, None, CallContext(args=args, attributes=attributes)))

    def writes(self, path, tool="Write", key="file_path", cwd=None):
        return self.asks(tool, cwd, **{key: path, "content": "x"})

    def runs(self, command):
        return self.asks("Bash", command=command)
