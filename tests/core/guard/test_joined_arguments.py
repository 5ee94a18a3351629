"""What several arguments make together is one path, in whatever pieces and however deep it is given."""

import json

import pytest
from governed_agent import Agent, world_in

SETTINGS = "~/.claude/settings.json"
NESTED = json.dumps({"path": SETTINGS, "content": "{}"})


@pytest.fixture
def agent(tmp_path):
    return Agent(world_in(tmp_path))


@pytest.mark.parametrize(
    "args",
    [
        {"base_path": "~/.claude", "files": [{"path": "settings.json", "content": "{}"}]},
        {"root": "~", "files": {".bashrc": "echo"}},
        {"root": "~", "files": {".claude": {"settings.json": "{}"}}},
        {"~/.claude": {"settings.json": "{}"}},
        {"path": ["~", ".bashrc"], "content": "x"},
        {"path": ["~", ".claude", "settings.json"], "content": "x"},
        {"path": ["~", ".config"], "name": "codespar/plugins.toml"},
        {"dir": "~", "sub": ".config", "name": "codespar/plugins.toml"},
        {"base": "~", "inner": {"dir": ".config", "files": [{"name": "codespar/plugins.toml"}]}},
        {"base": "~", "a": [{"b": [{"c": {"file": ".zshenv"}}]}]},
        {"base": "~", "names": ["x", ".zshenv"]},
        {"dir": "~/.claude", "name": "settings", "extension": ".json"},
        {"dir": "~/.claude", "name": "settings", "ext": "json"},
        {"file_path": "~/.claude/settings", "extension": "json"},
        {"file_path": "~/.bash", "suffix": "rc"},
        {"basePath": "~/.claude", "fileName": "settings", "fileExtension": "json"},
        {"folder": "~/.claude", "title": "settings.json", "content": "{}"},
        {"path_str": SETTINGS, "content": "{}"},
        {"path_string": SETTINGS, "content": "{}"},
        {"file_path_text": SETTINGS},
        {"name": "write_file", "arguments": NESTED},
        {"name": "write_file", "arguments": json.dumps({"call": NESTED})},
        {"name": "write_file", "input": f"  {NESTED}"},
        {"base": "~", "edits": json.dumps([{"file": ".bashrc"}])},
        {"name": "write_file", "arguments": f'{{"path":"{SETTINGS}","path":"a.txt"}}'},
        {"name": "write_file", "arguments": f'{{"size":{"9" * 5000},"path":"{SETTINGS}"}}'},
        {"name": "write_file", "arguments": f'{{"content":"a\nb","path":"{SETTINGS}"}}'},
        {"name": "run", "arguments": json.dumps({"command": f"echo > {SETTINGS}"})},
    ],
)
def test_pieces_of_a_path_are_put_together(agent, args):
    assert agent.gives("mcp__fs__put", args) is not None


@pytest.mark.parametrize(
    "args",
    [
        {"base_path": "src", "files": [{"path": "settings.json", "content": SETTINGS}]},
        {"root": "src", "files": {".bashrc": "x", "a/b.py": "y"}},
        {"path": ["src", "settings.json"], "content": "x"},
        {"dir": "src", "name": "settings", "ext": "json"},
        {"folder": "docs", "title": "settings.json", "content": SETTINGS},
        {"title": "settings.json", "body": "x", "labels": ["~/.claude"]},
        {"owner": "o", "repo": "r", "title": "plugins.toml", "head": "a/b", "base": "main", "body": "x"},
        {"file_text": SETTINGS, "path": "a.md"},
        {"path": "a.json", "content": NESTED},
        {"path": "a.json", "new_str": NESTED, "old_str": "{}"},
        {"name": "x", "arguments": json.dumps({"path": "a", "content": SETTINGS})},
        {"filter": '{"a": "b"}', "path": "{a}"},
    ],
)
def test_pieces_of_another_path_are_the_policys_matter(agent, args):
    assert agent.gives("mcp__fs__put", args) is None


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("copy_directory", {"source": "src", "destination": "~/.claude"}),
        ("copy_directory", {"source": "src", "destination": "~/.config"}),
        ("copyDirectory", {"from": "src", "to": ".codex"}),
        ("copy", {"src": "src", "dst": "~"}),
        ("copy", {"src": "nowhere", "dst": "~"}),
        ("move_file", {"source": "src", "destination": "~/.claude"}),
        ("copy_file", {"source": "/tmp/settings.json", "destination": "~/.claude"}),
        ("copy_file", {"source": "/tmp/x/.bashrc", "destination": "~"}),
        ("rename_file", {"path": "~/.claude/x.json", "new_name": "settings.json"}),
        ("duplicate", {"path": "~/x", "name": ".bashrc"}),
        ("extract_zip", {"archive": "a.zip", "destination": "~"}),
        ("unzip", {"zip_path": "a.zip", "output_dir": "link"}),
        ("mcp__archive__untar", {"file": "a.tar", "dir": "~/.config"}),
        ("swap_directories", {"a": "~/.config", "b": "src"}),
        ("copy_directory", {"source": "~/.claude", "destination": "out"}),
    ],
)
def test_nothing_is_put_where_it_could_lie_on_what_governs(agent, tool, args):
    assert agent.gives(tool, args) is not None


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("copy_directory", {"source": "src", "destination": "out"}),
        ("copy_directory", {"source": ".", "destination": "out"}),
        ("copy_file", {"source": "a.py", "destination": "~/code"}),
        ("extract_zip", {"archive": "~/a.zip", "destination": "out"}),
        ("rename_symbol", {"path": "src/a.py", "new_name": "b"}),
    ],
)
def test_other_copies_are_the_policys_matter(agent, tool, args):
    assert agent.gives(tool, args) is None


