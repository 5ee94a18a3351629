from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from vault_kit import OLD, make_vault

from codespar_cli.plugins.secrets.vault import SecretsVault
from codespar_cli.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def open_vault(state: Path, clock: FakeClock) -> Callable[..., SecretsVault]:
    return partial(make_vault, state, clock=clock)


@pytest.fixture
def vault(open_vault: Callable[..., SecretsVault]) -> SecretsVault:
    return open_vault()


class CommandLine:
    """`codespar secrets` in a directory of its own, as a user runs it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.environ = {**os.environ, "VAULT_MASTER_KEY": OLD, "CODESPAR_STATE_DIR": str(self.state)}
        (directory / "plugins.toml").write_text('version = 1\n[secrets]\nbackend = "vault"\n')

    def run(self, *arguments: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "codespar_cli", "secrets", *arguments],
            input=stdin,
            capture_output=True,
            cwd=self.directory,
            env={**self.environ, **environ},
            timeout=60,
        )


@pytest.fixture
def codespar(tmp_path: Path) -> CommandLine:
    directory = tmp_path / "project"
    directory.mkdir()
    return CommandLine(directory)
