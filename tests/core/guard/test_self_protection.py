"""What governs an agent is not the agent's to change, however it spells the path."""

import os
import sys
from pathlib import Path

import pytest
from governed_agent import Agent, world_in
from hypothesis import given
from hypothesis import strategies as st

import codespar_cli
from codespar_cli.core.guard.self_protection import CODE

PACKAGE = Path(codespar_cli.__file__).parent


@pytest.fixture
def agent(tmp_path):
    return Agent(world_in(tmp_path))


DENIED = [
    "~/.claude/settings.json", "$HOME/.claude/settings.json", "${HOME}/.claude/settings.json", "../../.claude/settings.json",
    "src/../.claude/settings.local.json", ".claude//settings.json", "./.Claude/SETTINGS.json", "link/settings.json",
    "link/../.claude/settings.json", "alias.json", "hard.json", "file://~/.claude/settings.json", ".codex/hooks.json",
    "~/.codex/config.toml", ".cursor/hooks.json", "~/.gemini/settings.json", ".github/hooks/codespar.json", "plugins.toml",
    "rules/policy.yaml", "../plugins.toml", "~/.config/codespar/plugins.toml", "~/.config/codespar/new/thing",
    "~/.local/state/codespar/trust/x.json", "/etc/codespar/plugins.toml", "~/.bashrc", "~/.zshenv",
    "/etc/claude-code/managed-settings.json", "/proc/self/" + "root/etc/codespar/plugins.toml", "plugins.toml\0.txt", "src/plugins.toml",
    " .claude/settings.json", f"{PACKAGE}/core/gate.py",
]  # fmt: skip
FINE = [
    "src/main.py", "settings.json", ".claude/notes.md", "docs/plugins.md", ".github/workflows/ci.yml",
    "~/.config/other/plugins.toml", "bashrc", "codespar.md", ".gemini/GEMINI.md",
]  # fmt: skip
SHELL_FINE = [
    "ls -la", "git commit -m 'settings changed'", "cat ~/.bashrc", "head -n 3 plugins.toml", "pytest tests", "cd src && make",
    "codespar policy check fs/read", "codespar approvals list", "echo codespar", "grep -r x ~/.claude/settings.json", "ls ~/.claude",
]  # fmt: skip
SHELL_DENIED = [
    "echo {} > ~/.claude/settings.json", "cat x | tee $HOME/.claude/settings.json", "cp x .claude/settings.json",
    "rm -rf ~/.config/codespar", "sed -i s/a/b/ plugins.toml", "cat > plugins.toml <<EOF\nversion = 1\nEOF",
    "rm -r ~/.claude", "cd ~/.claude && echo {} > settings.json", "echo {} > ~/.cla''ude/settings.json",
    'echo {} > "$HOME"/.claude/settings.json', "echo {} > ~/.claude/sett*", "echo x >> ~/.bashrc",
    "sqlite3 ~/.local/state/codespar/policy.db 'delete from holds'", "codespar trust", "codespar approvals approve ap-1 --as ann",
    "python -m codespar_cli trust .", "dd of=~/.claude/settings.json", "ln -s x .codex/hooks.json", "cat plugins.toml; rm plugins.toml",
    "echo {} > ~/.cl\\aude/settings.json", "x=1 /usr/local/bin/codespar hosts uninstall claude",
]  # fmt: skip


@pytest.mark.parametrize("path", DENIED)
@pytest.mark.parametrize(
    ("tool", "key"),
    [("Write", "file_path"), ("Edit", "file_path"), ("mcp__fs__write_file", "path"), ("replace", "target_file")],
)
def test_a_file_tool_does_not_write_it(agent, path, tool, key):
    refusal = agent.writes(path, tool, key)
    assert refusal is not None
    assert (refusal.allowed, refusal.code, refusal.never) == (False, CODE, True)


@pytest.mark.parametrize("path", FINE)
def test_other_files_are_the_policys_matter(agent, path):
    assert agent.writes(path) is None


@pytest.mark.parametrize("tool", ["Read", "read_file", "mcp__fs__read_text_file", "fs/read", "Grep", "list_directory"])
def test_reading_is_the_policys_matter(agent, tool):
    assert agent.asks(tool, path="~/.claude/settings.json", file_path="plugins.toml") is None


@pytest.mark.parametrize("command", SHELL_DENIED)
def test_a_command_that_names_it_is_stopped(agent, command):
    assert agent.runs(command) is not None
    assert agent.asks("shell", command=["bash", "-lc", command]) is not None


@pytest.mark.parametrize("command", SHELL_FINE)
def test_other_commands_are_the_policys_matter(agent, command):
    assert agent.runs(command) is None


