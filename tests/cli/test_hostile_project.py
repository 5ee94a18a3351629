"""A directory that somebody else wrote: no command imports, reads as code, or runs anything of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from codespar_cli.cli.app import COMMANDS, app

ROOT = Path(__file__).parents[2]
# Beside every module of Python's own: what we and our dependencies import.
THEIRS = {
    "typer", "rich", "yaml", "apsw", "click", "pydantic", "cryptography", "tomli_w", "tzdata", "shellingham", "pygments",
    "markdown_it", "annotated_doc", "starlette", "uvicorn", "psycopg", "sitecustomize", "usercustomize", "colorsys", "mcp",
    "typing_extensions", "cedarpy", "anyio", "pluggy", "setup", "conftest",
}  # fmt: skip
SHELL = "#!/bin/sh\ntouch '{sentinel}'\n"
PLUGINS = """version = 1
[policy]
backend = "engine"
[observability]
backend = "observer"
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile")
    project, sentinel = root / "home/project", root / "executed"
    project.mkdir(parents=True)
    trap = f"open({str(sentinel)!r}, 'a').write(__name__ + chr(10))\n"
    for name in {*sys.stdlib_module_names, *THEIRS} - {"__main__", "builtins"}:
        (project / f"{name}.py").write_text(trap)
        (project / f"{name}").mkdir()
        (project / name / "__init__.py").write_text(trap)
    (project / "evil.pth").write_text(f"import os; {trap}")
    (project / "pyvenv.cfg").write_text("home = .\ninclude-system-site-packages = true\n")
    (project / ".env").write_text("PYTHONSTARTUP=./site.py\nCODESPAR_CONFIG=evil.toml\nPYTHONPATH=.\n")
    (project / "pyproject.toml").write_text(
        '[project]\nname = "evil"\n[project.entry-points."codespar.policy"]\nevil = "evil:Evil"\n'
    )
    egg = project / "evil-1.0.dist-info"
    egg.mkdir()
    (egg / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (egg / "entry_points.txt").write_text("[codespar.policy]\nevil = typer:Evil\n")
    for tool in ("git", "pager", "less", "python", "python3", "codespar", "sh"):
        (project / tool).write_text(SHELL.format(sentinel=sentinel)) if not (project / tool).exists() else None
        (project / tool).chmod(0o755)
    (project / "plugins.toml").write_text(PLUGINS)
    (project / "policy.yaml").write_text("version: 1\nrules:\n  - {id: all, effect: allow}\n")
    (project / "payload.json").write_text("{}")
    script = root / "bin/codespar"
    script.parent.mkdir()
    # What pip writes for a console command.
    script.write_text(
        "import re\nimport sys\nfrom codespar_cli.__main__ import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
    )
    return project, sentinel, script


def run(hostile, arguments, *, start, **environ):
    project, sentinel, script = hostile
    before = {"console": [sys.executable, str(script)], "module": [sys.executable, "-P", "-m", "codespar_cli"]}[start]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CODESPAR_", "XDG_", "PYTHON"))}
    env = {**kept, "HOME": str(project.parent), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **environ}
    done = subprocess.run(
        [*before, *arguments], cwd=project, env=env, input="", capture_output=True, text=True, timeout=60, check=False
    )
    executed = sentinel.read_text() if sentinel.exists() else ""
    sentinel.unlink(missing_ok=True)
    assert not executed, arguments
    return done


def every_command():
    root = typer.main.get_command(app)
    for name in COMMANDS:
        inner = getattr(root.commands[name], "commands", None)
        yield (name,)
        for sub in inner or ():
            yield name, sub
            for third in getattr(inner[sub], "commands", None) or ():
                yield name, sub, third


def test_there_are_traps(hostile):
    project, sentinel, _ = hostile
    subprocess.run([sys.executable, "-c", "import typer"], cwd=project, check=False, capture_output=True)
    assert sentinel.exists()
    sentinel.unlink()


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), (), ("nonsense",), ("policy", "--help")])
@pytest.mark.parametrize("start", ["console", "module"])
def test_looking_runs_nothing(hostile, arguments, start):
    done = run(hostile, arguments, start=start)
    assert done.returncode in {0, 2}, done.stderr


@pytest.mark.parametrize("start", ["console", "module"])
def test_working_runs_nothing(hostile, start):
    assert run(hostile, ("policy", "check", "fs/read"), start=start).returncode == 0
    assert run(hostile, ("doctor",), start=start).returncode in {0, 1}
    run(hostile, ("plugins", "status"), start=start)
    run(hostile, ("hook", "claude"), start=start)


def test_of_our_own_imports_none_is_found_there_without_p_either(hostile, tmp_path):
    """What Python itself imports for `-m` it takes from there before anybody can stop it: `-P` does."""
    project, sentinel, _ = hostile
    shutil.copytree(project, tmp_path / "project")
    loaded = [sys.executable, "-I", "-c", "import runpy, pkgutil, sys; print(*sys.modules)"]
    for name in subprocess.run(loaded, capture_output=True, text=True, check=True).stdout.split():
        (tmp_path / f"project/{name}.py").unlink(missing_ok=True)
        shutil.rmtree(tmp_path / "project" / name, ignore_errors=True)
    env = {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    for arguments in (("--version",), ("--help",), ("policy", "check", "fs/read"), ("doctor",)):
        done = subprocess.run(
            [sys.executable, "-m", "codespar_cli", *arguments], cwd=tmp_path / "project", env=env, capture_output=True, text=True, check=False
        )  # fmt: skip
        executed = sentinel.read_text().split() if sentinel.exists() else []
        sentinel.unlink(missing_ok=True)
        assert (executed, done.returncode in {0, 1}) == ([], True), (arguments, done.stderr)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_runs_nothing(hostile, shell):
    words = {"COMP_WORDS": "codespar pol", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "codespar pol"}
    completed = run(hostile, (), start="console", _CODESPAR_COMPLETE=f"complete_{shell}", **words)
    shown = run(hostile, ("--show-completion", shell), start="console")
    assert "Traceback" not in completed.stderr + shown.stderr


def test_a_distribution_that_lies_in_the_project_is_not_installed(hostile):
    assert "evil" not in run(hostile, ("plugins", "list"), start="console").stdout


@pytest.mark.slow
def test_no_command_runs_anything(hostile):
    names = list(every_command())
    assert len(names) > 60
    for name in names:
        run(hostile, (*name, "--help"), start="console")
        if name in {("serve",), ("metrics", "tail")}:  # they go on until somebody ends them
            continue
        run(hostile, name, start="console")
        run(hostile, (*name, "payload.json"), start="console")
