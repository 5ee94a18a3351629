"""Links are followed as the operating system follows them, and each directory once."""

import os

import pytest

from codespar_cli.core.calls import CallContext, ToolCall
from codespar_cli.core.guard import protected_places, self_protection
from codespar_cli.core.guard.protected_places import _Links
from codespar_cli.core.guard.self_protection import SelfProtection


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "real/deep/file").write_text("")
    (tmp_path / "near").symlink_to("real/deep")
    (tmp_path / "far").symlink_to(tmp_path / "near")
    (tmp_path / "real/up").symlink_to("../far/..")
    (tmp_path / "real/gone").symlink_to("nowhere/at/all")
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [
        "real/deep/file",
        "near/file",
        "far/file",
        "far/../deep/file",
        "real/up/deep/file",
        "real/up/up/up/deep/./file",
        "real//deep/",
        "real/gone",
        "real/gone/below",
        "not/there",
        "far/.",
        "far/..",
        "",
    ],
)
def test_a_path_leads_where_realpath_says(tree, path):
    follow = _Links()
    follow(str(tree / "far/first"))  # what is known by then must not change what comes after
    assert follow(f"{tree}/{path}") == os.path.realpath(f"{tree}/{path}")


@pytest.mark.parametrize("path", ["/", "", ".", "//etc/passwd", "relative/name"])
def test_odd_paths_lead_where_realpath_says(path):
    assert _Links()(path) == os.path.realpath(path)


def test_links_in_a_circle_come_to_an_end(tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one/more")
    assert _Links()(f"{tmp_path}/one/file").startswith(str(tmp_path))


def test_a_directory_is_followed_once(tree, monkeypatch):
    asked = []
    islink = os.path.islink
    monkeypatch.setattr(protected_places.os.path, "islink", lambda path: asked.append(path) or islink(path))
    follow = _Links()
    for name in ("a", "b", "c"):
        follow(str(tree / "real/deep" / name))
    assert asked.count(str(tree / "real/deep")) == 1
    assert asked.count(str(tree / "real/deep/b")) == 1


@pytest.fixture
def now(monkeypatch):
    time = [100.0]
    monkeypatch.setattr(self_protection, "monotonic", lambda: time[0])
    return time


class Asking:
    """One protection that is asked about several calls, as a door that stays open does."""

    def __init__(self, home):
        self.home = home
        self.protection = SelfProtection(environ={"HOME": str(home)})

    def refuses(self, tool, cwd=None, **args):
        context = CallContext(args=args, attributes={"cwd": str(cwd or self.home)})
        return self.protection(ToolCall("bot", tool, None, context)) is not None


@pytest.fixture
def asking(tmp_path):
    return Asking(tmp_path)


def test_where_links_lead_is_looked_up_again_after_a_second(asking, now, monkeypatch):
    lists = []
    named = protected_places.ProtectedPlaces._list
    monkeypatch.setattr(protected_places.ProtectedPlaces, "_list", lambda self: lists.append(1) or named(self))
    for _ in range(5):
        assert not asking.refuses("Write", file_path="notes.txt")
    assert len(lists) == 1
    (asking.home / "elsewhere").mkdir()
    (asking.home / ".config").symlink_to("elsewhere")
    now[0] += 1
    assert asking.refuses("Write", file_path="elsewhere/codespar/plugins.toml")


def test_a_link_to_a_protected_file_is_followed_at_once(asking, now):
    assert not asking.refuses("Write", file_path="notes.txt")
    (asking.home / "notes.txt").symlink_to(".bashrc")
    assert asking.refuses("Write", file_path="notes.txt")


def test_another_name_of_a_protected_file_is_seen_at_once(asking, now):
    assert not asking.refuses("Write", file_path="notes.txt")
    (asking.home / ".bashrc").write_text("")
    os.link(asking.home / ".bashrc", asking.home / "notes.txt")
    assert asking.refuses("Write", file_path="notes.txt")


def test_a_protected_file_that_came_is_in_the_way_of_moving_its_directory_at_once(asking, now):
    (asking.home / "project").mkdir()
    assert not asking.refuses("move_file", source="project", destination="away")
    (asking.home / "project/.mcp.json").write_text("{}")
    assert asking.refuses("move_file", source="project", destination="away")


def test_another_directory_is_looked_at_from_there(asking, now):
    (asking.home / "project").mkdir()
    assert not asking.refuses("Write", file_path="../plugins.toml.bak")
    assert asking.refuses("Write", cwd=asking.home / "project", file_path="../plugins.toml")
    (asking.home / "other").mkdir()
    assert not asking.refuses("Write", cwd=asking.home / "other", file_path="../project/plugins.toml")
    assert asking.refuses("Write", cwd=asking.home / "project", file_path="plugins.toml")
