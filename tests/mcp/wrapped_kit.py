"""A client for tests that speaks bytes, and a server wrapped or not: what one run says, the other must say as well."""

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMALL = Path(__file__).with_name("small_server.py")
TIMEOUT = 15
OPEN = 'version: 1\nrules:\n  - {id: all, effect: allow, tools: ["**"]}\n'


class Session:
    """One client with its server. Lines come as they were written, by a thread that reads them."""

    def __init__(self, command, environ, directory):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
            cwd=directory,
            start_new_session=True,
        )
        self.lines = queue.SimpleQueue()
        self.errors = []
        threading.Thread(target=self._read, daemon=True).start()
        self._talk = threading.Thread(target=self._listen, daemon=True)
        self._talk.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(b"")

    def _listen(self):
        for line in self.process.stderr:
            self.errors.append(line)

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message):
        self.write(json.dumps(message).encode() + b"\n")

    def line(self):
        return self.lines.get(timeout=TIMEOUT)

    def read(self):
        return json.loads(self.line())

    def ask(self, method, params=None, id_=1):
        self.send({"jsonrpc": "2.0", "id": id_, "method": method, "params": params or {}})
        return self.read()

    def call(self, tool, arguments=None, id_=1, **params):
        return self.ask("tools/call", {"name": tool, "arguments": arguments or {}, **params}, id_)

    def end(self):
        """Close our end. The exit code."""
        self.process.stdin.close()
        return self.wait()

    def wait(self):
        code = self.process.wait(TIMEOUT)
        self._talk.join(TIMEOUT)
        return code

    @property
    def stderr(self):
        return b"".join(self.errors).decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(TIMEOUT)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except OSError:
                pass


class Wrapping:
    """A directory with a configuration, and servers wrapped by it."""

    def __init__(self, directory, policy=OPEN, config=""):
        self.directory = Path(directory)
        self.log = self.directory / "server.log"
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CODESPAR")},
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.directory),
            "CODESPAR_STATE_DIR": str(self.directory / "state"),
            "CODESPAR_CONFIG": str(self.directory / "plugins.toml"),
            "SMALL_SERVER_LOG": str(self.log),
        }
        self.rules = self.directory / "policy.yaml"
        self.config = self.directory / "plugins.toml"
        self.rules.write_text(policy)
        self.config.write_text(
            'version = 1\n[policy]\nbackend = "engine"\n[observability]\nbackend = "observer"\n' + config
        )

    def direct(self, *command):
        return Session([*(command or self.small)], self.environ, self.directory)

    def wrapped(self, *command, options=("--name", "small"), **environ):
        return Session(self.command(*command, options=options), {**self.environ, **environ}, self.directory)

    def command(self, *command, options=("--name", "small")):
        return [sys.executable, "-P", "-m", "codespar_cli", "mcp", "wrap", *options, "--", *(command or self.small)]

    def codespar(self, *arguments, stdin=b""):
        return subprocess.run(
            [sys.executable, "-P", "-m", "codespar_cli", *arguments],
            env=self.environ,
            cwd=self.directory,
            input=stdin,
            capture_output=True,
            timeout=TIMEOUT,
        )

    @property
    def small(self):
        return [sys.executable, "-S", "-E", str(SMALL)]

    def seen_by_server(self):
        return self.log.read_bytes() if self.log.exists() else b""

    def metrics(self):
        found = self.codespar("metrics", "tail", "--no-follow", "-n", "1000", "-o", "jsonl")
        assert found.returncode == 0, found.stderr
        return [json.loads(line) for line in found.stdout.splitlines()]
