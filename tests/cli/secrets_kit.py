"""`codespar` with a vault in a directory of its own, as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

KEY = "hex:" + "ab" * 32
CANARY = "canary-9b1e77"


class Project:
    def __init__(self, directory: Path):
        directory.mkdir()
        self.directory = directory
        self.state = directory / "state"
        self.environ = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")])),
            "VAULT_MASTER_KEY": KEY,
            "CODESPAR_STATE_DIR": str(self.state),
        }
        self.configure('[secrets]\nbackend = "vault"\n')

    def configure(self, text):
        (self.directory / "plugins.toml").write_text("version = 1\n" + text)

    def command(self, *arguments):
        return [sys.executable, "-m", "codespar_cli", "secrets", *arguments]

    def run(self, *arguments, stdin=b"", **environ):
        return subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            cwd=self.directory,
            env={**self.environ, **environ},
            timeout=60,
        )

    def start(self, *arguments, **options):
        return subprocess.Popen(self.command(*arguments), cwd=self.directory, env=self.environ, **options)

    def keep(self, tenant="default", **values):
        self.keep_all(values, tenant)

    def keep_all(self, values, tenant="default"):
        document = json.dumps(values).encode()
        done(self.run("import", "-", "--format", "json", "--tenant", tenant, stdin=document))

    def values(self, tenant="default"):
        return json.loads(done(self.run("export", "--reveal", "-o", "json", "--tenant", tenant)).stdout)

    def records(self, kind):
        shown = subprocess.run(
            [sys.executable, "-m", "codespar_cli", "audit", "export", "-o", "jsonl"],
            capture_output=True,
            cwd=self.directory,
            env=self.environ,
            timeout=60,
        )
        assert shown.returncode == 0, shown.stderr
        return [record for line in shown.stdout.splitlines() if (record := json.loads(line))["kind"] == kind]


def done(result, code=0):
    assert result.returncode == code, (result.returncode, result.stdout, result.stderr)
    assert b"Traceback" not in result.stderr
    assert CANARY.encode() not in result.stderr
    return result
