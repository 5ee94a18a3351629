"""Commands that only look at what governs, or speak of it, are the policy's matter: also one behind another."""

import pytest
from governed_agent import Agent, world_in
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    return Agent(world_in(tmp_path_factory.mktemp("harmless")))


HARMLESS = [
    'git commit -m "README: mention ~/.claude/settings.json and hooks"', 'git commit -m "fix plugins.toml parsing"',
    'git commit -m "docs: how to run codespar trust"', "git commit -F - <<EOF\nsee ~/.bashrc; codespar trust\nEOF",
    "git commit -m \"$(cat <<'EOF'\nit's ~/.bashrc (codespar trust)\nEOF\n)\"", "git stash push -m 'about ~/.bashrc'",
    "git diff -- .claude/settings.json", "git add .claude/settings.json plugins.toml", "git log -p -- plugins.toml | cat", "git show HEAD:.mcp.json",
    "git status", "git -C src grep plugins.toml", "gh pr create --title 'protect ~/.bashrc' --body 'codespar trust'",
    'grep -rn "codespar trust" docs/', "grep -r plugins.toml . | head", "rg -n 'codespar trust|~/.bashrc' 2>/dev/null",
    "cat ~/.bashrc | grep PATH", "ls ~/.bashrc 2>/dev/null", "ls -la .claude/ 2>&1 | head", "cat .mcp.json 2>/dev/null || true",
    "source ~/.bashrc && npm test", ". ~/.profile; npm test", "sed -n 1,20p plugins.toml", "sed -n '/a/,/b/p' .mcp.json", "jq . .mcp.json",
    "awk '{print $1, $2}' .mcp.json", "find . -name plugins.toml", "find . -name '*.pyc' -delete", "find . -type f -name '*.o' -exec rm {} +",
    "find . -name '*.pyc' | xargs rm -f", "find . -exec grep -l plugins.toml {} +", "echo ~/.bashrc | xargs cat",
    'echo "see ~/.claude/settings.json" >> README.md', "echo codespar trust is a command > notes.md", "printf '%s' ~/.bashrc",
    "cat > README.md <<EOF\nrun codespar trust > ~/.bashrc\nEOF", "cat <<EOF\n> ~/.bashrc\nEOF",
    "codespar trust --help", "codespar approvals approve -h", "codespar policy check fs/read", "codespar metrics tail", "codespar hosts status",
    "codespar audit verify", "command -v codespar", "man codespar trust", "npm test", "pytest -k hooks", "python -m pytest tests -k 'a or b' 2>&1 | tail -3",
    "test -f ~/.bashrc && echo yes", "[ -f ~/.zshrc ] && . ~/.zshrc", "[[ -f .mcp.json ]] && cat .mcp.json",
    "if [ -f ~/.bashrc ]; then head -5 ~/.bashrc; fi", "for f in *.py; do echo $f; done", "diff <(cat ~/.bashrc) x", "wc -l ~/.bashrc > n",
    "sudo cat ~/.bashrc", "bash -lc 'cat ~/.bashrc'", "timeout 5 tail -f ~/.local/state/codespar/x", "stat ~/.claude/settings.json",
    "cp ~/.bashrc /tmp/x", "cp -r ~/.claude/skills .", "rm -rf src/* dist", "rm -f *.pyc", "mkdir -p .claude", "(cd src && rm -rf build)",
    "tar xzf x.tgz -C build", "unzip a.zip", "patch -p1 < x", "curl -sSL https://x/y -o /tmp/y", "sed -i s/a/b/ src/*.ts", "chmod +x run.sh",
    "cat .mcp.json | python3 -m json.tool", "export PATH=$PATH:~/bin", "x=$((1 << 2)) && echo $x", "docker run -v $HOME:/h x", "# rm ~/.bashrc",
    "echo 'a && b > ~/.bashrc'", "ls # codespar trust", "python3 make.py > out.json", "cat <<'EOF' > x.sh\nit's\nEOF",
]  # fmt: skip


@pytest.mark.parametrize("command", HARMLESS)
def test_it_is_the_policys_matter(agent, command):
    assert agent.runs(command) is None


@given(st.sampled_from(HARMLESS), st.sampled_from(["\n", "\n\n  ", "\n: && "]), st.sampled_from(HARMLESS))
def test_two_of_them_are_too(agent, first, between, second):
    assert agent.runs(f"{first}{between}{second}") is None, f"{first}{between}{second}"


ONE_LINERS = [
    command for command in HARMLESS if "\n" not in command and "#" not in command and not command.startswith("if")
]


@given(st.lists(st.sampled_from(ONE_LINERS), min_size=2, max_size=4), st.sampled_from(["; ", " && ", " || ", " & "]))
def test_they_stay_so_in_one_line(agent, commands, between):
    assert agent.runs(between.join(commands)) is None, between.join(commands)


def test_all_that_lies_in_a_directory_may_go_where_nothing_governs(tmp_path):
    agent = Agent(world_in(tmp_path))
    assert agent.runs("cd src && rm -rf ./*") is None
    assert agent.runs("rm -rf ./*") is not None
    (agent.project / "plugins.toml").unlink()
    assert agent.asks("Bash", agent.project, command="rm -rf ./*.toml") is None


def test_a_long_here_document_is_data(agent):
    lines = "\n".join(f'import x from "./b/c{number}.js";' for number in range(20_000))
    assert agent.runs(f"cat > a.ts <<EOF\n{lines}\nEOF") is None
    assert agent.runs(f"cat > a.ts <<EOF\n{lines}\nEOF\nrm ~/.bashrc") is not None
