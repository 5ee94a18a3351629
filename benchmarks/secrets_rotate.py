"""Changing the keys of 100,000 secrets of 1,000 tenants: `rotate` (at most 100 ms) and `rotate --reencrypt` (at most 2 s).

Floors in the same run. For re-encrypting: AES-256-GCM opens and seals as many values, and a plain SQLite table of the
same shape, on the same file system, gets them in one durable transaction. For rewrapping: the same of 1,000 keys.
Both measure the whole command, with checking the manifests, verifying before the commit and emptying the log.
"""

import gc
import os
import resource
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from codespar_cli.core.services import Services
from codespar_cli.plugins.secrets.vault import SecretsVault

TENANTS = 1000
SECRETS = 100
VALUE = "x" * 100
RUNS = 5
PLAIN = "CREATE TABLE kept (tenant INTEGER, key BLOB, sealed BLOB, PRIMARY KEY (tenant, key)) STRICT, WITHOUT ROWID"


def vault_in(state):
    key = "hex:" + "ab" * 32
    return SecretsVault.from_options({}, Services(state_dir=state), environ={"VAULT_MASTER_KEY": key})


def seconds(act):
    gc.collect()
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def plain_store(path, tenants, secrets):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    aead = AESGCM(bytes(32))
    rows = []
    for tenant in range(tenants):
        for number in range(secrets):
            nonce = os.urandom(12)
            rows.append((tenant, b"K%03d" % number, nonce + aead.encrypt(nonce, VALUE.encode(), None)))
    connection.execute(PLAIN)
    connection.executemany("INSERT INTO kept VALUES (?, ?, ?)", rows)
    connection.commit()
    return connection


def floor(connection):
    """Read every row, open it, seal it, write it back."""
    old, new = AESGCM(bytes(32)), AESGCM(bytes(32))
    changed = []
    for tenant, key, sealed in connection.execute("SELECT tenant, key, sealed FROM kept"):
        nonce = os.urandom(12)
        value = old.decrypt(sealed[:12], sealed[12:], None)
        changed.append((nonce + new.encrypt(nonce, value, None), tenant, key))
    connection.executemany("UPDATE kept SET sealed = ? WHERE tenant = ? AND key = ?", changed)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def fill(state):
    """A vault of that size, a tenant at a time."""
    vault = vault_in(state)
    for tenant in range(TENANTS):
        vault.put_all(f"t{tenant:04}", {f"K{number:03}": VALUE for number in range(SECRETS)}, actor="benchmark")
    vault.close()


def main():
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        fill(scratch / "state")
        values = plain_store(scratch / "values.db", TENANTS, SECRETS)
        keys = plain_store(scratch / "keys.db", TENANTS, 1)
        # A vault of its own for each run: what a command does that has not seen the file before.
        acts = {
            "1,000 keys, bare": lambda: floor(keys),
            "rotate": lambda: vault_in(scratch / "state").rotate_master(actor="benchmark"),
            "100,000 values, bare": lambda: floor(values),
            "rotate --reencrypt": lambda: vault_in(scratch / "state").rotate_values(actor="benchmark"),
        }
        times = {name: [] for name in acts}
        for _ in range(RUNS):
            for name, act in acts.items():
                times[name].append(seconds(act))
        vault_in(scratch / "state").verify(actor="benchmark")
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    bare = ""
    for name, median in medians.items():
        bare = name if "bare" in name else bare
        spread = f"{min(times[name]) * 1000:.0f} to {max(times[name]) * 1000:.0f}"
        print(f"{name:22} {median * 1000:7.0f} ms ({spread})   ratio {median / medians[bare]:.2f}")
    print(f"{'memory at most':22} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:7.0f} MB")


main()
