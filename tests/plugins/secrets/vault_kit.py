"""What the vault's tests share: two master keys, and the vault as one more process would see it."""

from __future__ import annotations

import os
import pty
import select
import sys
from pathlib import Path
from typing import Any

from codespar_cli.core.clock import Clock
from codespar_cli.core.services import Services
from codespar_cli.plugins.secrets.vault import SecretsVault
from codespar_cli.testing import FakeClock

OLD = "hex:" + "ab" * 32
NEW = "hex:" + "cd" * 32
WORKER = Path(__file__).parent / "vault_worker.py"


def make_vault(
    state: Path, key: str = OLD, previous: str | None = None, *, clock: Clock | None = None, **options: Any
) -> SecretsVault:
    environ = {"VAULT_MASTER_KEY": key}
    if previous is not None:
        environ["VAULT_MASTER_KEY_PREVIOUS"] = previous
    services = Services(state_dir=state, clock=clock or FakeClock(), config_dir=state.parent)
    return SecretsVault.from_options(options, services, environ=environ)


def raw_bytes(state: Path) -> bytes:
    """Everything in every file of the state directory."""
    return b"".join(path.read_bytes() for path in sorted(state.iterdir()))


def converse(codespar, arguments, answers):
    """Run with a terminal on all three streams, answer each prompt; give back what the screen showed, and the code."""
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(codespar.directory)
        os.execve(sys.executable, [sys.executable, "-m", "codespar_cli", "secrets", *arguments], codespar.environ)
    shown = b""
    for prompt, answer in answers:
        while prompt not in shown.split(b"\r\n")[-1]:
            assert select.select([screen], [], [], 20)[0], shown
            shown += os.read(screen, 4096)
        os.write(screen, answer + b"\n")
        shown += b"\r\n"
    try:
        while chunk := os.read(screen, 4096):
            shown += chunk
    except OSError:
        pass
    os.close(screen)
    return shown, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
