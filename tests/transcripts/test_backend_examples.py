"""The sandboxes of the foreign decision backends, run as they stand."""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from transcript import run

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", ["cedar", "rego"])
def test_the_sandbox_goes_as_written(name, newcomer, tmp_path):
    directory = tmp_path / "sandbox"
    shutil.copytree(EXAMPLES / name, directory)
    environment = {
        "HOME": str(newcomer),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "120",
        "TMPDIR": str(tmp_path),
    }
    assert run((EXAMPLES / name / "session.txt").read_text(), directory, environment) is None
