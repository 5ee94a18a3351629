"""Heartbeats, and the list of files that governed."""

import stat

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


def test_a_file_that_governed_is_missed_below_it_and_nowhere_else(tmp_path):
    project = tmp_path / "project"
    (project / "deep").mkdir(parents=True)
    config = project / "plugins.toml"
    config.write_text("")
    places = GovernedPlaces(str(tmp_path / "state"))
    places.remember(str(config))
    own = str(tmp_path / "own")
    assert places.missing(str(project), own) is None
    config.unlink()
    for start in (project, project / "deep"):
        assert GovernedPlaces(str(tmp_path / "state")).missing(str(start), own) == str(config)
    for start in (tmp_path, tmp_path / "project2", None):
        assert places.missing(start and str(start), own) is None
    assert places.missing(None, str(project)) == str(config)


def test_the_list_holds_each_file_once_and_not_more_than_256(tmp_path):
    places = GovernedPlaces(str(tmp_path / "state"))
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
    for words in (
        [],
        ["policy", "hook"],
        ["hook", "--help"],
        ["hook", "claude", "-h"],
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
        assert "--x" not in words or "--x" in {line.config, line.agent}
        assert "" not in {line.config, line.agent}
