"""Every transcript, the quickstart and the README's own session, run as they stand."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from transcript import parse, run  # noqa: E402

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
QUICKSTART = ROOT / "examples" / "quickstart"


@pytest.fixture
def environment(newcomer):
    return {
        "HOME": str(newcomer),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "120",
    }


@pytest.mark.parametrize("path", sorted(HERE.glob("*.txt")), ids=lambda path: path.stem)
def test_a_session_goes_as_written(path, newcomer, environment):
    assert run(path.read_text(), newcomer, environment) is None


def test_the_quickstart_goes_as_written(tmp_path, environment):
    directory = tmp_path / "quickstart"
    shutil.copytree(QUICKSTART, directory)
    assert run((QUICKSTART / "session.txt").read_text(), directory, environment) is None


def test_the_readme_shows_the_quickstarts_session():
    readme = (ROOT / "README.md").read_text()
    session = (QUICKSTART / "session.txt").read_text()
    commands = {step.command for step in parse(session)}
    shown = [step for block in re.findall(r"```console\n(.*?)```", readme, re.S) for step in parse(block)]
    in_session = [step for step in shown if step.command in commands]
    assert len(in_session) == len(commands)
    for step in in_session:
        original = next(other for other in parse(session) if other.command == step.command)
        assert (step.expected, step.code) == (original.expected, original.code)


def readme_blocks():
    text = (ROOT / "README.md").read_text()
    return re.findall(r"```(console|python|toml|yaml)\n(.*?)```", text, re.S)


@pytest.mark.parametrize(("language", "block"), readme_blocks(), ids=lambda value: value[:24].strip().replace("\n", " "))
def test_every_block_of_the_readme_works(language, block, newcomer, tmp_path, environment):
    directory = tmp_path / "checkout"
    shutil.copytree(QUICKSTART, directory)
    for name in ("plugins.toml", "policy.yaml", "payload.json"):
        shutil.copy(ROOT / name, directory / f"root-{name}")
    if language == "console":
        assert run(block, directory, environment) is None
    elif language == "python":
        script = tmp_path / "block.py"
        script.write_text(block)
        assert run(f"$ python {script}\n...", directory, environment) is None
    elif language == "toml":
        import tomllib

        assert tomllib.loads(block)
    else:
        import yaml

        assert yaml.safe_load(block)
