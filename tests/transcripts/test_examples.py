"""The sandboxes under examples/: each session goes as written, and each has its bad twin."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from transcript import parse, run

EXAMPLES = Path(__file__).parents[2] / "examples"
SANDBOXES = ("change-window", "coding-agent", "payments")
EVERY = [name + suffix for name in SANDBOXES for suffix in ("", "_bad")]
PLAYED = [*EVERY, "cedar", "rego"]


@pytest.mark.parametrize("name", PLAYED)
def test_a_sandbox_goes_as_written(name, newcomer, tmp_path):
    directory = tmp_path / name
    shutil.copytree(EXAMPLES / name, directory)
    environment = {
        "HOME": str(newcomer),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "120",
        "TMPDIR": str(tmp_path),
    }
    assert run((EXAMPLES / name / "session.txt").read_text(), directory, environment) is None


# What is different each time it is typed: ids, times, and how long until then.
VARYING = re.compile(r"\b(ap|rs)-\w+|\d{4}-\d\d-\d\dT[\d:.]+Z")


@pytest.mark.parametrize("name", PLAYED)
def test_a_readme_answers_the_same_whatever_was_typed_before(name, newcomer, tmp_path):
    """Typed twice in one home, the README's commands print the same."""
    directory = tmp_path / name
    shutil.copytree(EXAMPLES / name, directory)
    readme = (EXAMPLES / name / "README.md").read_text()
    commands = re.findall(r"^(?:\$ |    (?=codespar|export))(.*)$", readme, re.M)
    assert len(commands) > 1
    environment = {
        "HOME": str(newcomer),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
        "TMPDIR": str(tmp_path),
    }

    def printed():
        script = "\n".join(commands)
        answer = subprocess.run(
            ["sh"], input=script, cwd=directory, env=environment, capture_output=True, text=True, timeout=120
        )
        return VARYING.sub("[..]", answer.stdout)

    first = printed()
    shutil.copytree(EXAMPLES / name, directory, dirs_exist_ok=True)
    assert first
    assert printed() == first


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