def test_a_patch_is_judged_by_the_files_it_names_and_not_by_what_it_says(agent):
    patch = "*** Begin Patch\n*** {}\n@@\n-a\n+see ~/.bashrc and plugins.toml\n*** End Patch\n"
    assert agent.asks("apply_patch", command=patch.format("Update File: docs/a.md")) is None
    assert agent.asks("apply_patch", command=patch.format("Update File: .claude/settings.json")) is not None
    assert agent.asks("apply_patch", input=patch.format("Move to: plugins.toml")) is not None
    assert agent.asks("apply_patch", patch="--- a/plugins.toml\n+++ b/plugins.toml\n@@\n") is not None


def test_one_of_many_edits_is_enough(agent):
    edits = [{"file_path": "src/a.py"}, {"deep": [{"file_path": "~/.claude/settings.json"}]}]
    assert agent.asks("MultiEdit", edits=edits) is not None


def test_arguments_that_cannot_be_looked_at_are_refused(agent):
    deep = {"path": "x"}
    for _ in range(100):
        deep = {"path": deep}
    assert agent.asks("Write", **deep) is not None


def test_a_path_within_is_protected_from_any_directory(agent):
    assert agent.asks("Write", cwd=agent.home / ".claude", file_path="settings.json") is not None
    assert agent.asks("Write", cwd=agent.project / "src", file_path="plugins.toml") is not None


@given(
    st.lists(st.sampled_from([".", "..", "x/..", "", "src/../."]), max_size=5),
    st.sampled_from(["plugins.toml", ".claude/settings.json"]),
    st.booleans(),
)
def test_no_detour_helps(tmp_path_factory, detour, name, upper):
    root = tmp_path_factory.getbasetemp() / "detours/home/code/project"
    (root / "src").mkdir(parents=True, exist_ok=True)
    (root / "x").mkdir(exist_ok=True)
    agent = Agent(root.parents[2])
    inside = [part for part in detour if part != ".."]
    path = "/".join([str(root), *inside, name.upper() if upper else name])
    assert agent.writes(path) is not None
    assert agent.writes(os.path.relpath(path, root)) is not None


SETTINGS = "~/.claude/settings.json"


@pytest.mark.parametrize(
    "path",
    [
        "/x\n/../{home}/.claude/settings.json", "a\n/../.claude/settings.json", "/a/.." * 1200 + "{home}/.claude/settings.json",
        "file://{home}/%2eclaude/settings.json", "FILE://localhost{home}/.claude/settings%2Ejson",
        "file:{home}/.claude/settings.json?x#y", "file://{home}/.cla\nude\\settings.json", ".mcp.json", "~/.claude.json",
        "~/.config/fish/conf.d/x.fish", "~/.claude/plugins/x/hooks/hooks.json", f"{os.path.dirname(os.__file__)}/json/decoder.py",
        f"{Path(pytest.__file__).parents[1]}/apsw/__init__.py", f"{Path(sys.executable).parent}/codespar", sys.executable,
    ],
)  # fmt: skip
def test_no_spelling_and_no_ground_below_it_is_left_out(agent, path):
    assert agent.writes(path.format(home=agent.home)) is not None


def test_a_link_with_a_line_break_in_its_name_is_followed(agent):
    (agent.project / "a\nb").symlink_to(agent.home / ".claude")
    assert agent.writes("a\nb/settings.json") is not None


@pytest.mark.parametrize(
    "tool",
    ["search_replace", "mcp__ed__find_and_replace", "SearchReplace", "find-replace", "get_or_create", "ListAndDelete"],
)
def test_a_tool_that_also_writes_is_no_reader(agent, tool):
    assert agent.asks(tool, file_path=SETTINGS, old_string="a", new_string="b") is not None


@pytest.mark.parametrize(
    "args",
    [
        {"src": "/tmp/x", "dst": SETTINGS}, {"output": SETTINGS}, {"folder": "~/.claude", "name": "settings.json"},
        {"folder": "link", "name": "settings.json"}, {"files": [{"p": SETTINGS}]}, {"files": {SETTINGS: "x"}},
        {"p": "plugins.toml"}, {"where": {"base": "~", "rest": ".claude/settings.json"}}, {"x": "a b/../.claude/settings.json"},
    ],
)  # fmt: skip
def test_a_path_is_found_under_any_key(agent, args):
    assert agent.asks("mcp__fs__put", **args) is not None


def test_what_a_reading_tool_puts_somewhere_is_written(agent):
    assert agent.asks("read_file", path="a", output_path=SETTINGS) is not None


