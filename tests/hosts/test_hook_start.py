"""How a hook begins: its images hold what it imports, no more and no less."""

import json
import os
import subprocess
import sys

from hook_world import World, shell

from codespar_cli import hook_start, module_image

RECORDING = """
import os, sys
sys.path[:0] = {paths!r}
from codespar_cli import hook_start, module_image
from codespar_cli.quick_import import QuickFinder
finished = []
class Recording(QuickFinder):
    def exec_module(self, module):
        super().exec_module(module)
        finished.append(module.__name__.removeprefix("codespar_cli."))
sys.meta_path.insert(0, Recording(module_image.ROOT))
module_image.load = hook_start.load = lambda name: False
module_image.keep = hook_start.keep = lambda name, modules: None
end = os._exit
def told(code):
    os.write(2, " ".join(finished).encode())
    end(code)
os._exit = told
from codespar_cli.cli.hook_door import hook
hook(["hook", "claude"])
"""


def test_the_lists_are_what_a_hook_imports(tmp_path):
    """What an image holds that nobody needs costs time; what it lacks costs more."""
    world = World(tmp_path)
    for path in (world.config, world.rules):
        os.utime(path, (1, 1))
    world.hook("claude", shell("claude", "ls"))
    code = RECORDING.format(paths=[module_image.ROOT, *(path for path in sys.path if path.endswith("site-packages"))])
    for use in ("compiles what is not compiled yet", "is recorded"):
        done = subprocess.run(
            [sys.executable, "-I", "-c", code], input=json.dumps(shell("claude", "ls", use)).encode(), env=world.env,
            cwd=world.project, capture_output=True, timeout=60, check=True,
        )  # fmt: skip
    imported = [name for name in done.stderr.decode().split() if not name.startswith("hosts.dialects.")]
    listed = (hook_start.DOOR + hook_start.JUDGED).split()
    assert listed == imported, f"codespar_cli/hook_start.py should list\n{' '.join(imported)}"


def test_a_hook_writes_its_images_once_and_takes_its_modules_from_them(tmp_path):
    world = World(tmp_path)
    for _ in range(2):
        done = world.hook("claude", shell("claude", "ls"))
        assert done.returncode == 0, done.stderr
    told = world.hook("claude", shell("claude", "ls"), env={**world.env, "PYTHONPROFILEIMPORTTIME": "1"})
    one_by_one = {line.rpartition("|")[2].strip() for line in told.stderr.decode().splitlines()}
    assert "codespar_cli.module_image" in one_by_one
    assert not one_by_one & {
        "codespar_cli.cli.hook_door",
        "codespar_cli.core.gate",
        "codespar_cli.plugins.policy.engine",
    }
