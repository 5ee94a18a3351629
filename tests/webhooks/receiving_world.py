"""A receiver over a real inbox, asked through ASGI itself; and what each provider would send."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from codespar_cli.core.clock import system_clock
from codespar_cli.plugins.integrations.datadog import Datadog
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.jira import Jira
from codespar_cli.plugins.integrations.linear import Linear
from codespar_cli.plugins.integrations.pagerduty import PagerDuty
from codespar_cli.plugins.integrations.sentry import Sentry
from codespar_cli.server.app import App
from codespar_cli.server.requests import Room
from codespar_cli.webhooks.endpoints import endpoints_of
from codespar_cli.webhooks.inbox.delivery import Filter
from codespar_cli.webhooks.inbox.group_commit import GroupCommit
from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox
from codespar_cli.webhooks.receiver import Receiver

SECRET = "a secret of its own"
CONNECTORS = {kind.id: kind for kind in (GitHub, Sentry, Linear, Jira, Datadog, PagerDuty)}
BODIES = {
    "github": {"zen": "keep it simple", "hook_id": 1, "sender": {"login": "octo"}},
    "sentry": {"action": "created", "data": {"issue": {"title": "boom", "level": "error"}}},
    "linear": {"action": "create", "type": "Issue", "data": {"title": "t", "priority": 2}},
    "jira": {"webhookEvent": "jira:issue_created", "issue": {"key": "AB-1", "fields": {"summary": "s"}}},
    "datadog": {"id": "1", "title": "[Triggered] cpu", "event_type": "metric_alert_monitor", "body": "b"},
    "pagerduty": {
        "event": {"id": "E1", "event_type": "incident.triggered", "data": {"type": "incident", "title": "t"}}
    },
}


def connector(provider, secret="env:SECRET", resolve=lambda reference: SECRET, **options):
    return CONNECTORS[provider](secret=secret, resolve=resolve, **options)


def body_of(provider, **extra):
    body = {**BODIES[provider], **extra}
    if provider == "linear":
        body["webhookTimestamp"] = int(datetime.now(UTC).timestamp() * 1000)
    return json.dumps(body).encode()


def signature(hook, raw, secret=SECRET):
    """What the provider would send; Datadog sends the secret itself."""
    return hook.sign(raw, secret) if hook.sign else secret


def signed(hook, raw, delivery_id="d-1", secret=SECRET, event="ping", **headers):
    found = {"content-type": "application/json", hook.wire.signature_header: signature(hook, raw, secret)}
    if hook.wire.delivery_header:
        found[hook.wire.delivery_header] = delivery_id
    if hook.wire.event_header:
        found[hook.wire.event_header] = event
    return list({**found, **headers}.items())


class Answer:
    def __init__(self):
        self.status, self.headers, self.body, self.read = None, {}, b"", 0

    @property
    def json(self):
        return json.loads(self.body)


async def ask(app, path, chunks=(), headers=(), method="POST", declared=None):
    """Drives the application like a server: `chunks` arrive one by one, None is a sender who goes away."""
    answer, waiting = Answer(), list(chunks)
    pairs = [(str(name).lower().encode(), str(value).encode("latin-1", "replace")) for name, value in headers]
    if declared is not None:
        pairs.append((b"content-length", str(declared).encode()))
    elif waiting:
        pairs.append((b"transfer-encoding", b"chunked"))

    async def receive():
        answer.read += 1
        if not waiting:
            return {"type": "http.request", "body": b"", "more_body": False}
        chunk = waiting.pop(0)
        if chunk is None:
            return {"type": "http.disconnect"}
        if chunk is ...:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": chunk, "more_body": bool(waiting)}

    async def send(message):
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message["body"]

    scope = {"type": "http", "method": method, "path": path, "headers": pairs, "client": ("192.0.2.7", 4)}
    await app(scope, receive, send)
    return answer


class World:
    def __init__(self, store, hooks, *, tenant="default", verify=True, commit=None, room=None, within_s=5.0):
        self.store, self.hooks, self.lines, self.fresh = store, hooks, [], []
        self.now = None
        self.endpoints = endpoints_of(hooks, tenant, verify=verify)
        self.commit = commit or GroupCommit(store)
        receiver = Receiver(
            self.endpoints,
            self.commit,
            clock=lambda: self.now or system_clock(),
            log=self.lines.append,
            fresh=self.fresh.append,
            room=room or Room(1 << 30),
            body_within=timedelta(seconds=within_s),
        )
        self.app = App(receiver.addresses, log=self.lines.append)

    async def post(self, path, raw=b"", headers=(), **named):
        named.setdefault("declared", len(raw))
        return await ask(self.app, path, [raw], headers, **named)

    def stored(self):
        return self.store.deliveries(Filter())


@asynccontextmanager
async def world(state_dir, *providers, hooks=None, **named):
    state_dir.mkdir(mode=0o700, exist_ok=True)
    store = SqliteInbox(state_dir)
    made = World(store, hooks or {name: connector(name) for name in providers}, **named)
    try:
        yield made
    finally:
        if isinstance(made.commit, GroupCommit):
            assert await made.commit.close()
        store.close()
