"""`codespar policy check` end to end against a bare one-command Typer program: at most 1.5.

Interleaved cold starts in the same run; the medians are compared.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BARE = "import typer\napp = typer.Typer()\n@app.command()\ndef main(): pass\napp()\n"
RUNS = 25


def timed(command, environment, directory):
    started = time.perf_counter()
    subprocess.run(
        command, env=environment, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - started


def main():
    with tempfile.TemporaryDirectory() as scratch:
        bare = Path(scratch, "bare.py")
        bare.write_text(BARE)
        environment = {**os.environ, "HOME": scratch}
        codespar = str(Path(sys.executable).parent / "codespar")
        check = [codespar, "--config", str(ROOT / "plugins.toml"), "policy", "check", "fs/read"]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "bare typer": [sys.executable, str(bare)],
            "codespar --version": [codespar, "--version"],
            "policy check": check,
        }
        times = {name: [] for name in commands}
        for command in commands.values():
            timed(command, environment, scratch)
        for _ in range(RUNS):
            for name, command in commands.items():
                times[name].append(timed(command, environment, scratch))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, value in medians.items():
        print(f"{name:20} {value * 1000:6.1f} ms   ratio {value / medians['bare typer']:.2f}")
    print("policy check may take at most 1.5 of bare typer")


main()
