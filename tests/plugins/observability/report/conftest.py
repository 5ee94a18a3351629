from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import codespar_cli

EXAMPLE = Path(codespar_cli.__file__).parents[1] / "examples" / "metrics-report"


@pytest.fixture
def example(codespar):
    """The two weeks of the example, recorded, checked and pinned as its page says."""
    (codespar.directory / "plugins.toml").write_text((EXAMPLE / "plugins.toml").read_text())
    now = datetime.now(UTC).isoformat()
    subprocess.run([sys.executable, EXAMPLE / "two_weeks.py", codespar.directory, "--until", now], check=True)
    for code, *arguments in (
        (0, "metrics", "record", "--from", "calls.jsonl"),
        (1, "metrics", "checks", "--calls", "seen.jsonl", "--tools", "tools.json", "--record"),
        (0, "metrics", "drift", "--tools", "tools.json", "--server", "files"),
        (0, "metrics", "drift", "--tools", "tools-now.json", "--server", "files"),
    ):
        done = codespar.run(*arguments)
        assert done.returncode == code, done.stderr
    return codespar
