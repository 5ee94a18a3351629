import asyncio
from pathlib import Path

import deliveries
import pytest

from codespar_cli.core.hooks import IntegrationHook
from codespar_cli.core.services import Services
from codespar_cli.plugins.integrations import OPTIONS
from codespar_cli.plugins.integrations.connector import compose
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.sentry import Sentry


def services(**values):
    return Services(state_dir=Path("state"), resolve=values.get)


def problems(options, provider="github"):
    return [problem for key, value in options.items() for problem in OPTIONS[provider][key](value, (key,))]


@pytest.mark.parametrize("connector", [GitHub, Sentry])
def test_a_connector_is_an_integration_hook(connector):
    assert isinstance(connector(), IntegrationHook)


def test_options_become_a_connector():
    hook = GitHub.from_options(
        {"secret": ["env:NEW", "env:OLD", "env:GONE"], "max_body": "2MiB", "severity": {"failure": "critical"}},
        services(**{"env:NEW": "new", "env:OLD": "old"}),
    )
    assert hook.secrets() == ("new", "old")
    assert hook.wire.max_body == 2 << 20
    assert GitHub.wire.max_body == 25 << 20
    assert Sentry.from_options({}, services()).wire.max_body == 1 << 20


@pytest.mark.parametrize(
    "options",
    [
        {"secret": "plain-text-secret"},
        {"secret": ["env:"]},
        {"secret": 7},
        {"max_body": "25"[:0]},
        {"max_body": "25 potatoes"},
        {"max_body": 25},
        {"severity": {"failure": "catastrophic"}},
        {"severity": "error"},
    ],
)
def test_wrong_options_are_refused(options):
    assert problems(options)


def test_right_options_are_taken():
    assert problems({"secret": ["secret:A", "env:B"], "max_body": "512KiB", "severity": {"failure": "warning"}}) == []


def test_health_says_whether_signatures_can_be_verified():
    assert GitHub().health() == ("ok", "no secret configured: signatures cannot be verified")
    assert GitHub.from_options({"secret": "env:SET"}, services(**{"env:SET": "x"})).health().state == "ok"
    unset = GitHub.from_options({"secret": "env:UNSET"}, services())
    assert unset.health() == ("warning", "UNSET is not set: its signatures cannot be verified")


def test_health_opens_no_store_but_the_check_does():
    asked = []

    def resolve(reference):
        asked.append(reference)

    hook = GitHub.from_options({"secret": "secret:KEY"}, Services(state_dir=Path("state"), resolve=resolve))
    assert hook.health() == ("ok", "secret configured, not looked up")
    assert asked == []
    assert asyncio.run(hook.health_check()).state == "warning"
    assert asked == ["secret:KEY"]


def test_the_check_is_content_when_every_secret_is_there():
    hook = GitHub.from_options({"secret": ["secret:A", "env:B"]}, services(**{"secret:A": "a", "env:B": "b"}))
    assert asyncio.run(hook.health_check()) == ("ok", "signatures can be verified")


def test_nothing_secret_shows():
    hook = GitHub.from_options({"secret": "env:SET"}, services(**{"env:SET": "hush-hush"}))
    hook.secrets()
    assert "hush-hush" not in repr(hook) + repr(vars(hook))


@pytest.mark.parametrize(
    ("event", "action", "expected"),
    [
        ("push", None, "push"),
        ("issues", "opened", "issues.opened"),
        ("issues", 7, "issues"),
        ("issues", " ", "issues"),
        ("repository_dispatch", "on demand", "repository_dispatch.on demand"),
        ("push, ping", None, None),
        ("a b", "c", None),
        ("", "c", None),
        ("\x1b", "c", None),
        (None, "c", None),
    ],
)
def test_an_event_type_is_resource_and_action(event, action, expected):
    assert compose(event, action) == expected


def test_the_time_of_sending_is_only_a_fallback():
    payload = deliveries.payload("sentry", "issue__created")
    event = asyncio.run(Sentry().handle_webhook(payload, {"Sentry-Hook-Timestamp": "1895183743"}))
    assert event.occurred_at.year == 2026
