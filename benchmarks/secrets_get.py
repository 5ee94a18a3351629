"""Reading one secret: cold, `codespar secrets get --reveal` against a bare Typer program that imports AESGCM and opens a
SQLite file (at most 1.3); in process, `get` of a vault with 1,000 secrets (p50 at most 60 us).

Interleaved cold starts in the same run; the medians are compared. The second ratio says what the record of a read
costs: an empty transaction on a store of the same kind is the floor.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = """
import sqlite3
import typer
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
app = typer.Typer()
@app.command()
def main(path: str):
    connection = sqlite3.connect(path)
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
app()
"""
RUNS = 25
READS = 5000
KEY = "hex:" + "ab" * 32


def timed(command, environment):
    started = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def cold(scratch):
    (scratch / "plugins.toml").write_text('version = 1\n[secrets]\nbackend = "vault"\n')
    (scratch / "bare.py").write_text(BARE)
    state = scratch / "state"
    environment = {
        **os.environ,
        "HOME": str(scratch),
        "VAULT_MASTER_KEY": KEY,
        "CODESPAR_STATE_DIR": str(state),
        "CODESPAR_CONFIG": str(scratch / "plugins.toml"),
    }
    codespar = str(Path(sys.executable).parent / "codespar")
    subprocess.run(
        [codespar, "secrets", "set", "K"], input=b"value", env=environment, stderr=subprocess.DEVNULL, check=True
    )
    commands = {
        "bare typer, AESGCM, SQLite": [sys.executable, str(scratch / "bare.py"), str(state / "vault.db")],
        "secrets get --reveal": [codespar, "secrets", "get", "K", "--reveal"],
    }
    times = {name: [] for name in commands}
    for command in commands.values():
        timed(command, environment)
    for _ in range(RUNS):
        for name, command in commands.items():
            times[name].append(timed(command, environment))
    medians = {name: statistics.median(values) for name, values in times.items()}
    floor = medians["bare typer, AESGCM, SQLite"]
    for name, value in medians.items():
        print(f"{name:28} {value * 1000:6.1f} ms   ratio {value / floor:.2f}   (at most 1.30)")


def sampled(act):
    times = []
    for _ in range(READS):
        started = time.perf_counter_ns()
        act()
        times.append((time.perf_counter_ns() - started) / 1000)
    return statistics.median(times)


def in_process(scratch):
    from codespar_cli.core.services import Services
    from codespar_cli.plugins.secrets.vault import SecretsVault
    from codespar_cli.plugins.secrets.vault_store import VaultStore

    vault = SecretsVault.from_options({}, Services(state_dir=scratch / "many"), environ={"VAULT_MASTER_KEY": KEY})
    for number in range(1000):
        vault.set("acme", f"K{number}", "x" * 100)
    store = VaultStore(scratch / "floor" / "vault.db")

    def floor():
        with store.write(durable=False) as connection:
            connection.execute("UPDATE chain_head SET seq = seq + 1")

    read, empty = sampled(lambda: vault.get("acme", "K500")), sampled(floor)
    print(f"{'one row written':28} {empty:6.1f} us")
    print(f"{'get, recorded':28} {read:6.1f} us   ratio {read / empty:.2f}   (at most 60 us)")


def main():
    with tempfile.TemporaryDirectory() as directory:
        cold(Path(directory))
        in_process(Path(directory))


main()
