"""The pages of the providers: what they tell people to write is taken, and every option is on its page."""

import re
from pathlib import Path

import pytest

from codespar_cli.plugins import BUILTINS
from codespar_cli.plugins.integrations import OPTIONS
from codespar_cli.startup import check_text

DOCS = Path(__file__).parents[3] / "docs"
PAGES = sorted(path.stem.removeprefix("integrations-") for path in DOCS.glob("integrations-*.md"))


def page(provider):
    return (DOCS / f"integrations-{provider}.md").read_text()


def test_there_are_pages():
    assert {"github", "sentry", "linear", "jira", "datadog", "pagerduty"} <= set(PAGES) & set(BUILTINS["integrations"])


@pytest.mark.parametrize("provider", ["github", "sentry", "linear", "jira", "datadog", "pagerduty"])
def test_its_configuration_is_taken_as_it_stands(provider, tmp_path):
    blocks = re.findall(r"```toml\n(.*?)```", page(provider), re.DOTALL)
    assert blocks
    for block in blocks:
        check_text(block, tmp_path / "plugins.toml", users_own=True, environ={})


@pytest.mark.parametrize("provider", ["github", "sentry", "linear", "jira", "datadog", "pagerduty"])
def test_every_option_and_the_signatures_header_are_on_it(provider):
    from importlib import import_module

    module, _, name = BUILTINS["integrations"][provider].removesuffix(".from_options").partition(":")
    connector = getattr(import_module(module), name)
    words = page(provider)
    for option in OPTIONS[provider]:
        assert f"`{option}`" in words
    assert connector.wire.signature_header in words
    assert connector.wire.delivery_header is None or connector.wire.delivery_header in words
