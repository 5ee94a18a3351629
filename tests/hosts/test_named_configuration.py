"""A configuration that is named is a regular file, or there is no permission: in the hook and in every other command."""

import os
import socket

import pytest
from hook_world import World, shell
from host_golden import denies

from codespar_cli.cold_gate import open_gate
from codespar_cli.core.calls import ToolCall
from codespar_cli.core.config import find_config, read_bytes
from codespar_cli.errors import ConfigError

KINDS = ["null", "zero", "stdin", "directory", "pipe", "socket", "link to a device", "descriptor"]


def named(kind, directory):
    path = directory / "named.toml"
    if kind in {"null", "zero", "stdin"}:
        return f"/dev/{kind}"
    if kind == "descriptor":
        return "/dev/fd/0"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    else:
        path.symlink_to("/dev/null")
    return str(path)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.parametrize("by", ["--config", "CODESPAR_CONFIG"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_hook_denies_what_is_named_and_no_file(world, tmp_path, kind, by):
    path = named(kind, tmp_path)
    arguments = ("--config", path) if by == "--config" else ()
    if by == "CODESPAR_CONFIG":
        world.env["CODESPAR_CONFIG"] = path
    for _ in range(2):  # and nothing is kept of it
        done = world.hook("claude", shell("claude", "ls"), *arguments)
        assert denies("claude", done.stdout, done.returncode)
        assert b"is no regular file" in done.stdout + done.stderr


def test_an_empty_file_that_is_named_is_a_configuration_without_a_policy(world, tmp_path):
    (tmp_path / "named.toml").write_bytes(b"version = 1\n")
    done = world.hook("claude", shell("claude", "ls"), "--config", str(tmp_path / "named.toml"))
    assert not denies("claude", done.stdout, done.returncode)


@pytest.mark.parametrize("kind", KINDS)
def test_every_other_command_refuses_it_too(tmp_path, kind):
    path = named(kind, tmp_path)
    for explicit, environ in ((path, {}), (None, {"CODESPAR_CONFIG": path})):
        with pytest.raises(ConfigError, match="is no regular file"):
            find_config(explicit, environ=environ, start=tmp_path)
        with pytest.raises(ConfigError, match="is no regular file"):
            open_gate({"HOME": str(tmp_path), **environ}, config_path=explicit).check(ToolCall("a", "t"))


def test_a_file_that_is_exchanged_for_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "plugins.toml")
    with pytest.raises(ConfigError, match="found something else"):
        read_bytes(tmp_path / "plugins.toml")
