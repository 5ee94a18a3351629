"""The sandboxes under examples/: each session goes as written, and each has its bad twin."""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from transcript import parse, run

EXAMPLES = Path(__file__).parents[2] / "examples"
SANDBOXES = ("change-window", "coding-agent", "payments")
EVERY = [name + suffix for name in SANDBOXES for suffix in ("", "_bad")]


@pytest.mark.parametrize("name", EVERY)
def test_a_sandbox_goes_as_written(name, newcomer, tmp_path):
    directory = tmp_path / name
    shutil.copytree(EXAMPLES / name, directory)
    environment = {
        "HOME": str(newcomer),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "120",
    }
    assert run((EXAMPLES / name / "session.txt").read_text(), directory, environment) is None


@pytest.mark.parametrize("name", EVERY)
def test_a_sandbox_has_what_its_readme_speaks_of(name):
    readme = (EXAMPLES / name / "README.md").read_text()
    for needed in ("plugins.toml", "policy.yaml", "policy_test.yaml", "session.txt"):
        assert (EXAMPLES / name / needed).is_file()
    for word in readme.replace("`", " ").replace(",", " ").split():
        if word.endswith((".yaml", ".sh", ".txt", ".json")):
            assert (EXAMPLES / name / word).is_file(), word
    assert len(readme.splitlines()) <= 40


@pytest.mark.parametrize("name", SANDBOXES)
def test_the_bad_twin_shows_every_kind_of_mistake(name):
    """A file that is refused with its line, lint findings, scenarios that fail; and every file in it is shown."""
    twin = EXAMPLES / f"{name}_bad"
    session = (twin / "session.txt").read_text()
    codes = {
        step.command.split()[2]: step.code for step in parse(session) if step.command.startswith("codespar policy")
    }
    assert codes["test"] == 1
    assert "WHERE" in session
    for path in sorted((twin / "refused").iterdir()):
        assert f"$ codespar policy lint refused/{path.name}\nerror: refused/{path.name}:" in session
