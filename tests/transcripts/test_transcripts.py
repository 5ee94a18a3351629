"""Every transcript, the quickstart and the README's own session, run as they stand."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from transcript import parse, pattern, run

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


def test_the_demo_plays_the_whole_quickstart(tmp_path, environment):
    directory = tmp_path / "quickstart"
    shutil.copytree(QUICKSTART, directory)
    demo = subprocess.run(
        ["sh", "demo.sh"], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert (demo.returncode, demo.stderr) == (0, "")
    played = [line.removeprefix("$ ") for line in demo.stdout.splitlines() if line.startswith("$ ")]
    assert len(played) == len(parse((QUICKSTART / "session.txt").read_text()))


def test_the_readme_shows_the_quickstarts_session():
    """The README shows real figures where the session has `[..]`, and every command in its order."""
    session = parse((QUICKSTART / "session.txt").read_text())
    commands = {step.command for step in session}
    shown = [step for _, block in readme_blocks() for step in parse(block) if step.command in commands]
    assert [step.command for step in shown] == [step.command for step in session]
    for step, original in zip(shown, session, strict=True):
        printed = "".join(f"{line.rstrip()}\n" for line in step.expected)
        assert step.code == original.code
        assert pattern(original.expected).fullmatch(printed), step.command


@pytest.fixture
def root_files(tmp_path):
    directory = tmp_path / "checkout"
    directory.mkdir()
    for name in ("plugins.toml", "policy.yaml", "payload.json"):
        shutil.copy(ROOT / name, directory)
    return directory


def test_the_four_commands_of_the_readme_work_at_the_root(root_files, environment):
    (block,) = re.findall(r"```\n(export VAULT_MASTER_KEY=.*?)```", (ROOT / "README.md").read_text(), re.S)
    text = "".join(f"$ {line}\n...\n" for line in block.splitlines())
    assert run(text, root_files, environment) is None


def readme_blocks():
    """All but those of the section that `test_readme_agent.py` types."""
    text = re.sub(r"## In front of your agent\n.*?\n(?=## )", "", (ROOT / "README.md").read_text(), flags=re.S)
    return re.findall(r"```(console|python|toml|yaml)\n(.*?)```", text, re.S)


@pytest.mark.parametrize(
    ("language", "block"), readme_blocks(), ids=lambda value: value[:24].strip().replace("\n", " ")
)
def test_every_other_block_of_the_readme_works(language, block, root_files, tmp_path, environment):
    if language == "console":
        session = {step.command for step in parse((QUICKSTART / "session.txt").read_text())}
        if not session & {step.command for step in parse(block)}:
            assert run(block, root_files, environment) is None
    elif language == "python":
        script = tmp_path / "block.py"
        script.write_text(block)
        assert run(f"$ python {script}\n...", root_files, environment) is None
    elif language == "toml":
        import tomllib

        assert tomllib.loads(block)
    else:
        import yaml

        assert yaml.safe_load(block)
