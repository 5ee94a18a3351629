"""Masking the output of a command: `secrets run -- cat FILE` against `cat FILE | cat`, 100 MB of log lines, 50 secrets.

Both in the same run. The floor has one pipe as well, so the ratio is what codespar's start and masking cost.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZE = 100_000_000
RUNS = 5
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def timed(command, environment):
    started = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main():
    source = random.Random(1)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        (directory / "plugins.toml").write_text('version = 1\n[secrets]\nbackend = "vault"\n')
        line = "2026-11-23T08:00:00 INFO request {:032x} path=/api/v1/items status=200 took=12ms\n"
        block = "".join(line.format(source.getrandbits(128)) for _ in range(10_000)).encode()
        (directory / "log").write_bytes((block * (SIZE // len(block) + 1))[:SIZE])
        environment = {
            **os.environ,
            "VAULT_MASTER_KEY": "hex:" + "ab" * 32,
            "CODESPAR_STATE_DIR": str(directory / "state"),
            "CODESPAR_CONFIG": str(directory / "plugins.toml"),
        }
        codespar = [sys.executable, "-m", "codespar_cli", "secrets"]
        values = {f"K{number}": "".join(source.choices(ALPHABET, k=32)) for number in range(50)}
        subprocess.run(
            [*codespar, "import", "-", "--format", "json"],
            input=json.dumps(values).encode(),
            env=environment,
            capture_output=True,
            check=True,
        )
        commands = {
            "cat | cat": ["sh", "-c", f"cat {directory}/log | cat"],
            "secrets run --no-masking": [*codespar, "run", "--no-masking", "--", "cat", f"{directory}/log"],
            "secrets run": [*codespar, "run", "--", "cat", f"{directory}/log"],
        }
        times = {name: [] for name in commands}
        for _ in range(RUNS):
            for name, command in commands.items():
                times[name].append(timed(command, environment))
        floor = statistics.median(times["cat | cat"])
        for name, taken in times.items():
            median = statistics.median(taken)
            print(f"{name:26} {median * 1000:7.1f} ms  {SIZE / median / 1e6:7.0f} MB/s  ratio {median / floor:.1f}")


if __name__ == "__main__":
    main()
