"""Where the inbox is, and how long it remembers."""

from datetime import UTC, datetime, timedelta

import pytest
from inbox_world import arrival

from codespar_cli.core.config import parse_config
from codespar_cli.core.services import Services
from codespar_cli.errors import ConfigError
from codespar_cli.plugins import builtin_options
from codespar_cli.webhooks.inbox.delivery import Arrival
from codespar_cli.webhooks.inbox.inbox_address import InboxAddress

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def parse_inbox(line, path):
    text = f'[integrations]\nactive = ["github"]\n{line}\n'
    return parse_config(
        text.encode(), path=path / "plugins.toml", environ={}, known=builtin_options(), installed=lambda kind: ()
    )


def test_asking_whether_there_is_one_makes_nothing(tmp_path):
    state_dir = tmp_path / "state"
    address = InboxAddress.from_options({}, Services(state_dir, users_own=True))
    assert not address.exists
    assert not state_dir.exists()
    assert address.retention == timedelta(days=30)
    address.close()
    address.store.accept([arrival()])
    assert address.exists
    assert (state_dir / "inbox.db").stat().st_mode & 0o777 == 0o600
    address.close()


def test_a_file_found_in_a_project_has_an_inbox_of_its_own(tmp_path):
    """A route of a known name in a project's plugins.toml must not get the tasks of the user's route of that name."""
    state = tmp_path / "state"
    theirs = [Services(state, config_dir=tmp_path / name) for name in ("one", "two")]
    for services in (Services(state, users_own=True), *theirs):
        address = InboxAddress.from_options({}, services)
        assert address.exists is False
        address.store.accept([Arrival("default", "github", "id", b"{}", (), NOON)])
        assert address.exists is True
        address.close()
    files = sorted(path.name for path in state.glob("inbox*.db"))
    assert len(files) == 3
    assert files[-1] == "inbox.db"


def test_a_server_is_asked(postgres):
    url = postgres.new_database()
    services = Services(None, resolve=lambda reference: url)
    address = InboxAddress.from_options({"store": "secret:INBOX", "retention": "8d"}, services)
    assert not address.exists
    address.store.accept([arrival()])
    assert address.exists
    assert address.retention == timedelta(days=8)
    address.close()


@pytest.mark.parametrize("text", ["postgresql://user:pa/ss@host/db", "env:NOTHING"])
def test_a_server_that_cannot_be_is_told_now_and_without_its_password(text):
    with pytest.raises(ConfigError) as found:
        InboxAddress.from_options({"store": text}, Services(None))
    assert found.value.key == "integrations.store"
    assert "ss@" not in str(found.value)


@pytest.mark.parametrize("text", ["6d", "167h", "1ms"])
def test_less_than_a_week_is_an_error_of_the_configuration(tmp_path, text):
    with pytest.raises(ConfigError) as found:
        parse_inbox(f'retention = "{text}"', tmp_path)
    assert found.value.message == f"integrations.retention: expected at least `7d`, found `{text}`"
    assert found.value.line == 3


@pytest.mark.parametrize("text", ["7d", "168h", "90d"])
def test_a_week_or_more_is_fine(tmp_path, text):
    assert parse_inbox(f'retention = "{text}"', tmp_path).inbox == {"retention": text}


@pytest.mark.parametrize("text", ['"a week"', "7", '""'])
def test_what_is_no_duration_is_told_once(tmp_path, text):
    with pytest.raises(ConfigError, match=r"integrations\.retention: expected a duration such as"):
        parse_inbox(f"retention = {text}", tmp_path)