@pytest.mark.parametrize(
    ("tool", "more"),
    [
        ("view", {"command": "create", "file_text": "{}"}),
        ("view", {"command": "str_replace"}),
        ("view", {"command": "wipe"}),
        ("read_content", {"content": "{}"}),
        ("view_file", {"new_str": "{}"}),
        ("read_file", {"edits": [{"a": "b"}]}),
        ("get_file", {"request": {"contents": "x"}}),
        ("LSP", {"operation": "renameSymbol"}),
    ],
)
def test_a_reader_that_is_given_something_to_write_is_none(agent, tool, more):
    assert agent.gives(tool, {"path": SETTINGS, **more}) is not None


@pytest.mark.parametrize(
    ("tool", "more"),
    [
        ("view", {"command": "view"}),
        ("view", {"view_range": [1, 2]}),
        ("LSP", {"operation": "goToDefinition"}),
        ("read_file", {"offset": 3}),
    ],
)
def test_a_reader_that_only_looks_is_one(agent, tool, more):
    assert agent.gives(tool, {"path": SETTINGS, **more}) is None


@pytest.mark.parametrize("tool", ["shell", "mcp__x__exec"])
@pytest.mark.parametrize("key", ["command", "argv", "args", "cmd"])
def test_a_command_in_words_is_judged_as_it_is_run(agent, tool, key):
    assert agent.gives(tool, {key: ["bash", "-lc", "cp x ~/.bashrc"]}) is not None
    assert agent.gives(tool, {key: ["bash", "-lc", "echo 'it''s' && rm ~/.bashrc"]}) is not None
    assert agent.gives(tool, {key: ["cp", "x", "~/.bashrc"]}) is not None
    assert agent.gives(tool, {key: ["echo x >", "~/.bashrc"]}) is not None
    assert agent.gives(tool, {key: ["make", "all"]}) is None


def test_of_several_commands_each_is_judged(agent):
    assert agent.gives("shell", {"commands": ["ls", "rm ~/.bashrc"]}) is not None
    assert agent.gives("shell", {"commands": ["ls", "make"]}) is None


@pytest.mark.parametrize(
    "args",
    [
        {"command": "echo {} > settings.json", "workdir": "~/.claude"},
        {"command": ["tee", "settings.json"], "cwd": "link"},
        {"cmd": "cp x .bashrc", "working_directory": "~"},
        {"command": "cp x ../.bashrc", "options": {"directory": "~/[x]"}},
        {"patch": "--- a/.bashrc\n+++ b/.bashrc\n@@ -1 +1 @@\n-a\n+b\n", "repo_path": "~"},
        {"diff": "--- settings.json\n+++ settings.json\n@@ -1 +1 @@\n-a\n+b\n", "root": "link"},
    ],
)
def test_a_command_and_a_patch_are_read_from_the_directory_that_is_given(agent, args):
    assert agent.gives("mcp__x__do", args) is not None


@pytest.mark.parametrize(
    "args",
    [
        {"command": "echo {} > settings.json", "workdir": "src"},
        {"command": "make && rm -rf build", "cwd": "/tmp"},
        {"command": "cat settings.json", "workdir": "~/.claude"},
        {"patch": "--- a/.bashrc\n+++ b/.bashrc\n@@ -1 +1 @@\n-a\n+b\n", "repo_path": "src"},
    ],
)
def test_a_command_that_starts_elsewhere_is_the_policys_matter(agent, args):
    assert agent.gives("mcp__x__do", args) is None
