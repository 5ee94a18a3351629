"""How far an agent beside us could undo its own governance."""

import pytest

from codespar_cli.hosts.install import protection as module
from codespar_cli.hosts.install.protection import can_change, protection


@pytest.fixture
def open_places(monkeypatch):
    """The only directories that can be written then: a test that is run by root could write them all."""
    places = []

    def access(path, mode):
        return any(path == place or path.is_relative_to(place) for place in places)

    monkeypatch.setattr(module.os, "access", access)
    return places


def test_what_this_user_can_write_is_level_0(tmp_path):
    found = protection(tmp_path / "plugins.toml", tmp_path / "state", [tmp_path / "settings.json"], tmp_path / "none")
    assert found.level == "L0"


def test_an_administrators_file_is_level_1_only_where_this_user_cannot_replace_it(tmp_path, open_places):
    admin, home = tmp_path / "etc" / "plugins.toml", tmp_path / "home"
    admin.parent.mkdir()
    admin.write_text("version = 1")
    open_places.append(home)
    ours = (None, home / "state", [home / "settings.json"])
    assert protection(*ours, admin).level == "L1"
    assert protection(*ours, admin.with_name("none.toml")).level == "L0"
    open_places.append(admin.parent)
    assert protection(*ours, admin).level == "L0"


def test_nothing_that_can_be_written_is_level_2(tmp_path, open_places):
    ours = (tmp_path / "plugins.toml", tmp_path / "state", [tmp_path / "settings.json"])
    assert protection(*ours).level == "L2"
    open_places.append(tmp_path / "state")
    assert protection(*ours).level == "L0"


def test_a_directory_above_that_can_be_written_is_enough(tmp_path):
    assert can_change(tmp_path / "not" / "there")
