"""Real `codespar serve` processes, and senders that talk to them over plain sockets."""

import hashlib
import hmac
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

SECRET = "hush-hush"
ROOT = Path(__file__).parents[2]
PLUGINS = """version = 1
state_dir = "state"
[integrations]
active = ["github"]
[integrations.github]
secret = "env:GITHUB_HOOK"
"""


def push(number=0, size=0):
    doc = {"zen": f"z{number}", "hook_id": number, "sender": {"login": "octo"}, "pad": "x" * size}
    return json.dumps(doc).encode()


def sign(body, secret=SECRET):
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers_of(body, delivery_id="d", **more):
    found = {
        "Host": "localhost",
        "X-GitHub-Event": "ping",
        "X-GitHub-Delivery": delivery_id,
        "X-Hub-Signature-256": sign(body),
        "Content-Type": "application/json",
        **more,
    }
    return "".join(f"{name}: {value}\r\n" for name, value in found.items() if value is not None)


def request(body, delivery_id="d", path="/webhooks/github", version="1.1", **more):
    more.setdefault("Content-Length", len(body))
    head = f"POST {path} HTTP/{version}\r\n{headers_of(body, delivery_id, **more)}\r\n"
    return head.encode("latin-1") + body


def begin(connection, data):
    """Send all of a request but the last ten bytes of its body, which are answered, once the server waits for them: other
    requests that were answered say nothing of that, since another process may have done it."""
    head, _, body = data.partition(b"\r\n\r\n")
    connection.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
    assert read_answer(connection)[0] == 100
    connection.sendall(body[:-10])
    return body[-10:]


def read_answer(connection, head_only=False):
    """One answer: status, headers, body. Raises ConnectionError when there is none, or not all of it."""
    found = b""
    while b"\r\n\r\n" not in found:
        part = connection.recv(65536)
        if not part:
            raise ConnectionError(f"closed after {found!r}")
        found += part
    head, _, body = found.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    code = int(status.split()[1])
    while code != 100 and not head_only and len(body) < int(headers.get("content-length", 0)):
        part = connection.recv(65536)
        if not part:
            raise ConnectionError("closed in the body")
        body += part
    return code, headers, body


def runs(pid):
    """Whether there is such a process; one that has ended and that nobody has waited for yet is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def descendants(pid):
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has just ended
        return []
    return [pid, *(each for child in children if runs(child) for each in descendants(int(child)))]


class Server:
    def __init__(self, process, port):
        self.process, self.port, self.said = process, port, ""

    def connect(self, timeout=20.0):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def post(self, body, delivery_id="d", **named):
        with self.connect() as connection:
            connection.sendall(request(body, delivery_id, **named))
            return read_answer(connection)

    def get(self, path, method="GET"):
        with self.connect() as connection:
            connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            return read_answer(connection)

    @property
    def rss(self):
        """Bytes of memory of all its processes; what several share counts once (PSS)."""
        found = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.pids]
        return sum(int(re.search(r"^Pss:\s+(\d+) kB", each, re.M)[1]) * 1024 for each in found)

    @property
    def pids(self):
        """Its process, and those that it has begun, those that have begun them first."""
        return descendants(self.process.pid)

    @property
    def acceptors(self):
        return self.pids[2:]

    @property
    def starved(self):
        """Seconds for which its event loops and this thread were ready to run, and others had the processors.

        The second number of schedstat (kernel.org, "Scheduler Statistics"); 0 where the system does not tell.
        """
        files = [*(Path(f"/proc/{pid}/schedstat") for pid in self.pids), Path("/proc/thread-self/schedstat")]
        return sum(int(file.read_text().split()[1]) for file in files if file.exists()) / 1e9

    def end(self, number=signal.SIGTERM):
        """Exit code, and everything that was said on stderr."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=30)
        self.said += said.decode()
        return self.process.returncode, self.said


def spawn(directory, *options, plugins=PLUGINS, environ=()):
    if plugins is not None:
        (directory / "plugins.toml").write_text(plugins)
    variables = {**os.environ, "GITHUB_HOOK": SECRET, "PYTHONPATH": str(ROOT), **dict(environ)}
    command = [sys.executable, "-m", "codespar_cli", "--config", str(directory / "plugins.toml"), "serve", *options]
    return subprocess.Popen(
        command, cwd=directory, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def serving(directory, *options, port=0, **named):
    return listening(spawn(directory, "--port", str(port), *options, **named))


@contextmanager
def listening(process):
    """The server of a process, once it says where it is. Killed at the end, if it has not ended by itself."""
    server = Server(process, 0)
    try:
        end = time.monotonic() + 30
        said = select.poll()  # `select` knows no descriptor above 1023, and a long run of tests may have them
        said.register(process.stderr, select.POLLIN)
        while not (found := re.search(r"listening on http://[^\s]*:(\d+)\n", server.said)):
            ready = said.poll(max(end - time.monotonic(), 0) * 1000)
            part = os.read(process.stderr.fileno(), 65536) if ready else b""
            assert part, f"it does not listen: {server.said}"
            server.said += part.decode()
        server.port = int(found[1])
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def fails(directory, *options, **named):
    """Exit code and stderr of one that does not start."""
    process = spawn(directory, *options, **named)
    out, said = process.communicate(timeout=30)
    assert out == b""
    return process.returncode, said.decode()
