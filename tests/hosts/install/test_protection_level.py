"""How far an agent beside us could undo its own governance."""

import pytest

from codespar_cli.core.layers import ADMINISTRATOR, USER
from codespar_cli.hosts.install import protection as module
from codespar_cli.hosts.install.protection import Layer, can_change, protection


@pytest.fixture
def open_places(monkeypatch):
    """The only directories that can be written then: a test that is run by root could write them all."""
    places = []

    def access(path, mode):
        return any(path == place or path.is_relative_to(place) for place in places)

    monkeypatch.setattr(module.os, "access", access)
    return places


class Places:
    def __init__(self, root):
        self.admin, self.home, self.package = root / "etc", root / "home", root / "venv" / "codespar_cli"
        self.administrators = Layer(
            ADMINISTRATOR,
            self.admin / "plugins.toml",
            "bounds",
            (self.admin / "plugins.toml", self.admin / "rules.yaml"),
        )
        self.users = Layer(USER, self.home / "plugins.toml", "bounds", (self.home / "plugins.toml",))

    def found(self, *layers):
        kept = [self.home / "state", self.home / "settings.json"]
        return protection(layers, kept, self.package)


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path)


def test_what_this_user_can_write_is_level_0(places, open_places):
    open_places.append(places.home)
    found = places.found(places.users)
    assert found.level == "L0"
    assert found.changeable == tuple(places.home / name for name in ("plugins.toml", "state", "settings.json"))


def test_an_administrators_rules_are_level_1(places, open_places):
    open_places.append(places.home)
    assert places.found(places.administrators, places.users).level == "L1"
    assert places.found(places.administrators).level == "L1"


def test_an_administrators_file_without_a_policy_bounds_nothing(places, open_places):
    open_places.append(places.home)
    assert places.found(places.administrators._replace(rules=()), places.users).level == "L0"


@pytest.mark.parametrize("name", ["plugins.toml", "rules.yaml"])
def test_an_administrators_rules_that_this_user_can_write_bound_nothing(places, open_places, name):
    open_places += [places.home, places.admin / name]
    found = places.found(places.administrators, places.users)
    assert found.level == "L0"
    assert found.changeable[0] == places.admin / name


def test_nothing_that_can_be_written_is_level_2(places, open_places):
    assert places.found(places.administrators, places.users) == ("L2", ())


@pytest.mark.parametrize(
    "where", ["home/state", "home/settings.json", "home/plugins.toml", "venv/codespar_cli", "venv"]
)
def test_one_thing_that_can_be_written_is_enough(places, open_places, tmp_path, where):
    open_places.append(tmp_path / where)
    assert places.found(places.users).level == "L0"


def test_a_directory_above_that_can_be_written_is_enough(tmp_path):
    assert can_change(tmp_path / "not" / "there")


def test_a_link_can_be_changed_where_it_stands_or_where_it_leads(tmp_path, open_places):
    target, link = tmp_path / "etc" / "rules.yaml", tmp_path / "own" / "rules.yaml"
    for path in (target, link):
        path.parent.mkdir(exist_ok=True)
    target.write_text("")
    link.symlink_to(target)
    assert not can_change(link)
    for place in (target.parent, link.parent):
        open_places[:] = [place]
        assert can_change(link)
