"""Whether the provider's API answers: against a small server on this machine, which stands in for it."""

import asyncio
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from codespar_cli.core.services import Services
from codespar_cli.errors import ConfigError
from codespar_cli.plugins.integrations import DATADOG_SITES, api
from codespar_cli.plugins.integrations.datadog import Datadog
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.pagerduty import PagerDuty
from codespar_cli.plugins.integrations.sentry import Sentry

TOKEN = "hush-hush-0123456789"
ASKED = {
    GitHub: ("/meta", "authorization", f"Bearer {TOKEN}"),
    Sentry: ("/api/0/", "authorization", f"Bearer {TOKEN}"),
    Datadog: ("/api/v1/validate", "dd-api-key", TOKEN),
    PagerDuty: ("/abilities", "authorization", f"Token token={TOKEN}"),
}
every_connector = pytest.mark.parametrize("connector", ASKED)


class Provider(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, status=200):
        self.status, self.seen, self.gate = status, [], threading.Event()
        self.gate.set()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                provider.gate.wait(30)
                self.send_response(provider.status)
                self.send_header("Location", "http://169.254.169.254/")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def provider():
    server = Provider()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.gate.set()
    server.shutdown()
    thread.join()
    server.server_close()


def made(connector, *, users_own=True, values=None, **options):
    values = {"env:TOKEN": TOKEN} if values is None else values
    services = Services(state_dir=Path("state"), resolve=values.get, users_own=users_own)
    return connector.from_options({"token": "env:TOKEN", **options}, services)


def check(hook):
    return asyncio.run(hook.health_check())


@every_connector
def test_one_request_with_the_credential(connector, provider):
    hook = made(connector, api=provider.url + "/")
    assert hook.connects
    assert check(hook) == ("ok", "the API at 127.0.0.1 answers")
    ((path, headers),) = provider.seen
    expected_path, header, value = ASKED[connector]
    assert (path, headers[header]) == (expected_path, value)
    assert headers["user-agent"] == "codespar"


@every_connector
@pytest.mark.parametrize(
    ("status", "state"), [(200, "ok"), (204, "ok"), (302, "warning"), (401, "error"), (403, "error"), (404, "warning"), (500, "warning")]
)  # fmt: skip
def test_what_a_status_means(connector, status, state, provider):
    provider.status = status
    answer = check(made(connector, api=provider.url))
    assert answer.state == state
    assert TOKEN not in answer.message
    assert len(provider.seen) == 1, "no redirect is followed"


@every_connector
def test_without_a_credential_nothing_is_asked(connector, provider):
    hook = connector.from_options({"api": provider.url}, Services(state_dir=Path("state"), users_own=True))
    assert not hook.connects
    assert check(hook).state == "ok"
    assert provider.seen == []


@every_connector
@pytest.mark.parametrize("value", [None, "", " \n"])
def test_a_credential_without_a_value_is_said_and_nothing_is_asked(connector, value, provider):
    hook = made(connector, api=provider.url, values={"env:TOKEN": value})
    assert check(hook) == ("warning", "its `token` has no value: the API is not asked")
    assert provider.seen == []


@every_connector
@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "ü" * 10, "\u2028x", "\ud800"])
def test_a_credential_that_is_no_header_is_not_shown(connector, value, provider):
    answer = check(made(connector, api=provider.url, values={"env:TOKEN": value}))
    assert value not in answer.message
    assert all("x-evil" not in headers for _, headers in provider.seen)


@every_connector
def test_a_rotated_credential_is_used_at_once(connector, provider):
    values = {"env:TOKEN": "old"}
    hook = made(connector, api=provider.url, values=values)
    check(hook)
    values["env:TOKEN"] = "new"
    check(hook)
    header = ASKED[connector][1]
    assert [
        headers[header].endswith(value) for (_, headers), value in zip(provider.seen, ("old", "new"), strict=True)
    ] == [True] * 2


def test_one_that_does_not_answer_is_given_up_and_the_loop_goes_on(provider, monkeypatch):
    monkeypatch.setattr(api, "LIMIT_S", 0.3)
    provider.gate.clear()
    ticks = []

    async def beside():
        while len(ticks) < 5:
            ticks.append(await asyncio.sleep(0.01, "tick"))

    async def both():
        return (await asyncio.gather(made(GitHub, api=provider.url).health_check(), beside()))[0]

    start = time.monotonic()
    answer = asyncio.run(both())
    assert answer.state == "warning"
    assert "no answer in time" in answer.message or "did not answer" in answer.message
    assert time.monotonic() - start < 3
    assert len(ticks) == 5


def test_a_name_server_that_takes_its_time_is_given_up_too(monkeypatch):
    monkeypatch.setattr(api, "LIMIT_S", 0.2)
    held = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *a, **k: held.wait(30) and [])
    start = time.monotonic()
    try:
        assert check(made(GitHub, users_own=False)) == ("warning", "the API did not answer within 0 s")
        assert time.monotonic() - start < 3
    finally:
        held.set()


def test_nobody_there(provider):
    provider.server_close()
    assert check(made(Sentry, api=provider.url)).state == "warning"


@every_connector
def test_what_resolving_raises_is_raised(connector):
    def refuse(reference):
        raise ConfigError("the vault is locked")

    services = Services(state_dir=Path("state"), resolve=refuse, users_own=True)
    with pytest.raises(ConfigError, match="locked"):
        check(connector.from_options({"token": "secret:T"}, services))


# ── where a credential may go ──

OWN = {
    GitHub: ["https://api.github.com", "https://api.octocorp.ghe.com"],
    Sentry: ["https://sentry.io", "https://de.sentry.io", "https://us.sentry.io"],
    Datadog: [f"https://api.{site}" for site in DATADOG_SITES],
    PagerDuty: ["https://api.pagerduty.com", "https://api.eu.pagerduty.com"],
}


@pytest.mark.parametrize(("connector", "url"), [(connector, url) for connector, urls in OWN.items() for url in urls])
def test_a_projects_file_may_name_the_providers_own(connector, url):
    assert made(connector, users_own=False, api=url).connects


@every_connector
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example",
        "https://api.github.com.evil.example",
        "https://evilsentry.io",
        "https://api.pagerduty.com:8443",
        "https://api.datadoghq.com.evil.example",
        "https://xapi.datadoghq.com",
        "https://evilghe.com",
        "http://127.0.0.1:1",
        "http://169.254.169.254",
    ],
)
def test_a_projects_file_may_not_name_another(connector, url):
    with pytest.raises(ConfigError) as caught:
        made(connector, users_own=False, api=url)
    assert TOKEN not in str(caught.value)
    assert caught.value.key == "api"  # within its own table: whoever made the connector says which


@every_connector
@pytest.mark.parametrize(
    "url", ["http://ghe.example", "http://api.github.com", "ftp://a", "https://u:p@a.example", "x", ""]
)
def test_no_file_sends_a_credential_in_the_clear(connector, url):
    with pytest.raises(ConfigError) as caught:
        made(connector, api=url)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("site", DATADOG_SITES)
def test_datadogs_api_is_the_one_of_its_site(site, monkeypatch):
    asked = []
    monkeypatch.setattr("codespar_cli.net.exchange.exchange", lambda target, **_: asked.append(target) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        check(made(Datadog, users_own=False, site=site))
    assert (asked[0].host, asked[0].path, asked[0].secure) == (f"api.{site}", "/api/v1/validate", True)
