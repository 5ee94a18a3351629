"""What the vault's tests share: two master keys, and the vault as one more process would see it."""

from __future__ import annotations

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
