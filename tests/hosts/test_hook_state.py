"""Heartbeats, and the list of files that governed."""

import os
import stat
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.cli.hook_line import is_hook, read_line
from codespar_cli.hosts.governed_places import GovernedPlaces
from codespar_cli.hosts.heartbeats import Heartbeat, beat, last_heartbeat


def heartbeat(**changes):
    return Heartbeat(
        "claude", 1795440660.5, "PreToolUse", "Bash", "allow", None, 21.5, "/p/plugins.toml", "0.1.0"
    )._replace(**changes)


def test_the_last_heartbeat_of_each_host_is_kept(tmp_path):
    state = str(tmp_path / "state")
    assert last_heartbeat(state, "claude") is None
    beat(state, heartbeat())
    beat(state, heartbeat(outcome="deny", code="denied"))
    beat(state, heartbeat(host="codex"))
    assert last_heartbeat(state, "claude") == heartbeat(outcome="deny", code="denied")
    assert last_heartbeat(state, "codex") == heartbeat(host="codex")
    seen = tmp_path / "state" / "hooks" / "seen"
    assert sorted(path.name for path in seen.iterdir()) == ["claude", "codex"]
    assert stat.S_IMODE((seen / "claude").stat().st_mode) == 0o600


def test_a_heartbeat_is_small_whatever_an_event_is_called(tmp_path):
    beat(str(tmp_path), heartbeat(event="x" * 10**6))
    assert len((tmp_path / "hooks" / "seen" / "claude").read_bytes()) < 1000
    assert last_heartbeat(str(tmp_path), "claude").event == "x" * 128


def test_what_is_no_heartbeat_is_none(tmp_path):
    beat(str(tmp_path), heartbeat())
    for content in (b"", b"[]", b"{}", b"\xff", b"[1,2]"):
        (tmp_path / "hooks" / "seen" / "claude").write_bytes(content)
        assert last_heartbeat(str(tmp_path), "claude") is None


REPLACED = [
    Path.mkdir,
    os.mkfifo,
    partial(os.symlink, "nowhere"),
    partial(os.symlink, "/dev/null"),
    partial(os.symlink, "plugins.toml"),
]
for one, name in zip(REPLACED[2:], ("dangling", "device", "circle"), strict=True):
    one.__name__ = name


def remembering(root, *configs, own="own"):
    places = GovernedPlaces(str(root / "state"), str(root / own))
    for config in configs:
        places.remember(str(config))
    return places


def test_a_file_that_governed_is_missed_below_it_and_nowhere_else(tmp_path):
    project = tmp_path / "project"
    (project / "deep").mkdir(parents=True)
    config = project / "plugins.toml"
    config.write_text("")
    places = remembering(tmp_path, config)
    assert places.missing(str(project)) is None
    config.unlink()
    for start in (project, project / "deep"):
        assert remembering(tmp_path).missing(str(start)) == str(config)
    for start in (tmp_path, tmp_path / "project2", None):
        assert places.missing(start and str(start)) is None


@pytest.mark.parametrize("replace", REPLACED, ids=lambda made: made.__name__)
def test_what_is_no_file_in_the_place_of_one_is_missed(tmp_path, replace):
    config = tmp_path / "plugins.toml"
    config.write_text("")
    places = remembering(tmp_path, config)
    config.unlink()
    replace(config)
    assert places.missing(str(tmp_path)) == str(config)


def test_the_users_own_is_missed_everywhere_and_where_the_environment_names_another_place(tmp_path):
    config = tmp_path / "own" / "plugins.toml"
    config.parent.mkdir()
    config.write_text("")
    places = remembering(tmp_path, config)
    for start in (None, str(tmp_path / "far")):
        assert places.missing(start) is None
        assert remembering(tmp_path, own="own/../own").missing(start) is None
        assert remembering(tmp_path, own="elsewhere").missing(start) == str(config)
    assert places.cut_off(str(tmp_path / "own"), ()) is None
    config.unlink()
    assert places.missing(None) == str(config)


def test_a_project_is_cut_off_where_none_speaks_below_it(tmp_path):
    config, deep = tmp_path / "p" / "plugins.toml", tmp_path / "p" / "deep"
    deep.mkdir(parents=True)
    config.write_text("")
    places, users = remembering(tmp_path, config), str(tmp_path / "own" / "plugins.toml")
    for start in (deep, deep / "er", config.parent):
        assert places.cut_off(str(start), ()) == places.cut_off(str(start), (users,)) == str(config)
        assert places.cut_off(str(start), (users, str(config))) is None
    assert places.cut_off(str(deep), (str(deep / "plugins.toml"),)) is None
    assert places.cut_off(str(deep), (str(tmp_path / "plugins.toml"),)) == str(config)
    for start in (tmp_path, tmp_path / "p2", None):
        assert places.cut_off(start and str(start), ()) is None


def test_the_list_holds_each_file_once_and_not_more_than_256(tmp_path):
    places = remembering(tmp_path)
    for number in range(300):
        config = tmp_path / f"{number}.toml"
        config.write_text("")
        for _ in range(2):
            places.remember(str(config))
    listed = (tmp_path / "state" / "hooks" / "governed" / "places").read_text().splitlines()
    assert len(listed) == len(set(listed)) <= 256
    assert listed[-1].endswith("299.toml")


def test_which_command_lines_are_hooks():
    for words in (["hook"], ["hook", "claude"], ["--config", "x", "hook", "x"], ["--no-color", "--tenant=a", "hook"]):
        assert is_hook(words)
    for words in (["hook", "claude", "-h"], ["-h", "hook", "claude"], ["hook", "--agent", "--help"]):
        assert is_hook(words)
    for words in (
        [],
        ["policy", "hook"],
        ["hook", "--help"],
        ["--config", "hook"],
        ["webhook"],
    ):
        assert not is_hook(words)


def test_options_stand_anywhere():
    line = read_line(["--config", "/p", "hook", "--agent=a", "claude", "--env", "prod", "--no-color", "--tenant", "t"])
    assert (line.host, line.config, line.agent, line.environment, line.tenant, line.problem) == (
        "claude",
        "/p",
        "a",
        "prod",
        "t",
        None,
    )


@given(
    words=st.lists(
        st.sampled_from(["hook", "claude", "--config", "--agent", "--config=", "--x", "-", "--", "", "--event=e", "x"])
    )
)
def test_any_command_line_is_read_or_has_a_problem(words):
    line = read_line(["hook", *words])
    if line.problem is None:
        unknown = [number for number, word in enumerate(words) if word == "--x"]
        assert all(number and words[number - 1] in {"--config", "--agent"} for number in unknown)  # as a value alone
        assert "" not in {line.config, line.agent}
