"""The operations that faults are tried on: what each starts from, and what it does."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from format_one_file import VECTOR, lay_down
from vault_kit import NEW, OLD, make_vault

from codespar_cli.plugins.secrets.vault import SecretsVault

ME = "tester"
MARK = "plaintext"
"""In every value, so that one that reached a file is found."""
STEADY = f"{MARK}-steady"


def nothing(state: Path) -> None:
    """No vault at all, nor its directory."""


def filled(state: Path) -> None:
    vault = make_vault(state)
    vault.set("acme", "STEADY", STEADY)
    for tenant in ("acme", "globex"):
        for number in range(4):
            for version in range(1 + number):
                vault.set(tenant, f"K{number}", f"{MARK}-{tenant}-{number}-{version}")
    vault.delete("globex", "K2", actor=ME)
    vault.rotate_master(actor=ME)  # the log is begun anew, as it is after any longer life
    vault.set("acme", "K2", f"{MARK}-last")
    vault.close()


def hidden(state: Path) -> None:
    filled(state)
    vault = make_vault(state)
    vault.delete("acme", "K3", actor=ME)
    vault.close()


def due(state: Path) -> None:
    """A version whose grace is over: whatever comes next erases it."""
    filled(state)
    vault = make_vault(state)
    vault.replace("acme", "K3", f"{MARK}-replaced", grace=timedelta(0), actor=ME)
    vault.close()


def key_in_file(state: Path) -> None:
    filled(state)
    path = state.parent / "master.key"
    path.write_text(OLD + "\n")
    path.chmod(0o600)


class Case(NamedTuple):
    """`keys` are the master key and the one before it, as the operation gets them; `before` opens what is there first."""

    start: Callable[[Path], None]
    act: Callable[[SecretsVault], Any]
    keys: tuple[str, str | None] = (OLD, None)
    before: str = OLD
    reference: str | None = None
    erases: bool = False


FIRST_KEY = "hex:" + json.loads(VECTOR.read_text())["master_key"]
_FORMER: dict[str, Any] = {"start": lay_down, "keys": (FIRST_KEY, None), "before": FIRST_KEY}


def _batch(count: int, length: int) -> dict[str, str]:
    return {f"K{number}": f"{MARK}-{number}-" + "x" * length for number in range(count)}


CASES = {
    "set, the first ever": Case(nothing, lambda vault: vault.set("acme", "K", MARK)),
    "set, a new key": Case(filled, lambda vault: vault.set("acme", "K9", f"{MARK}-9")),
    "set, a new tenant": Case(filled, lambda vault: vault.set("initech", "K", f"{MARK}-i")),
    "set, a new value": Case(filled, lambda vault: vault.set("acme", "K1", f"{MARK}-new")),
    "set, key in a file": Case(
        key_in_file, lambda vault: vault.set("acme", "K1", f"{MARK}-f"), reference="file:master.key"
    ),
    "import": Case(filled, lambda vault: vault.put_all("acme", _batch(6, 10), on_conflict="replace", actor=ME)),
    "import, large": Case(
        filled, lambda vault: vault.put_all("acme", _batch(60, 40_000), on_conflict="replace", actor=ME)
    ),
    "rollback": Case(filled, lambda vault: vault.rollback("acme", "K3", to=2, actor=ME)),
    "delete": Case(filled, lambda vault: vault.delete("acme", "K3", actor=ME)),
    "undelete": Case(hidden, lambda vault: vault.undelete("acme", "K3", actor=ME)),
    "destroy": Case(filled, lambda vault: vault.destroy("acme", "K3", actor=ME), erases=True),
    "destroy, one version": Case(filled, lambda vault: vault.destroy("acme", "K3", version=2, actor=ME), erases=True),
    "rotate KEY": Case(
        filled, lambda vault: vault.replace("acme", "K3", f"{MARK}-r", grace=timedelta(0), actor=ME), erases=True
    ),
    "rotate KEY, its end": Case(due, lambda vault: vault.get("acme", "STEADY"), erases=True),
    "rotate": Case(filled, lambda vault: vault.rotate_master(actor=ME), erases=True),
    "rotate, new master key": Case(filled, lambda vault: vault.rotate_master(actor=ME), keys=(NEW, OLD), erases=True),
    "rotate --reencrypt": Case(filled, lambda vault: vault.rotate_values(actor=ME), erases=True),
    "format 1, set": Case(act=lambda vault: vault.set("acme", "OTHER", f"{MARK}-o"), **_FORMER),
    "format 1, rotate": Case(act=lambda vault: vault.rotate_master(actor=ME), erases=True, **_FORMER),
    "format 1, reencrypt": Case(act=lambda vault: vault.rotate_values(actor=ME), erases=True, **_FORMER),
}
