"""docs/routes.md: its example is a configuration, its receiver verifies, its document is the one that is sent."""

import asyncio
import http.server
import json
import re
import threading
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest
from routes_world import SECRET, delivery, parsed, route

from codespar_cli.core.clock import system_clock
from codespar_cli.core.hooks import IntegrationEvent
from codespar_cli.webhooks.routes.event_document import event_document
from codespar_cli.webhooks.routes.forward import Forward
from codespar_cli.webhooks.routes.route import Route
from codespar_cli.webhooks.told_event import told_of

PAGE = (Path(__file__).parents[3] / "docs" / "routes.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_is_a_configuration(tmp_path):
    routes = [Route.of(table) for table in parsed(blocks("toml")[0], tmp_path).routes]
    assert [(each.name, each.deed) for each in routes] == [
        ("page-the-agent", "forward"), ("triage", "run"), ("count", "call"),
    ]  # fmt: skip


def keys(value):
    return {key: keys(inner) for key, inner in value.items() if key != "native"} if isinstance(value, dict) else None


def test_the_document_is_the_one_that_is_sent():
    told = told_of(IntegrationEvent("sentry", "issue.created", "error", "t"))
    made = json.loads(event_document(delivery()._replace(told=told), "page-the-agent").body)
    assert keys(json.loads(blocks("json")[0])) == keys(made)


@pytest.fixture
def hook():
    names = {}
    exec(blocks("python")[0], names)
    handled = []

    class Hook(names["Hook"]):
        secret = SECRET
        seen = set()  # noqa: RUF012  as the page has it

        def handle_event(self, event):
            handled.append(event)

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", handled
    server.shutdown()
    server.server_close()


def test_its_receiver_takes_what_is_signed_once(hook):
    url, handled = hook
    made = route(deed="forward", target=url, allow_private=True, timeout=timedelta(seconds=10))
    deed = Forward(made, lambda: SECRET, clock=system_clock)
    for _ in range(2):
        asyncio.run(deed.do(event_document(delivery(), "r")))
    assert [(event["title"], event["untrusted"]) for event in handled] == [("it broke", True)]


@pytest.mark.parametrize("late", [timedelta(0), timedelta(minutes=6)])
def test_its_receiver_refuses_another_secret_and_an_old_message(hook, late):
    url, handled = hook
    made = route(deed="forward", target=url, allow_private=True, timeout=timedelta(seconds=10))
    secret = SECRET if late else "whsec_" + "QUFB" * 8
    deed = Forward(made, lambda: secret, clock=lambda: system_clock() - late)
    with pytest.raises(Exception, match="answered 401"):
        asyncio.run(deed.do(event_document(delivery(), "r")))
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(urllib.request.Request(url, b"{}"), timeout=10)
    assert handled == []
