"""An inbox with deliveries in it, a target that listens, and the command line in this process."""

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from codespar_cli.cli.app import run
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.linear import Linear
from codespar_cli.webhooks.inbox.delivery import Arrival, Told
from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox
from codespar_cli.webhooks.told_event import told_of

GITHUB = (Path(__file__).parents[2] / "payload.json").read_bytes()
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CONFIG = """
version = 1
state_dir = "state"
[integrations]
active = ["github", "linear", "datadog"]
[integrations.github]
secret = "env:GITHUB_WEBHOOK_SECRET"
[integrations.linear]
secret = "env:LINEAR_WEBHOOK_SECRET"
[integrations.datadog]
secret = "env:DATADOG_TOKEN"
[[routes]]
name = "all-errors"
when = { severity = "error" }
forward = "https://agent.example/hook"
[[routes]]
name = "linear-only"
when = { provider = "linear" }
forward = "https://agent.example/linear"
"""
SECRETS = {
    "GITHUB_WEBHOOK_SECRET": "githubs-s3cret",
    "LINEAR_WEBHOOK_SECRET": "linears-s3cret",
    "DATADOG_TOKEN": "datadogs-t0ken",
}


def linear_issue(sent_at=NOON + timedelta(minutes=20)):
    return json.dumps(
        {
            "action": "create",
            "type": "Issue",
            "organizationId": "org",
            "createdAt": "2026-11-23T12:00:00.000Z",
            "data": {"id": "i-1", "identifier": "ENG-7", "title": "ünder [red]pressure", "priority": 1},
            "url": "https://linear.app/acme/issue/ENG-7",
            "webhookTimestamp": int(sent_at.timestamp() * 1000),
        },
        ensure_ascii=False,
    ).encode()


def configure(home, monkeypatch):
    (home / "plugins.toml").write_text(CONFIG)
    monkeypatch.setenv("CODESPAR_CONFIG", str(home / "plugins.toml"))  # the user's own, whose inbox is `inbox.db`
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return home / "state"


def github_headers(number, raw=GITHUB, secret=SECRETS["GITHUB_WEBHOOK_SECRET"]):
    return (
        ("content-type", "application/json"),
        ("x-github-event", "workflow_run"),
        ("x-github-delivery", f"d-{number}"),
        ("x-hub-signature-256", GitHub().sign(raw, secret)),
    )


def linear_headers(raw, number):
    signature = Linear().sign(raw, SECRETS["LINEAR_WEBHOOK_SECRET"])
    return (("linear-event", "Issue"), ("linear-delivery", f"l-{number}"), ("linear-signature", signature))


async def told_by(hook, raw, headers):
    return told_of(await hook.handle_webhook(raw, dict(headers)))


def fill(state, arrivals):
    """`(provider, raw, headers, minutes after noon)` each, read as `serve` would; the numbers."""
    import asyncio

    store = SqliteInbox(state)
    kinds = {"github": GitHub(), "linear": Linear()}
    try:
        numbers = []
        for provider, raw, headers, minutes in arrivals:
            at = NOON + timedelta(minutes=minutes)
            own = next((value for name, value in headers if name.endswith("-delivery")), None)
            [accepted] = store.accept([Arrival("default", provider, own, raw, tuple(headers), at)])
            store.read(accepted.id, asyncio.run(told_by(kinds[provider], raw, headers)), (), at=at)
            numbers.append(accepted.id)
        return numbers
    finally:
        store.close()


def numbered(number):
    """The delivery again, with other bytes: one that is not taken for a replay."""
    return GITHUB.rstrip() + b" " * number


def codespar(capsysbinary, *arguments):
    code = run([str(argument) for argument in arguments])
    out, err = capsysbinary.readouterr()
    assert b"Traceback" not in err
    for secret in SECRETS.values():
        assert secret.encode() not in out + err
    return code, out, err.decode()


def answered(capsysbinary, *arguments):
    code, out, err = codespar(capsysbinary, *arguments, "-o", "json")
    return code, json.loads(out), err


@contextmanager
def listening(status=200, headers=()):
    """A target on loopback: its address, and what it was sent as (path, headers, body)."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["content-length"])
            fields = {name.lower(): value for name, value in self.headers.items()}
            got.append((self.path, fields, self.rfile.read(length)))
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def told(event_type="push", severity="info"):
    return Told("{}", event_type, severity, "a title", None)
