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


@pytest.mark.parametrize("link", [False, True])
def test_an_events_directory_does_not_lead_out_of_the_folder_the_hook_was_started_in(world, tmp_path, link):
    other, root = tmp_path / "other", world.project
    other.mkdir()
    if link:
        root = tmp_path / "link"
        root.symlink_to(world.project)
    event = shell("cursor", "rm x", workspace_roots=[str(other), str(root)], cwd=str(other))
    assert b"nothing is removed here" in world.hook("cursor", event).stdout
    assert denied(world.hook("cursor", event))
    assert not denied(world.hook("cursor", event, cwd=tmp_path / ".cursor")), "a user's own hook goes by the directory"


def governed(world, directory, reason):
    """A folder that is a repository of its own, whose rules deny `rm` with this reason."""
    (directory / ".git").mkdir(parents=True)
    (directory / "plugins.toml").write_text(world.config.read_text())
    (directory / "policy.yaml").write_text(world.rules.read_text().replace("nothing is removed here", reason))
    return directory


@pytest.mark.parametrize(
    ("roots", "cwd", "said"),
    [
        (["a", "b"], "b/src", "says b"),
        (["a", "b"], "bc", "says a"),
        (["a", "b"], None, "says a"),
        (["a", "b"], "b/../a", "says a"),
        (["b", "a"], "b/../a/./src", "says a"),
        (["a", "b"], "a/to-b", "says b"),
        (["a", "to-b"], "b/src", "says b"),
        (["a", "a/inner"], "a/inner/src", "says inner"),
        (["a/inner", "a"], "a/inner/src", "says inner"),
        (["gone", "b"], "gone/src", "says b"),
        (["gone", "b", "a"], None, "says b"),
    ],
)
def test_of_several_folders_the_innermost_that_the_calls_directory_really_lies_in_counts(
    world, tmp_path, roots, cwd, said
):
    for name in ("a", "b", "a/inner"):
        governed(world, tmp_path / "w" / name, f"says {name.rpartition('/')[2]}")
    (tmp_path / "w" / "b" / "src").mkdir()
    (tmp_path / "w" / "a" / "to-b").symlink_to(tmp_path / "w" / "b" / "src")
    (tmp_path / "w" / "to-b").symlink_to(tmp_path / "w" / "b")
    named = [f"{tmp_path}/w/{root}" for root in roots]
    event = shell("cursor", "rm x", workspace_roots=named, cwd=cwd and f"{tmp_path}/w/{cwd}")
    assert said.encode() in world.hook("cursor", event, cwd=tmp_path / ".cursor").stdout


@pytest.mark.parametrize("folder", ["", "inner", "inner/most"])
def test_a_workspace_that_governed_and_is_gone_is_no_permission(world, tmp_path, folder):
    workspace = world.project / folder
    workspace.mkdir(parents=True, exist_ok=True)
    event = shell("cursor", "ls", workspace_roots=[str(workspace)])
    start = tmp_path / ".cursor"
    assert not denied(world.hook("cursor", event, cwd=start))
    world.project.rename(tmp_path / "elsewhere")
    assert denied(world.hook("cursor", event, cwd=start))
    assert last_heartbeat(str(world.state), "cursor").code == "config_gone"
    strange = shell("cursor", "ls", workspace_roots=[str(tmp_path / "never" / "governed")])
    assert not denied(world.hook("cursor", strange, cwd=start))
    (tmp_path / "elsewhere").rename(world.project)
    assert not denied(world.hook("cursor", event, cwd=start))


def test_a_file_above_a_workspace_that_is_gone_must_still_speak(world, tmp_path):
    inner = world.project / "inner"
    inner.mkdir()
    event = shell("cursor", "ls", workspace_roots=[str(inner)])
    assert not denied(world.hook("cursor", event, cwd=tmp_path / ".cursor"))
    inner.rmdir()
    done = world.hook("cursor", event, cwd=tmp_path / ".cursor")
    assert denied(done)
    assert b"the workspace is gone" in done.stdout
    (world.project / ".cursor").mkdir()
    beside = world.hook("cursor", event, cwd=world.project / ".cursor")
    assert not denied(beside), "it speaks where we are"


@pytest.mark.parametrize("name", ["own.toml", "./own.toml", "~/own.toml"])
@pytest.mark.parametrize("by", ["--config", "CODESPAR_CONFIG"])
def test_a_file_named_by_a_relative_path_is_the_one_beside_where_the_hook_was_started(world, tmp_path, name, by):
    start = tmp_path / ".cursor"
    (start / "own.toml").write_text(world.config.read_text())
    (start / "policy.yaml").write_text(world.rules.read_text().replace("nothing is removed here", "says its own"))
    (world.project / "own.toml").write_text("version = 1\n")
    world.env["HOME"] = str(start)
    if by == "CODESPAR_CONFIG":
        world.env[by] = name
    arguments = ("--config", name) if by == "--config" else ()
    event = shell("cursor", "rm x", workspace_roots=[str(world.project)])
    assert b"says its own" in world.hook("cursor", event, *arguments, cwd=start).stdout


def test_relative_places_of_the_users_own_stay_where_the_hook_was_started(world, tmp_path):
    start = tmp_path / ".cursor"
    del world.env["CODESPAR_STATE_DIR"]
    world.env |= {"XDG_STATE_HOME": "state", "XDG_CONFIG_HOME": "config"}
    (start / "config" / "codespar").mkdir(parents=True)
    (start / "config" / "codespar" / "plugins.toml").write_text(world.config.read_text())
    rules = world.rules.read_text().replace("nothing is removed here", "says the user")
    (start / "config" / "codespar" / "policy.yaml").write_text(rules)
    bare = tmp_path / "bare"
    bare.mkdir()
    done = world.hook("cursor", shell("cursor", "rm x", workspace_roots=[str(bare)]), cwd=start)
    assert b"says the user" in done.stdout
    assert last_heartbeat(str(start / "state" / "codespar"), "cursor").outcome == "deny"
    assert not list(bare.iterdir())


@pytest.mark.parametrize(
    ("roots", "found"),
    [
        (["/w/a", "/w/b/"], ("/w/a", "/w/b/")),
        (["c:/w", "/w/b", "", 7], ("/w/b",)),
        ([], ()),
        ("/x", ()),
        (None, ()),
    ],
)
def test_an_event_tells_the_folders_that_can_be_here(roots, found):
    event = shell("cursor", "ls", workspace_roots=roots)
    assert dialect_of("cursor").read(json.dumps(event).encode()).workspaces == found
