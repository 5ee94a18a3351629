from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import codespar_cli
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.plugins.observability.observer import MCPObserver

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class SettableClock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "metrics.db"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module that names STORES has its tests run on each of them."""
    stores = getattr(metafunc.module, "STORES", ())
    if stores and "observer" in metafunc.fixturenames:
        metafunc.parametrize("observer", stores, indirect=True)


@pytest.fixture
def observer(request: pytest.FixtureRequest, path: Path, clock: SettableClock):
    if getattr(request, "param", "sqlite") == "postgres":
        url = request.getfixturevalue("postgres").new_database()
        made = MCPObserver(path, clock=clock, server=lambda: url)
    else:
        made = MCPObserver(path, clock=clock)
    yield made
    made.close()


@pytest.fixture
def metric() -> Callable[..., ToolMetric]:
    def make(tool: str = "git/push", **fields: Any) -> ToolMetric:
        known = {"agent_id": "bot", "latency_ms": 10.0, "success": True, **fields}
        return ToolMetric(tool_name=tool, **known)

    return make


class CommandLine:
    """`codespar` as real processes, over one project directory and one state directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state_dir = directory / "state"
        self.configure("[observability]\nbackend = 'observer'\n")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("CODESPAR_", "XDG_"))}
        self.environ = {
            **kept,
            "PYTHONPATH": str(Path(codespar_cli.__file__).parents[1]),
            "CODESPAR_STATE_DIR": str(self.state_dir),
            "HOME": str(directory),
            "NO_COLOR": "1",
        }

    def configure(self, text: str) -> None:
        (self.directory / "plugins.toml").write_text(f"version = 1\n{text}")

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "codespar_cli", *arguments],
            cwd=self.directory,
            env=self.environ,
            text=True,
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )

    def run(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, stdin=subprocess.PIPE)
        out, err = process.communicate(given, timeout=60)
        assert "Traceback" not in err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@pytest.fixture
def codespar(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)
