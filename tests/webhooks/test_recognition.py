"""Who sent a payload: every provider is told by its headers, and by the shape of its body alone."""

import json
from pathlib import Path

import pytest
from receiving_world import BODIES, connector

from codespar_cli.core.headers import Headers
from codespar_cli.webhooks.payload import Payload
from codespar_cli.webhooks.recognition import claimed_by, shaped_like

HOOKS = {name: connector(name) for name in BODIES}
FIXTURES = Path(__file__).parents[1] / "plugins" / "integrations" / "fixtures"


@pytest.mark.parametrize("provider", BODIES)
def test_a_body_has_the_shape_of_its_provider_and_never_of_another(provider):
    files = [file for file in (FIXTURES / provider).glob("*.json") if file.stem != "expected"]
    found = [shaped_like(HOOKS, Payload("x", json.loads(file.read_text()))) for file in files]
    assert set(found) <= {(provider,), ()}
    # A few events of GitHub's are told by their header alone.
    assert found.count((provider,)) > 0.95 * len(found) > 20


@pytest.mark.parametrize("provider", BODIES)
def test_a_header_of_its_own_says_who_it_is(provider):
    wire = HOOKS[provider].wire
    alone = {provider: HOOKS[provider]}
    for header in filter(None, (wire.event_header, wire.signature_header)):
        assert claimed_by(alone, Headers({header.upper(): "x"})) == provider
    assert claimed_by(HOOKS, Headers({"content-type": "x"})) is None


@pytest.mark.parametrize("value", [None, 7, [], {}, "text", {"a": {"b": []}}, json.loads('{"body": "x"}')])
def test_what_has_no_shape_is_nobodys(value):
    assert shaped_like(HOOKS, Payload("x", value)) == ()


def test_a_connector_that_breaks_does_not_know_it():
    class Broken:
        id = name = "broken"

        async def handle_webhook(self, payload, headers):
            raise SystemExit(0)

    found = shaped_like({"broken": Broken(), **HOOKS}, Payload("x", BODIES["github"]))
    assert found == ("github",)


def test_an_interruption_is_the_users():
    class Interrupted:
        id = name = "interrupted"

        async def handle_webhook(self, payload, headers):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shaped_like({"interrupted": Interrupted()}, Payload("x", {}))
