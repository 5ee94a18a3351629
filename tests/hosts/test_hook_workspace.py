"""Cursor starts the hooks of `~/.cursor/hooks.json` in `~/.cursor`: the project's rules hold wherever the hook is started."""

import json

import pytest
from hook_world import World, shell
from host_golden import denies

from codespar_cli.hosts.dialects import dialect_of
from codespar_cli.hosts.heartbeats import last_heartbeat


@pytest.fixture
def world(tmp_path):
    (tmp_path / ".cursor").mkdir()
    return World(tmp_path)


def denied(done):
    return denies("cursor", done.stdout, done.returncode)


def test_a_users_own_cursor_hook_finds_the_project_that_the_event_names(world, tmp_path):
    event = shell("cursor", "rm x", workspace_roots=[str(world.project)])
    done = world.hook("cursor", event, cwd=tmp_path / ".cursor")
    assert denied(done)
    assert b"nothing is removed here" in done.stdout
    assert last_heartbeat(str(world.state), "cursor").config == str(world.config)
    assert not denied(world.hook("cursor", shell("cursor", "ls", workspace_roots=event["workspace_roots"])))


def test_a_broken_project_denies_from_there_as_well(world, tmp_path):
    world.config.write_text("[policy")
    event = shell("cursor", "ls", workspace_roots=[str(world.project)])
    assert denied(world.hook("cursor", event, cwd=tmp_path / ".cursor"))


def test_a_hook_that_was_started_in_the_workspace_stays_where_it_is(world):
    inner = world.project / "inner"
    (inner / ".git").mkdir(parents=True)
    (inner / "plugins.toml").write_text(world.config.read_text())
    (inner / "policy.yaml").write_text(world.rules.read_text().replace("nothing is removed here", "nor here"))
    event = shell("cursor", "rm x", workspace_roots=[str(world.project)])
    assert b"nor here" in world.hook("cursor", event, cwd=inner).stdout


def test_a_file_named_on_the_line_is_the_one_beside_where_the_hook_was_started(world, tmp_path):
    (world.project / "own.toml").write_text("version = 1\n")
    (tmp_path / ".cursor" / "own.toml").write_text("[policy")
    event = shell("cursor", "ls", workspace_roots=[str(world.project)])
    assert denied(world.hook("cursor", event, "--config", "own.toml", cwd=tmp_path / ".cursor"))
    assert not denied(world.hook("cursor", event, "--config", "own.toml"))


@pytest.mark.parametrize("roots", [["/nowhere/at/all"], [], None, [7], "x", ["relative"]])
def test_a_workspace_that_is_not_here_changes_nothing(world, roots):
    assert denied(world.hook("cursor", shell("cursor", "rm x", workspace_roots=roots)))
    assert not denied(world.hook("cursor", shell("cursor", "ls", workspace_roots=roots)))


@pytest.mark.parametrize(
    ("roots", "cwd", "found"),
    [
        (["/w/a", "/w/b"], "/w/b/src", "/w/b"),
        (["/w/a", "/w/b"], "/w/bc", "/w/a"),
        (["/w/a", "/w/b"], None, "/w/a"),
        (["c:/w", "/w/b/"], "/w/b", "/w/b/"),
        (["/"], "/x", "/"),
        ([], "/x", None),
    ],
)
def test_of_several_folders_the_one_that_the_calls_directory_lies_in_counts(roots, cwd, found):
    event = shell("cursor", "ls", workspace_roots=roots, cwd=cwd)
    assert dialect_of("cursor").read(json.dumps(event).encode()).workspace == found
