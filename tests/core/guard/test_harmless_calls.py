"""Calls that people's agents make every day are the policy's matter, and big ones are looked at in time."""

from time import process_time

import pytest
from governed_agent import Agent, world_in

SETTINGS = "~/.claude/settings.json"


@pytest.fixture
def agent(tmp_path):
    return Agent(world_in(tmp_path))


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("Write", {"file_path": "src/hooks/hooks.json", "content": "{}"}),
        ("LSP", {"operation": "hover", "filePath": "~/.claude/plugins/x/hooks/hooks.json"}),
        ("Write", {"file_path": ".codex/skills/a.md", "content": "x"}),
        ("Write", {"file_path": "~/.codex/prompts/a/b.md", "content": "x"}),
        (
            "AskUserQuestion",
            {"questions": [{"question": "?", "header": "~/.bashrc", "options": [{"label": "~/.bashrc"}]}]},
        ),
        ("mcp__memory__add", {"observations": [SETTINGS]}),
        ("mcp__serena__replace_content", {"relative_path": "README.md", "needle": SETTINGS, "repl": ".mcp.json"}),
        ("mcp__x__insert", {"snippet": ".claude/settings.json"}),
        ("mcp__kagi__kagi_search_fetch", {"queries": ["~/.bashrc"]}),
        ("mcp__git__git_log", {"file_path": ".claude/settings.json"}),
        ("mcp__git__git_blame", {"path": "plugins.toml"}),
        ("mcp__browser__navigate", {"url": "file:///x/.claude/settings.json"}),
        ("browser_navigate", {"url": "file:///x/.claude/settings.json"}),
        ("mcp__github__remove_label", {"repo": "a/b", "label": "/"}),
        ("mcp__k8s__delete_ingress", {"path": "/", "host": "x"}),
        ("mcp__api__remove_route", {"route": "/"}),
        ("mcp__db__insert", {"row": {f"c{number}": f"v.{number}" for number in range(100)}}),
        ("mcp__db__insert", {"row": {f"c{number}": f"v/{number}" for number in range(200)}}),
    ],
)
def test_it_is_the_policys_matter(agent, tool, args):
    assert agent.gives(tool, args) is None


@pytest.mark.parametrize(
    ("tool", "args"),
    [
        ("Write", {"file_path": "~/.claude/plugins/x/hooks/hooks.json", "content": "{}"}),
        ("Write", {"file_path": "~/.claude/plugins/x/.claude-plugin/plugin.json", "content": "{}"}),
        ("Write", {"file_path": ".codex/skills/run.sh", "content": "x"}),
        ("Write", {"file_path": ".codex/hooks.md", "content": "x"}),
        ("git_apply", {"file_path": ".claude/settings.json"}),
        ("git_log", {"path": "a", "output": ".claude/settings.json"}),
        ("delete_directory", {"path": "/"}),
        ("delete", {"path": "/"}),
        ("remove_all_files", {"dir": "/"}),
        ("mcp__k8s__delete_ingress", {"path": "~"}),
    ],
)
def test_what_is_near_to_it_stays_denied(agent, tool, args):
    assert agent.gives(tool, args) is not None


@pytest.mark.parametrize(
    ("tool", "args", "words"),
    [
        ("put", {"paths": [f"/x/{number}" for number in range(70_000)]}, "65,536 paths"),
        ("put", {f"path{number}": f"a/{number}" for number in range(300)}, "65,536 paths together"),
        ("Bash", {"command": "x " * (1 << 21) + "y"}, "4 MiB"),
        ("Bash", {"command": " ".join(f"a/{number}" for number in range(70_000))}, " more than "),
        ("put", {"arguments": '{"a":' * 70 + "1" + "}" * 70}, "64 deep"),
        ("put", {"arguments": '{"a":' * 90_000 + "1" + "}" * 90_000}, "64 deep"),
    ],
)
def test_what_is_too_much_is_said(agent, tool, args, words):
    refusal = agent.gives(tool, args)
    assert refusal is not None
    assert "too much to be looked at" in refusal.reason
    assert words in refusal.reason


def heredoc(size):
    return "Bash", {"command": "cat > a.json <<EOF\n" + "\n".join(f'"./b/c{at}.js",' for at in range(size)) + "\nEOF"}


def rows(size):
    return "put", {"items": [{"file": f"a/b{at}", "name": "c.d"} for at in range(size)]}


def edits(size):
    return "MultiEdit", {"file_path": "a", "edits": [{"old_string": "a/b", "path": f"p{at}"} for at in range(size)]}


def files(size):
    return "push_files", {"branch": "a/b", "files": [{"path": f"src/a{at}.ts", "content": "x"} for at in range(size)]}


def quoted(size):
    return "put", {"arguments": '{"a":[' + ",".join(f'{{"path":"x/{at}"}}' for at in range(size)) + "]}"}


def patch(size):
    return "apply_patch", {
        "patch": "--- a/x\n+++ b/x\n" + "".join(f"@@ -{at} +{at} @@\n-a\n+b\n" for at in range(size))
    }


def stars(size):
    return "Write", {"file_path": "a*" * (size // 10), "content": "x"}


@pytest.mark.parametrize("made", [heredoc, rows, edits, files, quoted, patch, stars])
def test_time_grows_with_the_size_and_no_faster(agent, made):
    """Sixteen times as much takes less than 48 times as long: what grows with the square takes 256 times."""
    agent.gives(*made(10))
    took = []
    for size in (1_000, 16_000):
        call = made(size)
        began = process_time()
        refusal = agent.gives(*call)
        took.append(process_time() - began)
        assert refusal is None
    assert took[1] < 48 * max(took[0], 0.005)