@pytest.mark.parametrize(
    "args",
    [
        {"file_path": "a.md", "content": SETTINGS}, {"file_path": "a.py", "old_string": "plugins.toml", "new_string": SETTINGS},
        {"url": "https://example.com/x/.claude/settings.json"}, {"query": "plugins.toml"}, {"note": "see x/.claude/settings.json"},
        {"new_source": f"# {SETTINGS}\nopen('plugins.toml')\n", "notebook_path": "a.ipynb"}, {"folder": "src", "name": "settings.json"},
    ],
)  # fmt: skip
def test_what_only_speaks_of_it_is_the_policys_matter(agent, args):
    assert agent.asks("mcp__fs__put", **args) is None


@pytest.mark.parametrize("path", ["~", "~/.config", "~/.claude", "~/.local", "..", ".", ".claude", "~/code", "link"])
def test_what_holds_it_is_not_moved_or_deleted(agent, path):
    (agent.home / ".config/codespar/plugins.toml").write_text("")
    assert agent.asks("mcp__fs__delete_directory", path=path) is not None
    assert agent.asks("moveFile", source=path, destination="/tmp/x") is not None
    assert agent.runs(f"rm -rf {path}") is not None
    assert agent.runs(f"true && sudo mv {path} /tmp/x") is not None
    assert agent.runs(f"mv -t /tmp {path}") is not None


def test_other_moves_are_the_policys_matter(agent):
    assert agent.asks("move_file", source="src/a.py", destination=str(agent.project)) is None
    assert agent.asks("delete_file", path="src/a.py") is None
    assert agent.asks("run_shell_command", command="make", directory=str(agent.project)) is None
    assert agent.runs("rm -rf src build/*.o && mv a.txt .. && find . -name '*.pyc' -exec rm {} +") is None


@pytest.mark.parametrize(
    "header", ["*** Add File: ", " *** Add File: ", "\t*** Update File:", "  +++ b/", "  rename from "]
)
def test_an_indented_header_of_a_patch_names_its_file(agent, header):
    patch = f"*** Begin Patch\n{header}.codex/hooks.json\n+{{}}\n*** End Patch"
    assert agent.asks("apply_patch", input=patch) is not None
    assert (
        agent.asks("apply_patch", patch=f"diff --git a/x b/.codex/hooks.json\ndeleted file mode 100644\n{patch}")
        is not None
    )


@pytest.mark.parametrize("start", ["--- ; ", "*** Begin Patch\n", "diff --git; "])
def test_a_command_that_looks_like_a_patch_is_a_command(agent, start):
    assert agent.runs(f"{start}echo {{}} > {SETTINGS}") is not None
    assert agent.runs(f"{start}codespar approvals approve ap-x --as lead") is not None


@pytest.mark.parametrize("padding", [" " * (1 << 18), "true; " * 3000, "# " + "x" * (1 << 18) + "\n"])
def test_no_padding_hides_a_command(agent, padding):
    assert agent.runs(f"{padding}echo {{}} > {SETTINGS}") is not None


def test_more_than_can_be_looked_at_is_refused(agent):
    assert agent.runs("x " * (1 << 21) + "y") is not None
    assert agent.runs(" ".join(f"a/{number}" for number in range(70_000))) is not None
    assert agent.asks("mcp__fs__put", **{f"path{number}": f"a/{number}" for number in range(300)}) is not None


USERS = [
    "codespar --config a --tenant b --config=c approvals approve ap-x", "codespar policy release rs-1", "codespar plugins disable policy",
    "codespar policy record openai --cost 0 --reservation r", "codespar mcp pins approve x", "codespar secrets get PROD --reveal",
    "codespar --tenant list trust", "codespar plugins enable policy null", "codespar secrets export", "(codespar mcp pins reset x)",
]  # fmt: skip
ANYBODYS = [
    "codespar policy check trust", "codespar mcp pins list", "codespar secrets get PROD", "codespar plugins status",
    "codespar --config a --tenant b approvals show ap-x", "codespar policy budgets; echo trust", "codespar mcp wrap -- x approvals",
    ".venv/bin/python -m pytest > out.txt", f"{sys.executable} *.py", f"source {sys.prefix}/bin/activate && make",
]  # fmt: skip


@pytest.mark.parametrize("command", USERS)
def test_what_only_the_user_may_say(agent, command):
    assert agent.runs(command) is not None


@pytest.mark.parametrize("command", ANYBODYS)
def test_what_anybody_may_say_or_run(agent, command):
    assert agent.runs(command) is None


@pytest.mark.parametrize("command", ["echo x > {}", "cp x {}", "rm -f {}", "cat x | tee -a {}"])
def test_what_codespar_runs_on_is_not_written_by_a_command(agent, command):
    assert agent.runs(command.format(f"{Path(pytest.__file__).parents[1]}/apsw/__init__.py")) is not None
    assert agent.runs(command.format(sys.executable)) is not None
    assert agent.runs(command.format(Path(sys.executable).parents[1] / "pyvenv.cfg")) is not None
